"""A study as reports read it, from a file that `export` has written."""

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from experiments.tracking.archive import UNREADABLE, Reader
from experiments.tracking.metadata import RUNG, TITLE, Tag
from experiments.tracking.registration import Registration
from experiments.tracking.run import StoredRun
from experiments.tracking.store import Store
from experiments.tracking.transfer import Record, plain_value

Curves = dict[str, dict[int, float]]  # values of a metric by name and step

# Tags that say what was trained on what and how it ended; others are about a machine, or for the MLflow UI.
TAGS = (
    *(Tag.KIND, Tag.STUDY, Tag.EXPERIMENT, Tag.TRIAL_KEY, Tag.BASE, Tag.DRAWN, Tag.PHASE, Tag.REGISTERED, Tag.PAUSED),
    *(
        Tag.DIVERGED,
        Tag.ERROR,
        Tag.LOOP,
        Tag.GIT_COMMIT,
        Tag.GIT_DIRTY,
        Tag.CODE,
        Tag.DATA,
        Tag.SCORE_METRIC,
        Tag.SCORE_TITLE,
    ),
    *(Tag.SCORE_UNIT, Tag.SCORE_BETTER, Tag.SCORE_SOLVED, Tag.CHOSEN_METRIC, Tag.CHOSEN_BETTER, Tag.BASELINE),
    *(Tag.BASELINE_TITLE, Tag.REFERENCES, Tag.MARGIN),
)
STATUSES = ("FINISHED", "FAILED", "KILLED", "RUNNING", "SCHEDULED")
SATURATION = re.compile(r"gates/.+/(left|right)_saturated")
RUN_ID = re.compile(r"[0-9a-f]{32}")
ROOT = r"(?:file://)?(?:/|~/|[A-Za-z]:[\\/])"
PATH = re.compile(rf"{ROOT}(?:.*[\\/])?([^\\/]*)[\\/]?", re.DOTALL)
QUOTED = re.compile(rf"(['\"]){ROOT}(?:[^'\"\n]*[\\/])?([^'\"\\/\n]*)\1")
BARE = re.compile(rf"(?<![\w./:~)\]-]){ROOT}(?=[\w.~])(?:[^\s'\",;()\[\]{{}}]*[\\/])?([^\s'\",;()\[\]{{}}\\/]*)")


@dataclass(frozen=True)
class StudyFile:
    """What reports use of a `Store`, of one study in a file.

    Attributes:
        uri: The file.
        study: The name of the study.
        registration: What was registered before its first trial; None if nothing was.
        stored: Its runs, newest first.
        curves: Of each run the values of metrics that are drawn.
    """

    uri: str
    study: str
    registration: Registration | None
    stored: tuple[StoredRun, ...]
    curves: Mapping[str, Curves]

    @classmethod
    def read(cls, file: Path) -> "StudyFile":
        """The study of a file, with or without artifacts.

        Raises:
            UserError: if it was cut off or changed, is no such file, or one of another version.
        """
        with Reader(file) as reader:
            pairs = list(_brief(reader)) if reader.is_brief else [_whole(record) for _, record in reader.records()]
        pairs.sort(key=lambda pair: (-pair[0].start_time, pair[0].run_id))  # as a store gives them
        curves = {run.run_id: by_name for run, by_name in pairs}
        return cls(str(file), reader.study, reader.registration, tuple(run for run, _ in pairs), curves)

    def runs(self, study: str, keys: Collection[str] | None = None) -> list[StoredRun]:
        """Its runs, newest first, all or those of some trials."""
        runs = self.stored if study == self.study else ()
        return [run for run in runs if keys is None or run.tags.get(Tag.TRIAL_KEY) in keys]

    def history(self, run_id: str, metric: str) -> dict[int, float]:
        """Every value by step of a metric that is drawn."""
        return self.curves[run_id].get(metric, {})


def _brief(reader: Reader) -> Iterator[tuple[StoredRun, Curves]]:
    try:
        yield from [_parsed(**content) for content in reader.brief()]
    except UNREADABLE as error:
        reason = f"does not describe the runs of a study ({type(error).__name__}: {error})"
        raise reader.wrong(f"it {reason}") from error


def _parsed(
    *,
    run_id: str,
    name: str,
    status: str,
    start_time: int,
    params: dict[str, str],
    tags: dict[str, str],
    metrics: dict[str, float | None],
    curves: dict[str, list[list[Any]]],
) -> tuple[StoredRun, Curves]:
    texts = [run_id, name, status, *params, *params.values(), *tags, *tags.values()]
    if not all(isinstance(text, str) for text in texts) or type(start_time) is not int:
        raise TypeError("a text or a time is none")
    if not RUN_ID.fullmatch(run_id) or status not in STATUSES:
        raise ValueError(f"a run {run_id[:32]!r} that is {status[:32]!r}")
    values = {metric: _value(value) for metric, value in metrics.items()}
    by_step = {
        metric: {int(step): _value(value) for step, value in zip(*columns, strict=True)}
        for metric, columns in curves.items()
    }
    return StoredRun.printable(run_id, name, status, params, tags, values, start_time), by_step


def _value(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _whole(record: Record) -> tuple[StoredRun, Curves]:
    last = {name: points[-1][2] for name, points in record.metrics.items() if points}
    run = StoredRun.printable(
        record.run_id, record.name, "FINISHED", record.params, record.tags, last, record.start_time
    )
    curves = {name: {step: value for step, _, value in record.metrics[name]} for name in drawn(run)}
    return run, curves


def drawn(run: StoredRun) -> list[str]:
    """The metrics of a run of which reports draw each value: its score on the validation part, and saturated gates."""
    curve = run.tags.get(Tag.SCORE_METRIC, "").replace("test/", "val/", 1)
    return [name for name in run.metrics if name == curve or SATURATION.fullmatch(name)]


def described(store: Store, study: str) -> list[dict[str, Any]]:
    """What reports read of all trials of a study, oldest first, without the machine that they were trained on."""
    runs = [run for run in store.trials(study) if run.tags.get(Tag.KIND) == "trial" and Tag.IMPORTING not in run.tags]
    short = _shortener(text for run in runs for text in run.params.values())
    return [
        {
            "run_id": run.run_id,
            "name": run.name,
            "status": run.status,
            "start_time": run.start_time,
            "params": {name: short(text) for name, text in run.params.items()},
            "tags": _tags(run),
            "metrics": {name: plain_value(value) for name, value in run.metrics.items()},
            "curves": {name: _columns(store.history(run.run_id, name)) for name in drawn(run)},
        }
        for run in reversed(runs)
    ]


def _columns(history: Mapping[int, float]) -> list[list[Any]]:
    steps = sorted(history)
    return [steps, [plain_value(history[step]) for step in steps]]


def _tags(run: StoredRun) -> dict[str, str]:
    tags = {name: text for name, text in run.tags.items() if name in TAGS or RUNG.fullmatch(name)}
    if note := TITLE.match(run.tags.get(Tag.NOTE, "")):
        tags[Tag.NOTE] = _without_folders(note[0])  # the rest of a description names folders and the command
    if error := tags.get(Tag.ERROR):
        host = run.tags.get(Tag.HOST)
        error = re.sub(rf"\b{re.escape(host)}\b", "HOST", error) if host else error
        tags[Tag.ERROR] = _without_folders(error)
    return tags


def _shortener(texts: Iterable[str]) -> Callable[[str], str]:
    """What takes the folders out of values: different ones stay different, by a checksum where they must."""
    origins: dict[str, set[str]] = defaultdict(set)
    for text in texts:
        origins[_file_name(text)].add(text)

    def shorten(text: str) -> str:
        short = _file_name(text)
        if short == text or len(origins[short]) == 1:
            return short
        name = PureWindowsPath(short)
        return f"{name.stem}-{hashlib.sha256(text.encode()).hexdigest()[:8]}{name.suffix}"

    return shorten


def _file_name(text: str) -> str:
    """The name of a file, if all of a text is an absolute path; else the text without the folders in it."""
    path = PATH.fullmatch(text)
    return path[1] if path else _without_folders(text)


def _without_folders(text: str) -> str:
    """A text in which absolute paths are the names of their files."""
    return BARE.sub(r"\1", QUOTED.sub(r"\1\2\1", text))
