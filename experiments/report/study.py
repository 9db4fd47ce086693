"""A study as arrays: the score of every variant on every task with every seed."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.errors import UserError
from experiments.report.rows import Place, Runs, collect
from experiments.tracking import StoredRun

STATES = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed", "RUNNING": "running", "SCHEDULED": "running"}
UNSCORED = ("diverged", "failed", "killed", "running", "missing", "unmeasured")
LARGEST = 1e150  # the square of more is no number; SQL stores keep an infinity as 1.8e308
PUBLISHED = ("metric", "score", "model", "source")
REFERENCES = ("standard", "peephole")  # what others are compared with, if a study has it


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
    """What a study measured on one task.

    Attributes:
        task: Its name.
        score: What is compared.
        baseline: The score of the trivial predictor.
        baseline_title: What that predictor does.
        solved: The score that counts as solved in the literature, if there is one.
        references: Published scores, each with `metric`, `score`, `model` and `source`.
        rows: What is compared: a variant, with the settings that were swept.
        replicates: Seeds, or draws of a search with their seeds, which all rows share.
        trials: The run of a row and a replicate.
    """

    task: str
    score: Score
    baseline: float
    baseline_title: str
    solved: float | None
    references: tuple[dict[str, object], ...]
    rows: tuple[str, ...]
    replicates: tuple[str, ...]
    trials: dict[tuple[str, str], StoredRun]

    @cached_property
    def states(self) -> np.ndarray:
        """`(rows, replicates)`: finished, diverged, failed, killed, running, missing, or unmeasured by this score."""
        return np.array([[self._state(self.trials.get((row, each))) for each in self.replicates] for row in self.rows])

    @cached_property
    def scores(self) -> np.ndarray:
        """Test scores `(rows, replicates)`, NaN where there is none."""
        return self.values(self.score.metric)

    def values(self, metric: str) -> np.ndarray:
        """The last value of any metric, `(rows, replicates)`, NaN where there is none or the trial has no score."""
        found = np.full((len(self.rows), len(self.replicates)), np.nan)
        for (row, replicate), trial in self.trials.items():
            place = self.rows.index(row), self.replicates.index(replicate)
            value = trial.metrics.get(metric, np.nan)
            if self.states[place] == "finished" and abs(value) < LARGEST:
                found[place] = value
        return found

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

    def number(self, row: int, param: str) -> tuple[int, int] | None:
        """The least and the largest value of a numeric parameter of the runs of a row, if they have it."""
        trials = [trial for (name, _), trial in self.trials.items() if name == self.rows[row]]
        found = [int(float(trial.params[param])) for trial in trials if param in trial.params]
        return (min(found), max(found)) if found else None


@dataclass(frozen=True)
class Study:
    """A study, read from the store.

    Attributes:
        name: Its name.
        store: Address of the store.
        tasks: What it measured, by task.
        reference: What others are compared with, a variant or a row; "" if there is one row only.
        compared: For each row that is compared with another one, that other row.
        runs: The runs that count.
    """

    name: str
    store: str
    tasks: tuple[TaskResults, ...]
    reference: str
    compared: dict[str, str]
    runs: Runs

    @property
    def rows(self) -> tuple[str, ...]:
        """All rows of all tasks, the reference first."""
        found = dict.fromkeys(row for task in self.tasks for row in task.rows)
        return tuple(sorted(found, key=lambda row: row not in self.compared.values()))

    @property
    def trials(self) -> list[StoredRun]:
        return list(self.runs.placed.values())

    @property
    def replicate(self) -> str:
        """What one replicate is: a seed, or a draw."""
        return "draw" if self.runs.drawn else "seed"


def read(name: str, store: str, trials: Iterable[StoredRun], reference: str | None = None) -> Study | None:
    """Arrange the runs of a study, newest first, by task, row and replicate. None if none of them is a trial.

    Raises:
        UserError: for a reference that the study does not have.
    """
    runs = collect(trials)
    if not runs.placed:
        return None
    tasks = [_task(each, runs.placed) for each in dict.fromkeys(place.task for place in runs.placed)]
    places = {place.row: place for place in runs.placed}
    variants = list(dict.fromkeys(place.variant for place in runs.placed))
    if reference is None:
        reference = _reference(list(places), variants)
    elif reference not in (*variants, *places):
        raise UserError(f"reference={reference}: study {name} does not have it. Allowed: {', '.join(places)}")
    return Study(name, store, tuple(tasks), reference, _compared(places, variants, reference), runs)


def _reference(rows: Sequence[str], variants: Sequence[str]) -> str:
    if len(variants) == 1:
        return rows[0] if len(rows) > 1 else ""
    return next((name for name in REFERENCES if name in variants), variants[0])


def _compared(places: dict[str, Place], variants: Sequence[str], reference: str) -> dict[str, str]:
    """A row is compared with the reference variant in the same settings, or with the row that was named."""
    if reference in variants and len(variants) > 1:
        others = {row: " ".join([reference, *place.settings]) for row, place in places.items()}
        return {row: other for row, other in others.items() if other != row and other in places}
    return {row: reference for row in places if row != reference} if reference else {}


def _task(name: str, placed: dict[Place, StoredRun]) -> TaskResults:
    found = {place: trial for place, trial in placed.items() if place.task == name}
    tags = max(found.values(), key=lambda trial: trial.status == "FINISHED").tags
    solved = tags.get("score_solved", "")
    seeds = sorted(found, key=lambda place: (place.draw, place.seed))
    return TaskResults(
        task=name,
        score=Score(tags["score_metric"], tags["score_title"], tags.get("score_unit", ""), tags["score_better"]),
        baseline=float(tags["baseline"]),
        baseline_title=tags.get("baseline_title", "trivial predictor"),
        solved=float(solved) if solved else None,
        references=tuple(dict.fromkeys(PUBLISHED, "-") | each for each in json.loads(tags.get("references", "[]"))),
        rows=tuple(dict.fromkeys(place.row for place in found)),
        replicates=tuple(dict.fromkeys(place.replicate for place in seeds)),
        trials={(place.row, place.replicate): trial for place, trial in found.items()},
    )
