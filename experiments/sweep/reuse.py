"""Trials that another study of the store has trained already: copied into the study that asks for them.

A copy is a run like any other, so that reports, exports and `status` need not know of it, and it stays when the other
study is deleted. A link would save some kilobytes, and each reader of a study would have to follow it.
"""

import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from experiments import tasks
from experiments.errors import first_line
from experiments.sweep.run_trial import RUNNING
from experiments.tracking import STORE_ERRORS, Store, StoredRun, logged_model, metadata
from experiments.tracking.metadata import Tag
from experiments.tracking.transfer import Receiver, Record, is_whole, record
from experiments.trial.spec import TrialSpec


def reuse(store: Store, specs: Sequence[TrialSpec], known: Collection[int]) -> int:
    """Copy what other studies have of the trials that this one lacks, and say how many. Returns their number.

    What a search pauses or has registered is always trained: it judges trials by what they had reached on their way,
    or by seeds that nobody has seen before.

    Args:
        store: The store.
        specs: The trials of a sweep.
        known: Numbers of those that the store has in their own study.
    """
    lacking = {
        (spec.experiment, spec.key): spec
        for number, spec in enumerate(specs)
        if number not in known and not spec.config.rerun and _may_be_copied(spec)
    }
    sources = _elsewhere(store, list(lacking.values())) if lacking else {}
    receivers: dict[str, Receiver] = {}
    copied: Counter[str] = Counter()
    for (experiment, key), source in sources.items():
        spec = lacking[experiment, key]
        study = spec.config.study
        receiver = receivers.get(study) or receivers.setdefault(study, Receiver(store, study, [], Path()))
        copied[source.tags[Tag.STUDY]] += _copy(receiver, spec, source)
    for study, count in copied.items():
        if count:
            print(f"copied from study {study}, which has trained them: {count} trial{'' if count == 1 else 's'}")
    return copied.total()


def _may_be_copied(spec: TrialSpec) -> bool:
    return spec.config.sweep.pause_after is None and spec.config.sweep.registered is None


def _elsewhere(store: Store, specs: Sequence[TrialSpec]) -> dict[tuple[str, str], StoredRun]:
    """By experiment and key the newest finished run of a trial in the other studies."""
    sources: dict[tuple[str, str], StoredRun] = {}
    for name, experiment in store.experiments().items():
        task = name.partition("/")[2]
        alike = [spec for spec in specs if spec.config.task.name == task and spec.experiment != name]
        runs = store.ended(experiment, {spec.key for spec in alike}) if alike else {}
        for spec in alike:
            for run in filter(is_whole, runs.get(spec.key, [])):
                place = spec.experiment, spec.key
                sources[place] = max(sources.get(place, run), run, key=_preference)
    return sources


def _preference(run: StoredRun) -> tuple[bool, int]:
    """A run that was trained before a copy of it, then the newest."""
    return Tag.COPIED not in run.tags, run.start_time


def _copy(receiver: Receiver, spec: TrialSpec, source: StoredRun) -> bool:
    """Whether a run could be copied; if not, its trial is trained."""
    store = receiver.store
    lock = store.folder / RUNNING / f"{spec.key}.lock"
    receiver.lock = lock
    try:
        with ExitStack() as held, tempfile.TemporaryDirectory() as folder:
            held.enter_context(FileLock(lock, timeout=0))
            for path in store.artifacts.paths(source.run_id):
                store.artifacts.download(source.run_id, path, Path(folder))
            if not any(Path(folder).iterdir()):
                raise FileNotFoundError(f"it has no files at {store.artifacts.address(source.run_id)}")
            copy = receiver.take(_of_this_study(store, spec, source), source.run_id, Path(folder))
            if spec.config.tracking.log_model and source.tags.get(Tag.DIVERGED) != "true":
                _add_model(store, copy, spec, Path(folder, "model.keras"))
            lock.unlink(missing_ok=True)
    except Timeout:  # somebody is at work on it now
        return False
    except (OSError, *STORE_ERRORS) as error:
        where = f"run {source.run_id} of study {source.tags[Tag.STUDY]}"
        print(f"{spec.name} is trained, as {where} cannot be copied ({first_line(error)})")
        return False
    return True


def _add_model(store: Store, run_id: str, spec: TrialSpec, file: Path) -> None:
    """The copy of a run has a logged model of its own."""
    if file.exists():
        task = tasks.build(spec.config.task, spec.config.data_dir)
        logged_model.complete(store.client, logged_model.begin(store.client, run_id, spec), spec, task, file)


def _of_this_study(store: Store, spec: TrialSpec, source: StoredRun) -> Record:
    """The record of a run as that of a trial of another study, with what that study calls and compares it with."""
    study = source.tags[Tag.STUDY]
    whole = record(store, study, source)
    task = tasks.build(spec.config.task, spec.config.data_dir)
    own = metadata.tags(spec, task)
    trained = (Tag.CODE, Tag.GIT_COMMIT, Tag.GIT_DIRTY, Tag.DIVERGED)
    tags = {str(tag): str(value) for tag, value in own.items() if tag not in trained}
    note = f"Copied from study {study}, which had trained it (run {source.run_id}).\n\n{source.tags.get(Tag.NOTE, '')}"
    params = {str(name): str(value) for name, value in metadata.params(spec, {}).items() if name.startswith("task.")}
    kept = {name: text for name, text in whole.tags.items() if name in trained or name not in metadata.OPTIONAL}
    return replace(
        whole,
        name=spec.name,
        params=whole.params | params,
        tags=kept | tags | {str(Tag.COPIED): f"{study} {source.run_id}", str(Tag.NOTE): note},
    )
