"""What a run says of its trial: parameters, tags and a description."""

import json
import shlex
from typing import TYPE_CHECKING, Any

from experiments.colors import run_color
from experiments.identity import code, git_commit, trial_key
from experiments.schema import Config, Match
from experiments.tasks import Task

if TYPE_CHECKING:
    from experiments.trial import Result

LABELS = ("variant", "task", "seed", "study", "experiment", "rerun", "output_dir", "data_dir")
INFRASTRUCTURE = ("hydra", "sweep.", "tracking.")


def settings(overrides: tuple[str, ...]) -> str:
    """The part of a trial's overrides that its variant, task and seed do not say, such as `model.units=16`."""
    kept = [each for each in overrides if each.split("=")[0].lstrip("+~") not in LABELS]
    return shlex.join(each for each in kept if not each.lstrip("+~").startswith(INFRASTRUCTURE))


def params(config: Config, units: int, overrides: tuple[str, ...]) -> dict[str, Any]:
    """What trials are told apart by, in the columns of the MLflow UI; `units` are the actual ones."""
    model, training = config.model, config.training
    found = {
        "variant": config.variant.name,
        "task": config.task.name,
        "seed": config.seed,
        "units": units,
        "match": model.match.value,
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
        found["settings"] = settings(overrides)
    return found


def tags(config: Config, task: Task, overrides: tuple[str, ...]) -> dict[str, Any]:
    """What identifies a trial and its score, known before it begins."""
    experiment = [each.partition("=")[2] for each in overrides if each.partition("=")[0].lstrip("+") == "experiment"]
    return {
        "kind": "trial",
        "study": config.study,
        "trial_key": trial_key(config, task.digest),
        "git_commit": git_commit(),
        "code": code(),
        "diverged": "false",
        "score_metric": f"test/{task.score.name}",
        "score_title": task.score.title,
        "score_unit": task.score.unit,
        "score_better": task.score.better,
        "chosen_metric": f"best/{task.chooses.name}",
        "chosen_better": task.chooses.better,
        "experiment": experiment[-1] if experiment else "",
        "drawn": ",".join(config.sweep.drawn),
        "score_solved": "" if task.solved is None else task.solved,
        "baseline": task.baseline,
        "baseline_title": task.baseline_title,
        "data_sha256": task.digest,
        "references": json.dumps(config.task.reference),
        "mlflow.runColor": run_color(config.variant.name, config.seed),
    }


def note(config: Config, task: Task, result: "Result", overrides: tuple[str, ...]) -> str:
    """The description of a finished run, in Markdown."""
    score = result.test[task.score.name]
    measured = f"**{score:.4g}** {task.score.unit}".rstrip()
    if result.diverged:
        measured = "**diverged**: the loss stopped being finite"
    kept = "" if result.best_epoch is None else f", weights of epoch {result.best_epoch} (best on validation)"
    repeated = [each for each in overrides if not each.startswith(("rerun=", "sweep.drawn="))]
    command = f"python -m experiments.train {shlex.join([*repeated, 'rerun=true'])}"
    return f"""\
**{config.variant.name}** on **{config.task.name}** ({task.title}), seed {config.seed}.

{task.score.title} on the test part, {task.score.better} is better: {measured}. \
Baseline ({task.baseline_title}): {task.baseline:.4g}.{_published(config.task.reference)}

{config.model.layers} x {result.units} units{_matched(config)}, {result.parameters:,} parameters, \
{result.epochs} epochs in {result.train_s:.0f} s{kept}.

Train it again: `{command}`

Use the model (artifact `model.keras`): `import keras, variants; keras.saving.load_model("model.keras")`
"""


def _matched(config: Config) -> str:
    if config.model.match is Match.units:
        return ""
    return f" (chosen for as many parameters as standard with {config.model.units})"


def _published(references: list[dict[str, Any]]) -> str:
    each = [f"{one['metric']} {one['score']} {one['model']} ({one['source']})" for one in references]
    return f"\n\nPublished, by models of other sizes: {'; '.join(each)}." if each else ""
