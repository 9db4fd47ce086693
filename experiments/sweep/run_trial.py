"""One trial with its run in the store: looked up there, or trained and recorded."""

import math
import os
import shutil
import time
import traceback
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from filelock import FileLock, Timeout

from experiments import tasks
from experiments.config.identity import plain
from experiments.errors import UserError, first_line
from experiments.sweep.claim import claim, is_rival
from experiments.tasks import Task
from experiments.tracking import STORE_ERRORS, Run, Store, StoredRun, is_away, is_deleted, logged_model, metadata
from experiments.tracking.client import SHARED_FOLDER
from experiments.tracking.code_version import uncommitted
from experiments.tracking.datasets import dataset
from experiments.tracking.metadata import Metric, Param, Tag
from experiments.tracking.system_metrics import system_metrics
from experiments.trial.source_digest import source_digest
from experiments.trial.spec import TrialSpec

if TYPE_CHECKING:
    from experiments.trial.fit import TrialResult

PICTURES = 3  # of the gates of each layer, where it is not said how often they are traced
POLL_S = 2.0  # between two looks at a trial that another process is at work on
RUNNING = "running"  # the folder in the output folder where trials keep their files
TRACEBACK = "traceback.txt"
DIFF = "uncommitted.diff"
ARTIFACTS = ("config.yaml", "layer.yaml", "versions.yaml", DIFF, "model.keras", "trial.log", TRACEBACK)


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        status: stored (the store had it), finished, diverged, paused, failed, killed, or busy (another process is at
            it).
        score: The test score; NaN if it diverged, None if there is none.
        seconds: Time it took now.
        run_id: Its run in the store.
        error: The last line of what went wrong.
        parts: Seconds of `compile`, `train` and `record` in it; not those of a try before, which it went on from.
        memory_gb: Resident memory of its process afterwards.
        validation: The validation score of the epoch that was restored, by which a search chooses; NaN if it diverged.
            Of a paused trial the best so far.
    """

    status: str
    score: float | None = None
    seconds: float = 0.0
    run_id: str = ""
    error: str = ""
    parts: dict[str, float] = field(default_factory=dict)
    memory_gb: float = 0.0
    validation: float = math.nan

    @property
    def has_failed(self) -> bool:
        """Whether it ended without a score and is not paused."""
        return self.score is None and self.status != "paused"


def run_trial(spec: TrialSpec, verbose: int, wait: bool = True) -> Outcome:
    """The stored outcome of a trial; else train it, from its checkpoint if it has one, and record it.

    An exception ends the run as FAILED with its traceback as an artifact, and is told in the outcome. An
    interruption (Ctrl-C, SIGTERM) ends it as KILLED and goes on upwards.

    Args:
        spec: The trial.
        verbose: Keras's verbosity.
        wait: For another process that is at work on the same trial; else the outcome is then `busy`.
    """
    began = time.perf_counter()
    folder = scratch_folder(spec)
    lock = Path(f"{folder}.lock")
    while True:
        denied = not_writable(folder)
        try:
            if denied:
                outcome = _of_another_user(spec, denied)
            else:
                with FileLock(lock, timeout=0):
                    outcome = _run_trial(spec, verbose, folder, lock)
        except Timeout:
            outcome = Outcome("busy")
        if outcome.status != "busy" or not wait:
            return replace(outcome, seconds=time.perf_counter() - began)
        time.sleep(POLL_S)


def scratch_folder(spec: TrialSpec) -> Path:
    """Where a trial keeps its files until it has a score; then they are artifacts of its run."""
    folder = Path(spec.config.output_dir).expanduser().resolve() / RUNNING / spec.key
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def not_writable(folder: Path) -> Path | None:
    """What another user has left of a trial that only they can write; None if there is nothing."""
    files = (folder, Path(f"{folder}.lock"), folder / "trial.log")
    denied = (file for file in files if file.exists() and not os.access(file, os.W_OK, effective_ids=True))
    return next(denied, None)


def stored_outcome(run: StoredRun, spec: TrialSpec) -> Outcome | None:
    """The outcome that a run records of a trial; None if it has not been trained as far as that yet.

    One that is to pause may be paused there, or later.
    """
    pause_after = spec.config.sweep.pause_after
    paused = None if pause_after is None else run.validation_after(pause_after)
    if run.status == "FINISHED":
        validation = run.validation if paused is None else paused  # so that rungs are judged alike, however it went on
        return Outcome("stored", run.score, run_id=run.run_id, validation=validation)
    return None if paused is None else Outcome("paused", run_id=run.run_id, validation=paused)


def _of_another_user(spec: TrialSpec, denied: Path) -> Outcome:
    """How a trial stands whose lock cannot be taken: by its runs in the store."""
    store = _store(spec.config.tracking.uri, spec.config.output_dir, spec.config.tracking.wait_s)
    runs = store.runs_of(_experiment(store, spec.experiment), spec.key)
    stored = next((outcome for run in runs if (outcome := stored_outcome(run, spec))), None)
    if stored is not None and not spec.config.rerun:
        return stored
    if any(run.status == "RUNNING" and run.alive for run in runs):
        return Outcome("busy")
    return Outcome("failed", error=f"{denied} belongs to another user: {SHARED_FOLDER}")


def _run_trial(spec: TrialSpec, verbose: int, folder: Path, lock: Path) -> Outcome:
    began = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)  # `clean` may have judged it useless before it was locked
    config = spec.config
    store = _store(config.tracking.uri, config.output_dir, config.tracking.wait_s)
    experiment = _experiment(store, spec.experiment)
    runs = store.runs_of(experiment, spec.key)
    earlier = [] if config.rerun else runs
    stored = next((outcome for run in earlier if (outcome := stored_outcome(run, spec))), None)
    if any(is_rival(run, lock) for run in earlier):
        return Outcome("busy")
    if stored is None:
        task = tasks.build(config.task, config.data_dir)
        if task.digest != spec.digest:
            raise UserError(f"task={config.task.name}: its data have changed since this command began")
        run = _begin(store, experiment, spec, task, runs, lock)
        resumed = any(run.id == other.run_id for other in runs)
        if not config.rerun and not claim(store, experiment, spec.key, run, lock, resumed=resumed):
            return Outcome("busy")
        run.seconds = time.perf_counter() - began  # with those that it has counted itself
        outcome = _train(run, spec, task, folder, verbose)
    else:
        outcome = stored
    if outcome.score is not None:
        shutil.rmtree(folder, ignore_errors=True)
        lock.unlink(missing_ok=True)  # whoever waits for it will find the trial in the store
    return outcome


@lru_cache(maxsize=4)
def _store(uri: str | None, output_dir: str, wait_s: float) -> Store:
    return Store(uri, output_dir, wait_s)


@lru_cache(maxsize=256)
def _experiment(store: Store, name: str) -> str:
    return store.experiment(name)


def _begin(store: Store, experiment: str, spec: TrialSpec, task: Task, runs: list[StoredRun], lock: Path) -> Run:
    """The run that an interruption of the same code has left, or a new one."""
    from experiments.trial.model import make_layer

    folder = lock.with_suffix("")
    if spec.config.rerun:
        (folder / "checkpoint.npz").unlink(missing_ok=True)
    layer = make_layer(spec.config.variant, spec.units).get_config()
    config = plain(replace(spec.config, sweep=replace(spec.config.sweep, notify=None)))
    for name, content in {"config": config, "layer": layer, "versions": metadata.versions()}.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    if diff := uncommitted():
        (folder / DIFF).write_text(diff)
    params = metadata.params(spec, layer)
    interrupted = [run for run in runs if run.tags.get(Tag.CODE) == source_digest()]
    with store.usable():
        if interrupted and not spec.config.rerun:
            run = store.reopen(interrupted[0], params, lock)
        else:
            run = store.start(experiment, spec.name, params, metadata.tags(spec, task), lock, runs)
        run.add_dataset(dataset(spec, task))
    return run


def _train(run: Run, spec: TrialSpec, task: Task, folder: Path, verbose: int) -> Outcome:
    from experiments.trial.fit import Pause, fit

    try:
        with system_metrics(run) if spec.config.tracking.system_metrics else nullcontext():
            result = fit(spec, task, run.log, folder, f"{folder.name} {source_digest()}", verbose)
        if isinstance(result, Pause):
            run.pause(result.epoch, result.best_validation, result.train_s)
        else:
            _record(run, spec, task, result, folder)
            run.end("FINISHED")
    except KeyboardInterrupt:
        with suppress(*STORE_ERRORS):
            run.end("KILLED", wait=False)
        raise
    except (Exception, SystemExit) as error:
        return _failed(run, folder, error)
    recording_s = run.seconds + result.checkpoint_s + result.gates_s
    parts = {"compile": result.compiled_now_s, "train": result.trained_now_s, "record": recording_s}
    if isinstance(result, Pause):
        return Outcome("paused", run_id=run.id, parts=parts, validation=result.best_validation)
    status, score = "diverged" if result.diverged else "finished", result.test[task.score.name]
    return Outcome(status, score, run_id=run.id, parts=parts, validation=result.best_validation)


def _record(run: Run, spec: TrialSpec, task: Task, result: "TrialResult", folder: Path) -> None:
    scores = {f"test/{name}": value for name, value in result.test.items()}
    scores |= {f"best/{task.chooses.name}": result.best_validation, "test/baseline": task.baseline}
    scores |= {Metric.EPOCHS: result.epochs, Metric.BEST_EPOCH: result.best_epoch or math.nan}
    model = None
    if spec.config.tracking.log_model and not result.diverged:
        with run.timed():
            model = logged_model.begin(run.client, run.id, spec)
    run.keep({0: {**scores, Metric.COMPILE_S: result.compile_s}}, model and model.model_id)
    run.keep({result.epochs: {Metric.TRAIN_S: result.train_s}})
    run.describe({Param.PARAMETERS: result.parameters}, metadata.result_tags(spec, task, result))
    _add_pictures(run, spec, folder)
    run.add_files(_artifacts(folder))
    if model is not None:
        with run.timed():
            logged_model.complete(run.client, model, spec, task, folder / "model.keras")


def _failed(run: Run, folder: Path, error: BaseException) -> Outcome:
    reason = traceback.format_exception_only(error)[-1].splitlines()[0]
    if is_deleted(error):
        reason = f"its run {run.id} was deleted while it was trained. The same command trains it in a new one"
    try:
        trace = "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace")
        (folder / TRACEBACK).write_bytes(trace)
        if is_away(error):
            run.client = run.client.hurried  # it was waited for already
        run.describe(tags={Tag.ERROR: reason})
        run.add_files(_artifacts(folder))
        run.end("FAILED")
    except (*STORE_ERRORS, OSError) as second:
        print(f"the run could not be ended: {first_line(second)}", flush=True)
    return Outcome("failed", run_id=run.id, error=reason)


def _add_pictures(run: Run, spec: TrialSpec, folder: Path) -> None:
    """Record the pictures of the gates, each once: a file says which of them an interrupted try has recorded."""
    from experiments.trial import gate_pictures

    config = spec.config
    most = PICTURES if config.tracking.gates is None else None
    log = folder / "pictures.txt"
    recorded = set(log.read_text().splitlines()) if log.exists() else set()
    title = f"{config.variant.name} on {config.task.name}"
    for key, step, image in gate_pictures.pictures(folder / "gates", title, most):
        if f"{key} {step}" not in recorded:
            run.add_image(key, step, image)
            with log.open("a") as opened:
                opened.write(f"{key} {step}\n")


def _artifacts(folder: Path) -> list[Path]:
    return [folder / name for name in ARTIFACTS if (folder / name).exists()]
