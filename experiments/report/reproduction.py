"""The commands that train the trials of a study again, unless the store has them, and make its report."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import yaml

from experiments.config.compose import GATED_LSTM, defaults
from experiments.config.conf_files import choices, file_of
from experiments.errors import UserError
from experiments.report.rows import Runs
from experiments.report.study import Study
from experiments.tracking import StoredRun
from experiments.tracking.metadata import Param, Tag, fields, text

ARGUMENTS = "variant.arguments."
LABELS = ("variant", "task", "seed")
BARE = re.compile(r"[\w./+-]+|\{.*\}|\[.*\]")  # what Hydra reads as it is written
CUT = re.compile(r"\.\.\.[0-9a-f]{16}$")  # of a long value, whose end is not recorded


def commands(study: Study) -> list[str]:
    """The command that trains exactly these trials, or why there is none, and that of the report."""
    experiments = {trial.tags.get(Tag.EXPERIMENT, "") for trial in study.trials}
    experiment = experiments.pop() if len(experiments) == 1 else None
    start, name = _experiment(experiment), f"study={_quoted(study.name)}"
    drawn = study.runs if study.search is None else study.search.runs
    grid = None if drawn.drawn or study.search or experiment is None else _grid(study, experiment)
    if grid:
        train = shlex.join(["python", "-m", "experiments.train", "-m", *start, *grid, name])
    elif start and any(run.tags.get(Tag.PHASE) for run in drawn.placed.values()):
        train = shlex.join(["python", "-m", "experiments.train", *start, *_amount(study, drawn), name])
    else:
        status = shlex.join(["python", "-m", "experiments.sweep", "status", f"study={study.name}"])
        train = (
            "# No single sweep has exactly these trials: the description of each run in the store has its own command, "
            f"and `{status}` lists what is missing."
        )
    return [train, shlex.join(["python", "-m", "experiments.report", f"study={study.name}"])]


def _amount(study: Study, drawn: Runs) -> list[str]:
    """How many draws of each variant a search has, and how many fresh seeds if their number was fixed."""
    draws = Counter((place.task, place.row) for place in {replace(place, seed=0) for place in drawn.placed})
    seeds = len({place.seed for place in study.runs.placed})
    is_fixed = study.search is not None and study.registration is None
    return [f"search.trials={max(draws.values())}", *([f"search.confirm={seeds}"] if is_fixed else [])]


def _experiment(name: str | None) -> list[str]:
    return [f"experiment={_quoted(name)}"] if name else []


def _grid(study: Study, experiment: str) -> list[str] | None:
    """The words of one sweep that has exactly these trials; None if there is no such sweep.

    They set every field that is swept, and every one that has another value than the files in `conf/` give it.
    """
    files = _variant_files()
    tasks = choices("task")
    if experiment and experiment not in choices("experiment"):
        return None
    if any(trial.params[Param.VARIANT] not in files or trial.params[Param.TASK] not in tasks for trial in study.trials):
        return None
    recorded = [fields(trial.params) for trial in study.trials]
    try:
        set_by_words = [_changes(trial, files, experiment) for trial in study.trials]
        names = sorted(set(_swept(experiment)).union(*set_by_words) - {*LABELS})
    except UserError:  # a file in `conf/` is not there any more
        return None
    rows = [
        (files[trial.params[Param.VARIANT]], trial.params[Param.TASK], trial.params[Param.SEED])
        + tuple(record.get(name, "") for name in names)
        for trial, record in zip(study.trials, recorded, strict=True)
    ]
    values = [list(dict.fromkeys(column)) for column in zip(*rows, strict=True)]
    complete = set(rows) == set(product(*values))
    if not complete or any(value == "" or CUT.search(value) for column in values for value in column):
        return None
    words = zip((*LABELS, *names), values, strict=True)
    return [f"{_key(name)}={','.join(map(_quoted, column))}" for name, column in words]


def _variant_files() -> dict[str, str]:
    """What a variant is called on the command line, its file, by its name."""
    return {_content("variant", file)["name"]: file for file in choices("variant")}


def _swept(experiment: str) -> list[str]:
    """The fields that the file of a study sweeps: a command that does not set them would sweep them too."""
    content = _content("experiment", experiment) if experiment in choices("experiment") else {}
    return list(content.get("hydra", {}).get("sweeper", {}).get("params", {}))


def _content(group: str, choice: str) -> dict[str, Any]:
    return yaml.safe_load(file_of(group, choice).read_text())


def _changes(trial: StoredRun, files: Mapping[str, str], experiment: str) -> set[str]:
    """The fields that have another value than the files of the study, the variant and the task give them."""
    expected = {
        **_task_defaults(experiment, trial.params[Param.TASK]),
        **_variant_defaults(experiment, files[trial.params[Param.VARIANT]]),
    }
    recorded = fields(trial.params)
    new_arguments = {name for name in recorded.keys() - expected.keys() if name.startswith(ARGUMENTS)}
    return new_arguments | {name for name in recorded.keys() & expected.keys() if recorded[name] != expected[name]}


@cache
def _task_defaults(experiment: str, task: str) -> dict[str, str]:
    """The fields of task, model and training that a command has which sets none of them."""
    values = defaults([f"task={task}", *_experiment(experiment)])
    sections = {section: values[section] for section in ("task", "model", "training")}
    return {f"{s}.{name}": text(value) for s, section in sections.items() for name, value in section.items()}


@cache
def _variant_defaults(experiment: str, file: str) -> dict[str, str]:
    """The fields of a variant that a command has which sets none of them, those of the layer included.

    Of other layers than `GatedLSTM` only the fields that the file sets are known here.
    """
    values = defaults([f"variant={file}", *_experiment(experiment)])["variant"]
    arguments = {f"{ARGUMENTS}{name}": value for name, value in values.pop("arguments").items()}
    layer = GATED_LSTM if values["layer"] == "GatedLSTM" else {}
    switches = {name: layer.get(name) if value is None else value for name, value in values.items()}
    switches = {name: value for name, value in switches.items() if value is not None or name == "chrono_time"}
    named = arguments | {f"variant.{name}": value for name, value in switches.items()}
    return {name: text(value) for name, value in named.items()}


def _key(name: str) -> str:
    """A field as an override; an argument that the file of the variant does not have must be added."""
    return f"++{name}" if name.startswith(ARGUMENTS) else name


def _quoted(value: str) -> str:
    """A value as Hydra reads it back."""
    if BARE.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
