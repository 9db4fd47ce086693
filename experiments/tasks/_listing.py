"""The table of all tasks."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from experiments import tasks
from experiments.errors import UserError
from experiments.tasks import Split, Stream, Task
from experiments.tasks.fetch import files_of, folder_of, missing

COLUMNS = ("what is asked", "training / validation / test", "trivial baseline\nbest published", "data", "here")
BUNDLED = {"char_lm": "Python", "digits": "scikit-learn", "forecast": "statsmodels"}
LONGEST_REASON = 60


def table(settings: Mapping[str, Any], data_dir: str | None = None) -> Table:
    """A row for each task. Nothing is downloaded: what is not here is not measured either.

    Args:
        settings: The `task` part of the configuration of each task, by the name of its file in `conf/task`.
        data_dir: Folder of fetched files; None: the user's cache folder.
    """
    rows = Table(box=SIMPLE_HEAD, pad_edge=False)
    rows.add_column("task", no_wrap=True)
    for title in COLUMNS:
        rows.add_column(title, overflow="fold")
    for name, task_settings in settings.items():
        rows.add_row(name, *_cells(task_settings, data_dir))
    return rows


def _cells(settings: Any, data_dir: str | None) -> list[str]:
    data, task, here = source(settings), None, "yes"
    if not data:
        data, here = "yours: task.path=FILE", "-"
    elif missing(files_of(settings), data_dir):
        here = "no: fetched at first use"
    else:
        try:
            task = tasks.build(settings, data_dir)
        except UserError as error:
            here = f"no: {_short(str(error), data_dir)}"
    return [*_facts(task, settings), data, here]


def source(settings: Any) -> str:
    """Where the data of a task come from; "" if the user has to name a file."""
    path = getattr(settings, "path", None)
    if path is not None:
        return path
    if files_of(settings):
        return "\n".join(files_of(settings))
    if getattr(settings, "bundled", None) or (settings.function != "forecast" and settings.function in BUNDLED):
        return f"comes with {BUNDLED[settings.function]}"
    return "" if hasattr(settings, "path") else "generated"


def _facts(task: Task | None, settings: Any) -> list[str]:
    """What is asked, sizes, and scores to compare with."""
    reference = _reference(tasks.published(settings), task)
    if task is None:
        summary = (tasks.function(settings.function).__doc__ or "").split("\n")[0]
        return [summary.rstrip(".").replace("`", ""), "-", f"-\n{reference}".rstrip()]
    return [task.title, _sizes(task), f"{task.score.name} {task.baseline:.4g}\n{reference}".rstrip()]


def _sizes(task: Task) -> str:
    parts = (task.train, task.validation, task.test)
    counts = [len(part.tokens) if isinstance(part, Stream) else len(part) for part in parts]
    lengths = {length for part in parts for length in _lengths(part)}
    steps = str(min(lengths)) if len(lengths) == 1 else f"{min(lengths)}-{max(lengths)}"
    what = f"tokens, {steps} at a time" if isinstance(task.train, Stream) else f"of {steps} steps"
    return f"{' / '.join(f'{count:,}' for count in counts)}\n{what}"


def _lengths(part: Split | Stream) -> Iterable[int]:
    if isinstance(part, Stream):
        return {part.length}
    if part.mask is None:
        return {part.inputs.shape[1]}
    return set(np.unique(part.mask.sum(axis=1)).tolist())


def _reference(references: list[dict[str, Any]], task: Task | None) -> str:
    """The best published score, of the metric that trials are compared by."""
    comparable = [reference for reference in references if task is None or reference["metric"] == task.score.name]
    if not comparable:
        return ""
    higher = task.score.better == "higher" if task else comparable[0]["metric"] == "accuracy"
    best = (max if higher else min)(comparable, key=lambda reference: reference["score"])
    return f"{best['score']:g} ({best['model']})"


def _short(message: str, data_dir: str | None) -> str:
    line = message.split("\n")[0].replace(f"{folder_of(data_dir)}/", "")
    return line if len(line) <= LONGEST_REASON else f"{line[:LONGEST_REASON]}..."
