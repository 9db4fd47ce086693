"""A study as arrays: the score of every variant on every task with every seed."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.analysis.format import number
from experiments.errors import UserError
from experiments.report.rows import Place, Runs, collect, named
from experiments.tracking import StoredRun
from experiments.tracking.metadata import NULL, Param, Tag

STATES = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed", "RUNNING": "running", "SCHEDULED": "running"}
UNSCORED = ("diverged", "failed", "killed", "running", "missing", "unmeasured")
LARGEST = 1e150  # the square of more is no number; SQL stores keep an infinity as 1.8e308
PUBLISHED = ("metric", "score", "model", "source")
UNSAFE = re.compile(r"[^\w.=+-]+")  # in the name of a file
LONGEST_FILE = 80
REFERENCES = ("standard", "peephole")  # what variants without a base are compared with, if a study has it


@dataclass(frozen=True)
class Score:
    """What the trials of a task are compared by.

    Attributes:
        metric: Its name in the store, such as `test/mse`.
        title: What it is called.
        unit: Its unit, "" if it has none.
        better: `lower` or `higher`.
    """

    metric: str
    title: str
    unit: str
    better: str

    @property
    def name(self) -> str:
        """Title and unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    @property
    def short_unit(self) -> str:
        """The unit as it follows a number, with a space; "" if there is none."""
        return f" {self.unit}" if self.unit else ""


@dataclass(frozen=True)
class TaskResults:
    """What a study measured on one task, or on one setting of a task of which fields were swept.

    Attributes:
        task: Its name, with the fields that were swept: `forecast horizon=12`.
        task_name: The name of the task alone, of which the store has an experiment.
        file: How names of its files begin: unlike those of the other tasks, and without blanks and slashes.
        score: What is compared.
        baselines: The scores of the trivial predictor that finished trials recorded, and of how many, most first:
            several if the data have changed, or if a search drew fields of the task.
        baseline_title: What that predictor does.
        solved: The score that counts as solved in the literature, if there is one.
        references: Published scores, each with `metric`, `score`, `model` and `source`.
        rows: What is compared: a variant, with the settings that were swept.
        replicates: Seeds, or draws of a search with their seeds, which all rows share.
        trials: The run of a row and a replicate.
        draws: The settings that a search drew, by dotted name, for each replicate.
    """

    task: str
    task_name: str
    file: str
    score: Score
    baselines: tuple[tuple[float, int], ...]
    baseline_title: str
    solved: float | None
    references: tuple[dict[str, object], ...]
    rows: tuple[str, ...]
    replicates: tuple[str, ...]
    trials: dict[tuple[str, str], StoredRun]
    draws: dict[str, dict[str, str]]

    @property
    def is_drawn(self) -> bool:
        """Whether a search drew fields of the task, so that each draw has data of its own."""
        return any(name.startswith("task.") for draw in self.draws.values() for name in draw)

    @property
    def varies(self) -> bool:
        """Whether the trivial predictor therefore has another score in each draw."""
        return self.is_drawn and len(self.baselines) > 1

    @property
    def baseline(self) -> float:
        """The score of the trivial predictor; NaN if it varies."""
        return math.nan if self.varies else self.baselines[0][0]

    @property
    def baseline_text(self) -> str:
        """The same as text, such as `0.1` or, if it varies, `0.1 to 0.3`."""
        if not self.varies:
            return number(self.baseline)
        values = [value for value, _ in self.baselines]
        return f"{number(min(values))} to {number(max(values))}"

    @cached_property
    def states(self) -> np.ndarray:
        """`(rows, replicates)`: finished, diverged, failed, killed, running, missing, or unmeasured by this score."""
        return np.array([[self._state(self.trials.get((row, name))) for name in self.replicates] for row in self.rows])

    @cached_property
    def scores(self) -> np.ndarray:
        """Test scores `(rows, replicates)`, NaN where there is none."""
        return self.values(self.score.metric)

    def values(self, metric: str) -> np.ndarray:
        """The last value of any metric, `(rows, replicates)`, NaN where there is none or the trial has no score."""
        values = np.full((len(self.rows), len(self.replicates)), np.nan)
        for (row, replicate), trial in self.trials.items():
            place = self.rows.index(row), self.replicates.index(replicate)
            value = trial.metrics.get(metric, np.nan)
            if self.states[place] == "finished" and abs(value) < LARGEST:
                values[place] = value
        return values

    def _state(self, trial: StoredRun | None) -> str:
        if trial is None:
            return "missing"
        state = STATES.get(trial.status, "killed")
        if state != "finished":
            return state
        score = trial.metrics.get(self.score.metric)
        if score is None:
            return "unmeasured"
        return state if abs(score) < LARGEST else "diverged"

    def ranked(self) -> np.ndarray:
        """Scores with the worst possible value, an infinity, for trials that diverged; NaN where there is none."""
        worst = np.inf if self.score.better == "lower" else -np.inf
        return np.where(self.states == "diverged", worst, self.scores)

    def counts(self, row: int) -> Counter[str]:
        """How many trials of a row are in which state."""
        return Counter(self.states[row].tolist())

    def number(self, row: int, param: Param) -> tuple[int, int] | None:
        """The least and the largest value of a numeric parameter of the runs of a row, if they have it."""
        trials = [trial for (name, _), trial in self.trials.items() if name == self.rows[row]]
        values = [int(float(trial.params[param])) for trial in trials if param in trial.params]
        return (min(values), max(values)) if values else None


@dataclass(frozen=True)
class Study:
    """A study, read from the store.

    Attributes:
        name: Its name.
        store: Address of the store.
        tasks: What it measured, by task.
        reference: What rows without a base of their own are compared with, and the 1 of the scale over all tasks: a
            variant or a row; "" if there is one row only.
        compared: For each row that is compared with another one, that other row.
        lacking: For each row whose base the study does not have, so that it is compared with another variant: that
            base.
        runs: The runs that count.
    """

    name: str
    store: str
    tasks: tuple[TaskResults, ...]
    reference: str
    compared: dict[str, str]
    lacking: dict[str, str]
    runs: Runs

    @cached_property
    def rows(self) -> tuple[str, ...]:
        """All rows of all tasks, those with which others are compared first."""
        rows = dict.fromkeys(row for task in self.tasks for row in task.rows)
        return tuple(sorted(rows, key=lambda row: row not in self.compared.values()))

    @cached_property
    def variants(self) -> dict[str, str]:
        """The variant of each row."""
        return {place.row: place.variant for place in self.runs.placed}

    @property
    def opponent(self) -> str:
        """What rows are compared with, in words: the reference, or `its base` if there are several."""
        others = {self.variants[row] for row in self.compared.values()}
        if len(others) < 2:
            return self.reference if self.reference in self.compared.values() else next(iter(others), self.reference)
        bases = _bases(self.runs)
        on_base = all(bases[self.variants[row]] == self.variants[other] for row, other in self.compared.items())
        return "its base" if on_base else "its reference"

    @property
    def trials(self) -> list[StoredRun]:
        return list(self.runs.placed.values())

    @property
    def replicate(self) -> str:
        """What one replicate is: a seed, or a draw."""
        return "draw" if self.runs.drawn else "seed"


def read(name: str, store: str, trials: Iterable[StoredRun], reference: str | None = None) -> Study | None:
    """Arrange the runs of a study, newest first, by task, row and replicate. None if none of them is a trial.

    Args:
        name: The study.
        store: Address of the store.
        trials: Its runs.
        reference: What every row is compared with. Default: the base of its variant, if the study has it.

    Raises:
        UserError: for a reference that the study does not have.
    """
    runs = collect(trials)
    if not runs.placed:
        return None
    files = _files(dict.fromkeys(place.measured for place in runs.placed))
    tasks = tuple(_task(task, file, runs.placed) for task, file in files.items())
    rows = {place.row: place for place in runs.placed}
    bases = _bases(runs)
    if reference not in (*bases, *rows):
        reference = runs.merged_into.get(reference, reference)
    if reference is None:
        reference = _reference(rows, bases)
    elif reference in (*bases, *rows):
        bases = dict.fromkeys(bases, "")
    else:
        raise UserError(f"reference={reference}: study {name} does not have it. Allowed: {', '.join(rows)}")
    compared = _compared(rows, bases, reference)
    lacking = {row: bases[rows[row].variant] for row, other in compared.items() if _is_lacking(rows, bases, row, other)}
    return Study(name, store, tasks, reference, compared, lacking, runs)


def _bases(runs: Runs) -> dict[str, str]:
    """For each variant the one that it changes; "" if its runs name none, as those of version 0.1.0."""
    bases: dict[str, str] = {}
    for place, run in runs.placed.items():
        base = run.tags.get(Tag.BASE, "") if run.params[Param.VARIANT] == place.variant else ""
        bases[place.variant] = bases.get(place.variant) or base
    return {variant: base if base in bases else runs.merged_into.get(base, base) for variant, base in bases.items()}


def _reference(rows: Mapping[str, Place], bases: Mapping[str, str]) -> str:
    """`standard`, else `peephole`, else the first variant whose base is not there; of one variant the first row."""
    if len(bases) == 1:
        return next(iter(rows)) if len(rows) > 1 else ""
    first = next((name for name, base in bases.items() if base not in bases), next(iter(bases)))
    return next((name for name in REFERENCES if name in bases), first)


def _compared(rows: Mapping[str, Place], bases: Mapping[str, str], reference: str) -> dict[str, str]:
    """The row that each row is compared with.

    It is that of its base in the same settings, else that of the reference variant in them, or the row that was named.
    Rows of the reference variant with other switches are compared with that which has none set.
    """
    if reference not in bases or len(bases) == 1:
        return {row: reference for row in rows if row != reference} if reference in rows else {}
    plain = {(p.variant, p.settings): row for row, p in rows.items() if all(value == NULL for _, value in p.switches)}
    compared = {}
    for row, place in rows.items():
        variants = [reference] if place.variant == reference else [bases[place.variant], reference]
        for variant in variants:
            same = named(variant, (*place.switches, *place.settings))
            other = same if same in rows and same != row else plain.get((variant, place.settings), row)
            if other != row:
                compared[row] = other
                break
    return compared


def _is_lacking(rows: Mapping[str, Place], bases: Mapping[str, str], row: str, other: str) -> bool:
    variant, reference = rows[row].variant, rows[other].variant
    return reference not in (variant, bases[variant]) and bases[variant] != ""


def _files(tasks: Iterable[str]) -> dict[str, str]:
    """For each task how the names of its files begin; also on disks that take `A` for `a`."""
    files: dict[str, str] = {}
    for task in tasks:
        stem = UNSAFE.sub("-", task).strip("-.")[:LONGEST_FILE] or "task"
        taken = {file.casefold() for file in files.values()}
        numbered = (stem, *(f"{stem}-{number}" for number in range(2, len(files) + 3)))
        files[task] = next(file for file in numbered if file.casefold() not in taken)
    return files


def _task(name: str, file: str, placed: Mapping[Place, StoredRun]) -> TaskResults:
    trials = {place: trial for place, trial in placed.items() if place.measured == name}
    metric = max(trials.values(), key=lambda trial: trial.status == "FINISHED").tags[Tag.SCORE_METRIC]
    alike = [trial for trial in trials.values() if trial.tags[Tag.SCORE_METRIC] == metric]
    finished = [trial for trial in alike if trial.status == "FINISHED"] or alike
    baselines = Counter(map(_baseline, finished)).most_common()
    values = {_baseline(trial): float(trial.tags[Tag.BASELINE]) for trial in reversed(finished)}
    tags = next(trial for trial in finished if _baseline(trial) == baselines[0][0]).tags
    solved = {trial.tags.get(Tag.SCORE_SOLVED, "") for trial in finished}
    draws = {place.replicate: dict(place.draw) for place in sorted(trials, key=lambda place: (place.draw, place.seed))}
    return TaskResults(
        task=name,
        task_name=next(iter(trials)).task,
        file=file,
        score=Score(metric, tags[Tag.SCORE_TITLE], tags.get(Tag.SCORE_UNIT, ""), tags[Tag.SCORE_BETTER]),
        baselines=tuple((values[text], count) for text, count in baselines),
        baseline_title=tags.get(Tag.BASELINE_TITLE, "trivial predictor"),
        solved=float(*solved) if len(solved) == 1 and "" not in solved else None,
        references=tuple(dict.fromkeys(PUBLISHED, "-") | score for score in json.loads(tags.get(Tag.REFERENCES, "[]"))),
        rows=tuple(dict.fromkeys(place.row for place in trials)),
        replicates=tuple(draws),
        trials={(place.row, place.replicate): trial for place, trial in trials.items()},
        draws=draws,
    )


def _baseline(trial: StoredRun) -> str:
    """To six digits: machines may differ in the last ones."""
    return f"{float(trial.tags[Tag.BASELINE]):.6g}"
