"""What a search has found and what it has cost: settings, sensitivity, expected best by budget."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from experiments import analysis
from experiments.analysis import Budget
from experiments.analysis.format import column, counted, listed, number
from experiments.report.readable import is_number
from experiments.report.study import Study
from experiments.report.tables import Table
from experiments.report.task_results import TaskResults
from experiments.tracking import StoredRun
from experiments.tracking.metadata import Metric, Tag, fields, recorded_number


@dataclass(frozen=True)
class Tuning:
    """The draws of one row.

    Attributes:
        row: The row.
        states: How many draws are in which state.
        setting: The draw that was chosen: the best on validation of those that were trained to their end; "" if none
            has a score.
        validation: Its validation score.
        quartiles: Of the validation scores of all draws, each as far as it was trained.
        budget: The expected best validation score of n draws.
        epochs: Epochs that were trained.
        most: Epochs that training every draw to its last epoch would take at most.
        train_s: Seconds of training.
    """

    row: str
    states: dict[str, int]
    setting: str
    validation: float
    quartiles: tuple[float, float, float]
    budget: Budget
    epochs: int
    most: int
    train_s: float

    @property
    def draws(self) -> int:
        return sum(self.states.values())


def tunings(task: TaskResults) -> tuple[Tuning, ...]:
    """What the search has found for each row of a task."""
    return tuple(_tuning(task, row) for row in task.rows)


def is_halved(found: Sequence[Tuning]) -> bool:
    """Whether draws are paused, so that they differ in epochs."""
    return any("paused" in tuning.states for tuning in found)


def better(task: TaskResults) -> str:
    """Which validation scores are better."""
    first = next(iter(task.trials.values()))
    return first.tags.get(Tag.CHOSEN_BETTER) or task.score.better


def _tuning(task: TaskResults, row: str) -> Tuning:
    draws: dict[tuple[tuple[str, str], ...], list[StoredRun]] = defaultdict(list)
    for (name, replicate), trial in task.trials.items():
        if name == row:
            draws[tuple(task.draws[replicate].items())].append(trial)
    worst = math.inf if better(task) == "lower" else -math.inf
    scores = {draw: float(np.mean([_validation(trial, worst) for trial in trials])) for draw, trials in draws.items()}
    ended = {d: scores[d] for d, trials in draws.items() if all(t.status == "FINISHED" for t in trials)}
    ended = {draw: score for draw, score in ended.items() if math.isfinite(score)}
    best = (min if better(task) == "lower" else max)(ended, key=lambda draw: ended[draw], default=None)
    states: dict[str, int] = defaultdict(int)
    for trials in draws.values():
        states[_state(trials)] += 1
    trials = [trial for group in draws.values() for trial in group]
    values = np.array(list(scores.values()))
    return Tuning(
        row=row,
        states=dict(states),
        setting="" if best is None else " ".join(f"{name}={value}" for name, value in best),
        validation=math.nan if best is None else ended[best],
        quartiles=analysis.quartiles(values),
        budget=analysis.expected_best(values, better(task)),
        epochs=sum(_epochs(trial) for trial in trials),
        most=sum(_most(trial) for trial in trials),
        train_s=sum(trial.metrics.get(Metric.TRAIN_S, 0.0) for trial in trials),
    )


def _validation(trial: StoredRun, worst: float) -> float:
    """The best validation score as far as a trial was trained; NaN if there is none."""
    if trial.status != "FINISHED":
        return trial.validation_so_far
    return worst if math.isnan(trial.validation) else trial.validation


def _state(trials: Sequence[StoredRun]) -> str:
    statuses = {trial.status for trial in trials}
    if statuses == {"FINISHED"}:
        return "diverged" if any(trial.tags.get(Tag.DIVERGED) == "true" for trial in trials) else "trained"
    return "paused" if statuses <= {"FINISHED", "SCHEDULED"} else "without end"


def _epochs(trial: StoredRun) -> int:
    paused = recorded_number(trial.tags.get(Tag.PAUSED))
    epochs = trial.metrics.get(Metric.EPOCHS, paused)
    return int(epochs) if math.isfinite(epochs) else 0


def _most(trial: StoredRun) -> int:
    budget = recorded_number(fields(trial.params).get("training.epochs"))
    return int(budget) if math.isfinite(budget) else _epochs(trial)


def table(task: TaskResults, found: Sequence[Tuning]) -> Table:
    """A row for each variant: its setting, and what any other draw would have given."""
    head = [
        "variant",
        "chosen on validation",
        "its validation\nscore",
        "draws",
        f"validation score of a draw\nquartiles, {better(task)} is better",
        "epochs",
        "hours",
    ]
    validation = column([tuning.validation for tuning in found])
    quartiles = iter(column([quartile for tuning in found for quartile in tuning.quartiles]))
    rows = [
        _cells(tuning, text, " / ".join(islice(quartiles, len(tuning.quartiles))))
        for tuning, text in zip(found, validation, strict=True)
    ]
    return Table(head, rows)


def _cells(tuning: Tuning, validation: str, quartiles: str) -> list[str]:
    counts = [
        f"{count} {state}" for state, count in sorted(tuning.states.items(), key=lambda item: item[0] != "trained")
    ]
    return [
        tuning.row,
        (short(tuning.setting) if tuning.setting else "") or "none has a score",
        validation,
        "\n".join([str(tuning.draws), *(counts if len(counts) > 1 or "trained" not in tuning.states else [])]),
        quartiles,
        f"{tuning.epochs:,} of {tuning.most:,}",
        f"{tuning.train_s / 3600:.2g}" if tuning.train_s else "-",
    ]


def short(setting: str) -> str:
    """A setting with the last part of its names and numbers of four digits; the trials have all of both."""
    words = [word.partition("=") for word in setting.split(" ")]
    return " ".join(
        f"{name.rpartition('.')[2]}={number(float(value)) if is_number(value) else value}" for name, _, value in words
    )


def sentences(task: TaskResults, found: Sequence[Tuning]) -> list[str]:
    """What the search has cost, and the rows for which it found nothing."""
    epochs, most = sum(t.epochs for t in found), sum(t.most for t in found)
    hours = sum(tuning.train_s for tuning in found) / 3600
    draws = counted(sum(tuning.draws for tuning in found), "draw")
    time = f", {hours:.2g} hours of training" if hours else ""
    share = f" of the {most:,} that training every draw to its last epoch takes at most" if most > epochs else ""
    cost = [f"On {task.task}, the search trained {draws} for {epochs:,} epochs{share}{time}."] if epochs else []
    return [*cost, *nothing(task, found)]


def nothing(task: TaskResults, found: Sequence[Tuning]) -> list[str]:
    """The rows of which no draw has a score."""
    return [
        f"On {task.task}, none of the {tuning.draws} draws of {tuning.row} has a score "
        f"({listed([f'{count} {state}' for state, count in tuning.states.items()])}): it is not compared."
        for tuning in found
        if not tuning.setting
    ]


def headline(study: Study) -> list[str]:
    """How rows were tuned before they were compared; nothing if they were not."""
    if study.search is None:
        return []
    seeds = max(len(task.replicates) for task in study.tasks)
    draws = max(tuning.draws for task in study.search.tasks for tuning in tunings(task))
    return [
        f"Each row has its own best setting of {counted(draws, 'draw')}, chosen on validation, and is compared with "
        f"{'up to ' * (study.registration is not None)}{counted(seeds, 'seed')} that the search did not use.",
        *(line for task in study.search.tasks for line in nothing(task, tunings(task))),
    ]
