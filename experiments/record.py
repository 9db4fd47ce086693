"""One trial with its run in the store: found there, or trained and recorded."""

import json
import shlex
import shutil
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from filelock import FileLock

from experiments import tasks
from experiments.colors import run_color
from experiments.identity import git_commit, plain, trial_key, versions
from experiments.schema import Config
from experiments.tasks import Task
from experiments.tracking import Run, Store

if TYPE_CHECKING:
    from experiments.trial import Result

LABELS = ("variant", "task", "seed", "study", "experiment", "rerun", "output_dir", "data_dir")
INFRASTRUCTURE = ("hydra", "sweep.", "tracking.")


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        status: stored (found in the store), finished, diverged, failed or killed.
        score: The test score; NaN if it diverged, None if there is none.
        seconds: Time it took now.
        run_id: Its run in the store.
        error: The last line of what went wrong.
    """

    status: str
    score: float | None = None
    seconds: float = 0.0
    run_id: str = ""
    error: str = ""


def settings(overrides: tuple[str, ...]) -> str:
    """The part of a trial's overrides that its variant, task and seed do not say, such as `model.units=16`."""
    kept = [each for each in overrides if each.split("=")[0].lstrip("+~") not in LABELS]
    return shlex.join(each for each in kept if not each.lstrip("+~").startswith(INFRASTRUCTURE))


def find_or_train(config: Config, overrides: tuple[str, ...], verbose: int) -> Outcome:
    """The stored outcome of a trial; else train it and record it.

    An exception ends the run as FAILED with its traceback as an artifact, and is told in the outcome. An
    interruption (Ctrl-C, SIGTERM) ends it as KILLED and goes on upwards.
    """
    began = time.perf_counter()
    task = tasks.build(config.task, config.data_dir)
    key = trial_key(config, task.digest)
    store = Store(config.tracking.uri, config.output_dir)
    experiment = store.experiment(f"{config.study}/{config.task.name}")
    folder = scratch_folder(config)
    with FileLock(f"{folder}.lock"):
        stored = None if config.rerun else store.finished(experiment, key)
        if stored is not None:
            return Outcome("stored", stored.score, time.perf_counter() - began, stored.run_id)
        run = _start(store, experiment, config, task, key, overrides)
        outcome = _train(run, config, task, folder, verbose, overrides)
    shutil.rmtree(folder, ignore_errors=True)
    return Outcome(outcome.status, outcome.score, time.perf_counter() - began, run.id, outcome.error)


def scratch_folder(config: Config) -> Path:
    """Where a trial keeps its files while it runs; then they are artifacts of its run."""
    key = trial_key(config, tasks.build(config.task, config.data_dir).digest)
    folder = Path(config.output_dir).expanduser().resolve() / "running" / key
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _start(store: Store, experiment: str, config: Config, task: Task, key: str, overrides: tuple[str, ...]) -> Run:
    model, training = config.model, config.training
    params = {
        "variant": config.variant.name,
        "task": config.task.name,
        "seed": config.seed,
        "units": model.units,
        "layers": model.layers,
        "bidirectional": model.bidirectional,
        "dropout": model.dropout,
        "epochs": training.epochs,
        "batch_size": training.batch_size,
        "optimizer": training.optimizer.value,
        "learning_rate": training.learning_rate,
        "clipnorm": training.clipnorm,
    }
    if settings(overrides):
        params["settings"] = settings(overrides)
    tags = {
        "kind": "trial",
        "study": config.study,
        "trial_key": key,
        "git_commit": git_commit(),
        "diverged": "false",
        "score_metric": f"test/{task.score.name}",
        "score_title": task.score.title,
        "score_unit": task.score.unit,
        "score_better": task.score.better,
        "score_solved": "" if task.solved is None else task.solved,
        "baseline": task.baseline,
        "baseline_title": task.baseline_title,
        "data_sha256": task.digest,
        "references": json.dumps(config.task.reference),
        "mlflow.runColor": run_color(config.variant.name, config.seed),
    }
    name = f"{config.task.name}/{config.variant.name}/s{config.seed}"
    run = store.start(experiment, name, params, tags)
    run.add_text(yaml.safe_dump(plain(config), sort_keys=False), "config.yaml")
    run.add_text(yaml.safe_dump(versions()), "versions.yaml")
    return run


def _train(run: Run, config: Config, task: Task, folder: Path, verbose: int, overrides: tuple[str, ...]) -> Outcome:
    from experiments import trial

    try:
        result = trial.run(config, task, lambda epoch, metrics: run.log(metrics, epoch), folder, verbose)
        run.log({f"test/{name}": value for name, value in result.test.items()})
        run.log({"test/baseline": task.baseline, "time/compile_s": result.compile_s})
        run.describe({"parameters": result.parameters}, {"diverged": str(result.diverged).lower(), "loop": result.loop})
        run.describe(tags={"mlflow.note.content": _note(config, task, result, overrides)})
        run.add_file(folder / "model.keras")
        _add_log(run, folder)
        run.end("FINISHED")
    except KeyboardInterrupt:
        run.end("KILLED")
        raise
    except Exception as error:
        run.add_text(traceback.format_exc(), "traceback.txt")
        _add_log(run, folder)
        run.end("FAILED")
        return Outcome("failed", error=traceback.format_exception_only(error)[-1].splitlines()[0])
    return Outcome("diverged" if result.diverged else "finished", result.test[task.score.name])


def _add_log(run: Run, folder: Path) -> None:
    log = folder / "trial.log"
    if log.exists():
        run.add_file(log)


def _note(config: Config, task: Task, result: "Result", overrides: tuple[str, ...]) -> str:
    score = result.test[task.score.name]
    measured = f"**{score:.4g}** {task.score.unit}".rstrip()
    if result.diverged:
        measured = "**diverged**: the loss stopped being finite"
    kept = "" if result.best_epoch is None else f", weights of epoch {result.best_epoch} (best on validation)"
    repeated = [each for each in overrides if not each.startswith("rerun=")]
    command = f"python -m experiments.train {shlex.join([*repeated, 'rerun=true'])}"
    return f"""\
**{config.variant.name}** on **{config.task.name}** ({task.title}), seed {config.seed}.

{task.score.title} on the test part, {task.score.better} is better: {measured}. \
Baseline ({task.baseline_title}): {task.baseline:.4g}.{_published(config.task.reference)}

{config.model.layers} x {config.model.units} units, {result.parameters:,} parameters, \
{result.epochs} epochs in {result.train_s:.0f} s{kept}.

Train it again: `{command}`

Use the model (artifact `model.keras`): `import keras, variants; keras.saving.load_model("model.keras")`
"""


def _published(references: list[dict[str, Any]]) -> str:
    each = [f"{one['metric']} {one['score']} {one['model']} ({one['source']})" for one in references]
    return f"\n\nPublished, by models of other sizes: {'; '.join(each)}." if each else ""
