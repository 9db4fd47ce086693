"""What a study measured on one task: scores, states and settings as arrays by row and replicate."""

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.analysis.format import number
from experiments.tracking import StoredRun
from experiments.tracking.metadata import Metric, Param, Tag, fields, recorded_number

STATES = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed", "RUNNING": "running", "SCHEDULED": "paused"}
UNSCORED = ("diverged", "paused", "failed", "killed", "running", "missing", "unmeasured")
LAST = 0.1  # share of the epochs: best epochs of a flat curve are among them in a tenth of the trials
LARGEST = 1e150  # the square of more is no number; SQL stores keep an infinity as 1.8e308


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
        resampled: Whether each seed has data of its own.
        margin: The difference of the score below which one makes no difference in practice, if the task says so.
        grows: Whether seeds are added until something is decided, so that rows have different numbers of them.
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
    resampled: bool = False
    margin: float | None = None
    grows: bool = False

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
        """`(rows, replicates)`: finished, or one of `UNSCORED`; `unmeasured` is one that has not this score."""
        return np.array([[self._state(self.trials.get((row, name))) for name in self.replicates] for row in self.rows])

    @cached_property
    def scores(self) -> np.ndarray:
        """Test scores `(rows, replicates)`, NaN where there is none."""
        return self.values(self.score.metric)

    def values(self, metric: str) -> np.ndarray:
        """The last value of any metric, `(rows, replicates)`, NaN where there is none or the trial has no score."""
        values = np.full((len(self.rows), len(self.replicates)), np.nan)
        rows, columns = ({name: k for k, name in enumerate(names)} for names in (self.rows, self.replicates))
        for (row, replicate), trial in self.trials.items():
            place = rows[row], columns[replicate]
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

    def by_draw(self, values: np.ndarray) -> np.ndarray:
        """Means `(rows, draws)` over the seeds of each draw of a search; without one the values themselves.

        Seeds of one draw share its settings: they are not replicates of the search.
        """
        settings = [tuple(self.draws[replicate].items()) for replicate in self.replicates]
        if not any(settings):
            return values
        columns = [[place for place, other in enumerate(settings) if other == draw] for draw in dict.fromkeys(settings)]
        return np.stack([_mean_of_each(values[:, places]) for places in columns], axis=1)

    @cached_property
    def improving(self) -> np.ndarray:
        """`(rows, replicates)`: 1 if validation was still improving when the epochs ran out, else 0, NaN if unknown.

        It was if the best epoch is among the last tenth, no patience had ended training, and the trial has not solved
        the task: after that there is nothing more to show.
        """
        solved = self._solved()
        flags = np.full(self.states.shape, np.nan)
        for (row, replicate), trial in self.trials.items():
            best, trained = (trial.metrics.get(name, np.nan) for name in (Metric.BEST_EPOCH, Metric.EPOCHS))
            budget = recorded_number(fields(trial.params).get("training.epochs"))
            if np.isfinite([best, trained, budget]).all():
                last = trained >= budget and best > (1 - LAST) * budget
                place = self.rows.index(row), self.replicates.index(replicate)
                flags[place] = last and not solved[place]
        return flags

    def epochs(self, row: int) -> int | None:
        """The largest number of epochs that trials of a row were allowed, if they recorded it."""
        trials = [trial for (name, _), trial in self.trials.items() if name == self.rows[row]]
        budgets = [recorded_number(fields(trial.params).get("training.epochs")) for trial in trials]
        return max((int(budget) for budget in budgets if np.isfinite(budget)), default=None)

    def learning_rates(self, row: int) -> set[str]:
        """The learning rates of the trials of a row, as they were recorded."""
        trials = [trial for (name, _), trial in self.trials.items() if name == self.rows[row]]
        return {rate for trial in trials if (rate := fields(trial.params).get("training.learning_rate"))}

    @property
    def shared_rate(self) -> str | None:
        """The one learning rate of all rows, which was tuned for none of them; None if they have several."""
        rates = set[str]().union(*(self.learning_rates(row) for row in range(len(self.rows))))
        tuned = any(trial.tags.get(Tag.DRAWN) for trial in self.trials.values())
        return next(iter(rates)) if len(rates) == 1 and len(self.rows) > 1 and not tuned else None

    def solves(self, row: int) -> int | None:
        """How many trials of a row reach the score that counts as solved; None if there is no such score."""
        return None if self.solved is None else int(self._solved()[row].sum())

    def _solved(self) -> np.ndarray:
        """`(rows, replicates)`: whether a trial reaches the score that counts as solved."""
        if self.solved is None:
            return np.zeros(self.scores.shape, bool)
        return self.scores <= self.solved if self.score.better == "lower" else self.scores >= self.solved

    def counts(self, row: int) -> Counter[str]:
        """How many trials of a row are in which state."""
        return Counter(state for state in self.states[row].tolist() if not (self.grows and state == "missing"))

    def number(self, row: int, param: Param) -> tuple[int, int] | None:
        """The least and the largest value of a numeric parameter of the runs of a row, if they have it."""
        trials = [trial for (name, _), trial in self.trials.items() if name == self.rows[row]]
        values = [int(float(trial.params[param])) for trial in trials if param in trial.params]
        return (min(values), max(values)) if values else None


def _mean_of_each(values: np.ndarray) -> np.ndarray:
    """Means `(rows,)` of what is not NaN."""
    counts = (~np.isnan(values)).sum(axis=1)
    return np.where(np.isnan(values), 0, values).sum(axis=1) / np.where(counts, counts, np.nan)
