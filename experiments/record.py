"""One trial with its run in the store: found there, or trained and recorded."""

import math
import shutil
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from experiments import description, tasks
from experiments.errors import first_line
from experiments.identity import code, plain, trial_key, versions
from experiments.schema import Config
from experiments.tasks import Task
from experiments.tracking import STORE_ERRORS, Run, Store, Trial, is_away

PICTURES = 3  # of the gates of each layer, where it is not said how often they are looked at
POLL_S = 2.0  # between two looks at a trial that another process is at work on
ARTIFACTS = ("config.yaml", "versions.yaml", "model.keras", "trial.log", "traceback.txt")


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        status: stored (found in the store), finished, diverged, failed, killed, or busy (another process is at it).
        score: The test score; NaN if it diverged, None if there is none.
        seconds: Time it took now.
        run_id: Its run in the store.
        error: The last line of what went wrong.
        parts: Seconds of `compile`, `train` and `record` in it.
        memory_gb: Resident memory of its process afterwards.
        validation: The validation score of the epoch that was kept, by which a search chooses; NaN if it diverged.
    """

    status: str
    score: float | None = None
    seconds: float = 0.0
    run_id: str = ""
    error: str = ""
    parts: dict[str, float] = field(default_factory=dict)
    memory_gb: float = 0.0
    validation: float = math.nan


def find_or_train(config: Config, overrides: tuple[str, ...], verbose: int, wait: bool = True) -> Outcome:
    """The stored outcome of a trial; else train it, from its checkpoint if it has one, and record it.

    An exception ends the run as FAILED with its traceback as an artifact, and is told in the outcome. An
    interruption (Ctrl-C, SIGTERM) ends it as KILLED and goes on upwards.

    Args:
        config: The checked configuration.
        overrides: The words of the command line that made it.
        verbose: Keras's verbosity.
        wait: For another process that is at work on the same trial; else the outcome is then `busy`.
    """
    began = time.perf_counter()
    folder = scratch_folder(config)
    lock = Path(f"{folder}.lock")
    while True:
        try:
            with FileLock(lock, timeout=0):
                outcome = _find_or_train(config, overrides, verbose, folder, lock)
        except Timeout:
            outcome = Outcome("busy")
        if outcome.status != "busy" or not wait:
            return replace(outcome, seconds=time.perf_counter() - began)
        time.sleep(POLL_S)


def scratch_folder(config: Config) -> Path:
    """Where a trial keeps its files until it has a score; then they are artifacts of its run."""
    key = trial_key(config, tasks.build(config.task, config.data_dir).digest)
    folder = Path(config.output_dir).expanduser().resolve() / "running" / key
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _find_or_train(config: Config, overrides: tuple[str, ...], verbose: int, folder: Path, lock: Path) -> Outcome:
    began = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)  # `clean` may have found it unused before it was locked
    task = tasks.build(config.task, config.data_dir)
    store = _store(config.tracking.uri, config.output_dir, config.tracking.wait_s)
    experiment = _experiment(store, f"{config.study}/{config.task.name}")
    earlier = [] if config.rerun else store.runs_of(experiment, trial_key(config, task.digest))
    stored = next((run for run in earlier if run.status == "FINISHED"), None)
    if any(_at_work(run, lock) for run in earlier):
        return Outcome("busy")
    if stored is None:
        run = _run(store, experiment, config, task, overrides, earlier, lock)
        run.seconds += time.perf_counter() - began
        outcome = _train(run, config, task, folder, verbose, overrides)
    else:
        outcome = Outcome("stored", stored.score, run_id=stored.run_id, validation=stored.validation)
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


def _at_work(run: Trial, lock: Path) -> bool:
    """Whether another process trains it that does not share our locks: in another output folder or on another machine.

    Whoever shares them is gone, since we hold the lock.
    """
    return run.status == "RUNNING" and run.tags.get("lock") != str(lock) and run.alive


def _run(
    store: Store,
    experiment: str,
    config: Config,
    task: Task,
    overrides: tuple[str, ...],
    earlier: list[Trial],
    lock: Path,
) -> Run:
    """The run that an interruption of the same code has left, or a new one."""
    from experiments import match

    folder = lock.with_suffix("")
    if config.rerun:
        (folder / "checkpoint.npz").unlink(missing_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(plain(config), sort_keys=False))
    (folder / "versions.yaml").write_text(yaml.safe_dump(versions()))
    params = description.params(config, match.units(config, task), overrides)
    left = [run for run in earlier if run.tags.get("code") == code()]
    if left:
        return store.reopen(left[0], params, lock)
    name = f"{config.task.name}/{config.variant.name}/s{config.seed}"
    tags = description.tags(config, task, overrides)
    return store.start(experiment, name, params, tags, lock)


def _train(run: Run, config: Config, task: Task, folder: Path, verbose: int, overrides: tuple[str, ...]) -> Outcome:
    from experiments import trial

    try:
        result = trial.run(config, task, run.log, folder, f"{folder.name} {code()}", verbose)
        scores = {f"test/{name}": value for name, value in result.test.items()}
        chosen = {f"best/{task.chooses.name}": result.best_validation}
        run.keep({0: {**scores, **chosen, "test/baseline": task.baseline, "time/compile_s": result.compile_s}})
        run.describe(
            params={"parameters": result.parameters},
            tags={
                "diverged": str(result.diverged).lower(),
                "loop": result.loop,
                "mlflow.note.content": description.note(config, task, result, overrides),
            },
        )
        run.add_images(_pictures(config, folder))
        run.add_files(_artifacts(folder))
        run.end("FINISHED")
    except KeyboardInterrupt:
        with suppress(*STORE_ERRORS):
            run.end("KILLED", wait=False)
        raise
    except (Exception, SystemExit) as error:
        return _failed(run, folder, error)
    recording_s = run.seconds + result.checkpoint_s + result.gates_s
    parts = {"compile": result.compile_s, "train": result.train_s, "record": recording_s}
    status, score = "diverged" if result.diverged else "finished", result.test[task.score.name]
    return Outcome(status, score, run_id=run.id, parts=parts, validation=result.best_validation)


def _failed(run: Run, folder: Path, error: BaseException) -> Outcome:
    reason = traceback.format_exception_only(error)[-1].splitlines()[0]
    try:
        (folder / "traceback.txt").write_text("".join(traceback.format_exception(error)))
        if is_away(error):
            run.client = run.client.hurried  # it was waited for already
        run.describe(tags={"error": reason})
        run.add_files(_artifacts(folder))
        run.end("FAILED")
    except (*STORE_ERRORS, OSError) as second:
        print(f"the run could not be ended: {first_line(second)}", flush=True)
    return Outcome("failed", run_id=run.id, error=reason)


def _pictures(config: Config, folder: Path) -> Iterator[tuple[str, int, Any]]:
    from experiments.gates import pictures

    most = PICTURES if config.tracking.gates is None else None
    return pictures.drawn(folder / "gates", f"{config.variant.name} on {config.task.name}", most)


def _artifacts(folder: Path) -> list[Path]:
    return [folder / name for name in ARTIFACTS if (folder / name).exists()]
