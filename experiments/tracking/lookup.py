"""Which run of the store a word means, and which of several runs of a trial counts."""

import math
import re
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from mlflow import entities

from experiments import tasks
from experiments.errors import UserError, first_line
from experiments.tracking.metadata import Metric, Param, Tag, fields
from experiments.tracking.run import StoredRun
from experiments.tracking.store import TRIALS, Store
from experiments.trial.spec import TrialSpec

WORD = re.compile(r"[\w./+=,:{}~ \[\]-]+")
MOST_NAMES = 8
LONGEST_SEED = 20  # digits


def described(run: StoredRun) -> StoredRun:
    """The run with parameters from its name, if its process died before it had recorded any."""
    if run.params:
        return run
    task, variant, seed = run.name.split("/")
    names = {Param.TASK: _bare(task), Param.VARIANT: _bare(variant)}
    return replace(run, params={**names, Param.SEED: seed.removeprefix("s")})


def task_of(name: str) -> str:
    """The task in the name of a trial: without the settings in brackets that tell trials apart."""
    return _bare(name.split("/")[0])


def _bare(part: str) -> str:
    return part.partition("[")[0]


def unreadable(run: StoredRun) -> str:
    """Why a run does not name its task, variant, settings and seed; "" if it does."""
    try:
        params = described(run).params
    except ValueError:
        return "it has no parameters, and its name is not TASK/VARIANT/sSEED"
    lacking = [str(param) for param in (Param.TASK, Param.VARIANT, Param.SEED) if param not in params]
    if lacking:
        return f"it has no parameter {', '.join(lacking)}"
    try:
        fields(params)
    except (KeyError, ValueError):
        return "its settings cannot be read"
    seed = params[Param.SEED]
    is_seed = seed.isdecimal() and len(seed) <= LONGEST_SEED
    return "" if is_seed else f"its parameter {Param.SEED} is {seed[:40]}, no whole number"


def is_readable(run: StoredRun) -> bool:
    """Whether a run names its task, variant, settings and seed."""
    return not unreadable(run)


def newest(runs: Iterable[StoredRun]) -> list[StoredRun]:
    """One run per trial: the newest finished one, else the newest.

    Sorted by task, variant, settings and seed, as workers begin them in no certain order.

    Args:
        runs: Runs, newest first.
    """
    chosen: dict[str, StoredRun] = {}
    for run in map(described, filter(is_readable, runs)):
        key = run.tags.get(Tag.TRIAL_KEY, run.run_id)
        if key not in chosen or (run.status == "FINISHED" != chosen[key].status):
            chosen[key] = run
    return sorted(chosen.values(), key=_order)


def _order(run: StoredRun) -> tuple[Any, ...]:
    params = run.params
    variant = params[Param.VARIANT]
    return params[Param.TASK], variant != "standard", variant, sorted(fields(params).items()), int(params[Param.SEED])


def durations(store: Store, task: str, count: int) -> list[tuple[StoredRun, float]]:
    """The newest finished trials of a task in all studies, so many at most, and the seconds that each took."""
    ids = [experiment for name, experiment in store.experiments().items() if name.partition("/")[2] == task]
    if not ids:
        return []
    query = f"attributes.status = 'FINISHED' and {TRIALS}"
    with store.usable():
        page = store.client.search_runs(ids, query, order_by=["attributes.start_time DESC"], max_results=count)
    return [(StoredRun.of(run), _seconds(run)) for run in page if is_readable(StoredRun.of(run))]


def _seconds(run: entities.Run) -> float:
    """From its begin to its end; of a trial that was interrupted those of training; NaN if nothing says it."""
    if run.data.tags.get(Tag.ATTEMPTS) == "1" and run.info.end_time:
        return (run.info.end_time - run.info.start_time) / 1000
    return sum(run.data.metrics.get(name, math.nan) for name in (Metric.TRAIN_S, Metric.COMPILE_S))


def unknown_study(store: Store, study: str) -> UserError:
    """The error of naming a study that the store does not have."""
    studies = ", ".join(store.studies()) or "none"
    return UserError(f"study={study}: the store {store.uri} has no trials of it. Studies: {studies}")


def find(store: Store, word: str, study: str | None = None) -> StoredRun:
    """The run that counts of the trial that a word names: the id of a run, the key of a trial, or a run's name.

    Args:
        store: The store.
        word: All of it, or of an id or key a beginning that no other trial has.
        study: Where to look; None: in all studies.

    Raises:
        UserError: if there is no such trial, or there are several.
    """
    if study is not None and study not in store.studies():
        raise unknown_study(store, study)
    runs = store.named(word, study) if WORD.fullmatch(word) else []
    candidates = [run for run in runs if run.run_id == word] or newest(runs)
    if not candidates:
        where = "the store" if study is None else f"study {study}"
        raise UserError(f"{word}: {where} has no such trial. {_others(store, study)}")
    if len(candidates) > 1:
        lines = "".join(f"\n  {line}" for line in map(_line, candidates[:MOST_NAMES], [candidates] * MOST_NAMES))
        more = f"\n  and {len(candidates) - MOST_NAMES} more" if len(candidates) > MOST_NAMES else ""
        raise UserError(f"{word}: {len(candidates)} trials are meant by it. Name one by its run:{lines}{more}")
    return candidates[0]


def _line(run: StoredRun, others: list[StoredRun]) -> str:
    """A run with the settings in which it differs from others."""
    settings = [fields(other.params) for other in others]
    own = fields(run.params)
    differing = [f"{name}={own[name]}" for name in own if len({other.get(name) for other in settings}) > 1]
    return "  ".join(
        part for part in (run.run_id, run.tags.get(Tag.STUDY, ""), run.name, run.status, *differing) if part
    )


def _others(store: Store, study: str | None) -> str:
    studies = [study] if study else store.studies()
    runs = [run for name in studies for run in store.trials(name) if run.status == "FINISHED"]
    if not runs:
        return "It has no finished trials"
    names = list(dict.fromkeys(f"{run.name} (study {run.tags.get(Tag.STUDY, '')})" for run in runs))
    return f"It has {', '.join(names[:MOST_NAMES])}{', ...' if len(names) > MOST_NAMES else ''}"


def fetch(store: Store, run: StoredRun, name: str, folder: Path) -> Path:
    """Bring an artifact of a run into a folder.

    Raises:
        UserError: if the run has no such artifact.
    """
    file = store.artifacts.download(run.run_id, name, folder)
    if file is None:
        lost = f". Its files are recorded at {store.artifacts.address(run.run_id)}"
        advice = lost if run.status == "FINISHED" else ". Only a trial that has ended well keeps its model"
        raise UserError(f"{run.name}: its run {run.run_id} is {run.status} and has no artifact {name}{advice}")
    return file


def read_yaml(store: Store, run: StoredRun, name: str) -> Any:
    """The content of a YAML artifact of a run.

    Raises:
        UserError: if the run has no such artifact, or it cannot be read.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            return yaml.safe_load(fetch(store, run, name, Path(folder)).read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{run.name}: its artifact {name} cannot be read ({first_line(error)})") from error


def recorded_spec(store: Store, run: StoredRun, data_dir: str | None = None) -> TrialSpec:
    """The trial that a run records, with the units that its model has, and with the data of now.

    Args:
        store: The store.
        run: The run.
        data_dir: Folder of fetched files; None: the one of the recorded configuration.

    Raises:
        UserError: if the run has no configuration that can be used, or the data are not there.
    """
    from experiments.config.compose import restored  # with Hydra, which not every look-up should wait for

    config = restored(read_yaml(store, run, "config.yaml"))
    config = replace(config, data_dir=data_dir or config.data_dir)
    spec = TrialSpec.of(config, tasks.build(config.task, config.data_dir))
    units = run.params.get(Param.UNITS, str(spec.units))
    if not units.isdecimal():
        raise UserError(f"{run.name}: its parameter {Param.UNITS} is {units[:40]}, no whole number")
    return replace(spec, units=int(units))
