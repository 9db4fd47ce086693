"""What a run records of its trial: the names of its parameters and tags, spelled here only, and their values."""

import colorsys
import functools
import hashlib
import json
import math
import platform
import re
import shlex
import zlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from experiments.config.identity import plain
from experiments.config.schema import Config, Match
from experiments.tasks import Task, published
from experiments.tracking.code_version import git_commit, uncommitted
from experiments.trial.source_digest import source_digest
from experiments.trial.spec import TrialSpec

if TYPE_CHECKING:
    from experiments.trial.fit import TrialResult

NULL = "null"  # a field that is not set
LONGEST = 500  # characters of a parameter: MLflow cuts at 6,000, and two values must not become one
GOLDEN_RATIO = 0.618034  # steps of this share of the circle keep hues apart
PACKAGES = (
    "gatelab",
    "tensorflow",
    "keras",
    "numpy",
    "mlflow",
    "hydra-core",
    "pandas",
    "scikit-learn",
    "scipy",
    "statsmodels",
)


class Param(StrEnum):
    """Parameters of a run beside the fields of its configuration, such as `model.layers`."""

    VARIANT = "variant"
    TASK = "task"
    SEED = "seed"
    UNITS = "units"  # those of each layer, which model.match may have chosen
    PARAMETERS = "parameters"


class Metric(StrEnum):
    """Metrics of a finished run beside its scores, times and gates."""

    EPOCHS = "epochs/trained"
    BEST_EPOCH = "epochs/best"  # the one whose weights count
    COMPILE_S = "time/compile_s"
    TRAIN_S = "time/train_s"  # of training and validation, without compiling; of a paused trial until then


class Tag(StrEnum):
    """Tags of a run."""

    KIND = "kind"
    STUDY = "study"
    EXPERIMENT = "experiment"
    TRIAL_KEY = "trial_key"
    BASE = "base"
    DRAWN = "drawn"
    PHASE = "phase"  # of a search: search or confirm
    REGISTERED = "registered"  # hash of the plan that it is for
    PAUSED = "paused_after"  # the last epoch of a trial that is paused
    DIVERGED = "diverged"
    ERROR = "error"
    LOOP = "loop"
    GIT_COMMIT = "git_commit"
    GIT_DIRTY = "git_dirty"  # whether code was changed since; `uncommitted.diff` of the run has how
    CODE = "code"
    DATA = "data_sha256"
    SCORE_METRIC = "score_metric"
    SCORE_TITLE = "score_title"
    SCORE_UNIT = "score_unit"
    SCORE_BETTER = "score_better"
    SCORE_SOLVED = "score_solved"
    CHOSEN_METRIC = "chosen_metric"
    CHOSEN_BETTER = "chosen_better"
    BASELINE = "baseline"
    BASELINE_TITLE = "baseline_title"
    REFERENCES = "references"
    MARGIN = "margin"
    TRIALS = "trials"  # of a report: how many it is about
    # of the process that is at work on the run
    HOST = "host"
    NAMESPACE = "namespace"
    PID = "pid"
    LOCK = "lock"
    HEARTBEAT = "heartbeat"
    ATTEMPTS = "attempts"
    # of a run that comes from a file or another study: while it does, and afterwards
    IMPORTING = "importing"
    IMPORTED = "imported"
    COPIED = "copied_from"  # another study of the store that had trained it, and its run there
    # MLflow's own
    NOTE = "mlflow.note.content"
    COLOR = "mlflow.runColor"


OPTIONAL = (
    *(Tag.EXPERIMENT, Tag.BASE, Tag.DRAWN, Tag.PHASE, Tag.REGISTERED, Tag.GIT_COMMIT, Tag.GIT_DIRTY),
    *(Tag.SCORE_UNIT, Tag.SCORE_SOLVED, Tag.MARGIN, Tag.DATA),
)

# What version 0.1.0 called some fields. It recorded the others only where a command line set them, as `settings`.
FIELDS_0_1 = {
    "match": "model.match",
    "layers": "model.layers",
    "bidirectional": "model.bidirectional",
    "dropout": "model.dropout",
    "epochs": "training.epochs",
    "batch_size": "training.batch_size",
    "optimizer": "training.optimizer",
    "learning_rate": "training.learning_rate",
    "clipnorm": "training.clipnorm",
}
FILLED_IN = ("sweep.drawn=", "sweep.phase=", "sweep.pause_after=", "sweep.registered=")  # words that a search adds
TITLE = re.compile(r"\*\*.+?\*\* on \*\*.+?\*\* \((.+)\), seed \d")  # in a description
RUNG = re.compile(r"best_until_[0-9]{1,9}")
PLAIN_0_1 = {"None": "null", "True": "true", "False": "false"}


def params(spec: TrialSpec, layer: Mapping[str, Any]) -> dict[str, Any]:
    """What trials are told apart by: the fields of the configuration by dotted name, in the words of a command line.

    Args:
        spec: The trial.
        layer: The configuration of its recurrent layer, whose values count: a field that the variant leaves open has
            the default of its layer.
    """
    config = spec.config
    values = plain(config)
    arguments = values["variant"].pop("arguments")
    variant = {**values.pop("variant"), **{f"arguments.{name}": value for name, value in arguments.items()}}
    variant = {name: layer.get(name.removeprefix("arguments."), value) for name, value in variant.items()}
    told = {"chrono_time", *(f"arguments.{name}" for name in arguments)}  # also if they are null, which is a choice
    sections = {"variant": {name: value for name, value in variant.items() if value is not None or name in told}}
    sections |= {section: values[section] for section in ("task", "model", "training")}
    for section, label in (
        ("variant", "name"),
        ("variant", "base"),
        ("task", "name"),
        ("task", "reference"),
        ("task", "margin"),
    ):
        sections[section].pop(label, None)
    return {
        Param.VARIANT: config.variant.name,
        Param.TASK: config.task.name,
        Param.SEED: config.seed,
        Param.UNITS: spec.units,
        **{f"{s}.{name}": text(value) for s, section in sections.items() for name, value in section.items()},
    }


def text(value: Any) -> str:
    """A value as a command line gives it. Of a long one the end is replaced by a checksum."""
    if isinstance(value, dict) and "class_name" in value:  # of Keras, which also says where it comes from
        value = {name: value[name] for name in ("class_name", "config")}
    text = json.dumps(value)
    if isinstance(value, list | dict):
        text = text.replace('"', "").replace(": ", ":").replace(", ", ",")
    elif isinstance(value, str):
        text = value
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}...{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def is_complete(params: Mapping[str, str]) -> bool:
    """Whether the parameters of a run are all that its layer depends on."""
    return "variant.layer" in params and not is_from_0_1(params)


def is_from_0_1(params: Mapping[str, str]) -> bool:
    """Whether the parameters of a run are those that version 0.1.0 recorded."""
    return "match" in params


def fields(params: Mapping[str, str]) -> dict[str, str]:
    """The fields of the configuration that the parameters of a run record, by dotted name.

    Raises:
        ValueError: for settings of version 0.1.0 that MLflow has cut, as it does after 6,000 characters.
    """
    recorded = {FIELDS_0_1[name]: PLAIN_0_1.get(value, value) for name, value in params.items() if name in FIELDS_0_1}
    if params.get("match") == "units":
        recorded["model.units"] = params[Param.UNITS]
    settings = [word.lstrip("+~").partition("=") for word in shlex.split(params.get("settings", ""))]
    recorded |= {name: value for name, _, value in settings}
    return recorded | {name: value for name, value in params.items() if "." in name}


def is_searched(overrides: Sequence[str]) -> bool:
    """Whether a search has made a trial: alone it needs `hydra.mode=RUN`, as its study would search again."""
    return any(word.startswith(FILLED_IN) for word in overrides)


def rung_tag(epoch: int) -> str:
    """The tag of the best validation score until an epoch after which a trial paused."""
    return f"best_until_{epoch}"


def recorded_number(text: str | None) -> float:
    """A number that a run records as text; NaN if there is none, or it cannot be read."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def tags(spec: TrialSpec, task: Task) -> dict[str, Any]:
    """What identifies a trial and its score, known before it begins: tags of `OPTIONAL` where there is something."""
    config = spec.config
    experiment = [value for name, _, value in (word.partition("=") for word in spec.overrides) if name == "experiment"]
    told = {
        Tag.KIND: "trial",
        Tag.STUDY: config.study,
        Tag.TRIAL_KEY: spec.key,
        Tag.GIT_COMMIT: git_commit(),
        Tag.GIT_DIRTY: str(bool(uncommitted())).lower() if git_commit() else "",
        Tag.CODE: source_digest(),
        Tag.DIVERGED: "false",
        Tag.SCORE_METRIC: f"test/{task.score.name}",
        Tag.SCORE_TITLE: task.score.title,
        Tag.SCORE_UNIT: task.score.unit,
        Tag.SCORE_BETTER: task.score.better,
        Tag.CHOSEN_METRIC: f"best/{task.chooses.name}",
        Tag.CHOSEN_BETTER: task.chooses.better,
        Tag.EXPERIMENT: experiment[-1] if experiment else "",
        Tag.BASE: config.variant.base or "",
        Tag.DRAWN: ",".join(config.sweep.drawn),
        Tag.PHASE: config.sweep.phase or "",
        Tag.REGISTERED: config.sweep.registered or "",
        Tag.SCORE_SOLVED: "" if task.solved is None else task.solved,
        Tag.BASELINE: task.baseline,
        Tag.BASELINE_TITLE: task.baseline_title,
        Tag.DATA: spec.digest,
        Tag.REFERENCES: json.dumps(published(config.task)),
        Tag.MARGIN: "" if config.task.margin is None else config.task.margin,
        Tag.COLOR: run_color(config.variant.name, config.seed),
    }
    return {tag: value for tag, value in told.items() if tag not in OPTIONAL or value != ""}


def result_tags(spec: TrialSpec, task: Task, result: "TrialResult") -> dict[str, Any]:
    """What is known of a trial when it has been trained."""
    return {
        Tag.DIVERGED: str(result.diverged).lower(),
        Tag.LOOP: result.loop,
        Tag.NOTE: _note(spec, task, result),
    }


def _note(spec: TrialSpec, task: Task, result: "TrialResult") -> str:
    """The description of a finished run, in Markdown."""
    config = spec.config
    score = f"**{result.test[task.score.name]:.4g}** {task.score.unit}".rstrip()
    if result.diverged:
        score = "**diverged**: the loss stopped being finite"
    epoch = "" if result.best_epoch is None else f", weights of epoch {result.best_epoch} (best on validation)"
    words = [word for word in spec.overrides if not word.startswith(("rerun=", *FILLED_IN))]
    words += ["hydra.mode=RUN"] if is_searched(spec.overrides) else []
    command = f"python -m experiments.train {shlex.join([*words, 'rerun=true'])}"
    return f"""\
**{config.variant.name}** on **{config.task.name}** ({task.title}), seed {config.seed}.

{task.score.title} on the test part, {task.score.better} is better: {score}. \
Baseline ({task.baseline_title}): {task.baseline:.4g}.{_published(published(config.task))}

{config.model.layers} x {spec.units} units{_matched(config)}, {result.parameters:,} parameters, \
{result.epochs} epochs in {result.train_s:.0f} s{epoch}.

Train it again: `{command}`

Use the model (artifact `model.keras`): `import keras, variants; keras.saving.load_model("model.keras")`
"""


def task_title(note: str) -> str:
    """What a task asks, as the description of a run says it; "" if it does not."""
    match = TITLE.match(note)
    return match[1] if match else ""


def _matched(config: Config) -> str:
    if config.model.match is Match.units:
        return ""
    return f" (chosen for as many parameters as standard with {config.model.units})"


def _published(references: list[dict[str, Any]]) -> str:
    scores = [f"{one['metric']} {one['score']} {one['model']} ({one['source']})" for one in references]
    return f"\n\nPublished, by models of other sizes: {'; '.join(scores)}." if scores else ""


def run_color(variant: str, seed: int) -> str:
    """A hue for the variant and one of three shades for the seed, as `#rrggbb`.

    The MLflow UI else gives different variants the same colour.
    """
    hue = zlib.crc32(variant.encode()) * GOLDEN_RATIO % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, (0.8, 0.6, 0.95)[seed % 3])
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


@functools.cache
def versions() -> dict[str, str]:
    """Versions of what computes the numbers."""
    numbers = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            numbers[package] = version(package)
        except PackageNotFoundError:
            numbers[package] = "not installed"
    return numbers
