"""What gates are needed for: the scores of the trials of a task with a gate clamped, by row."""

from collections.abc import Iterable
from dataclasses import dataclass

from experiments import analysis
from experiments.analysis import Estimate
from experiments.analysis.format import column
from experiments.report.tables import Table
from experiments.report.task_results import TaskResults
from experiments.tracking.interventions import Clamp, Intervention, by_clamp

HEAD = ["variant", "layer", "clamped", "to", "unit", "score", "score,\nclamped", "loss\n[95 % interval]", "trials"]


@dataclass(frozen=True)
class Loss:
    """How much worse the trials of a row score with a clamp.

    Attributes:
        row: The row.
        clamp: Layer, gate, value and unit.
        score: Median of the scores without the clamp.
        clamped: The same with it.
        loss: The paired difference, positive where the clamp makes the score worse.
    """

    row: str
    clamp: Clamp
    score: float
    clamped: float
    loss: Estimate

    @property
    def text(self) -> str:
        """What is clamped, such as `lstm_1 input gate = mean`."""
        layer, gate, value, unit = self.clamp
        return f"{layer} {gate.replace('_', ' ')}{f', unit {unit}' if unit else ''} = {value}"


def losses(task: TaskResults, interventions: Iterable[Intervention]) -> list[Loss]:
    """The losses of the trials that count, by row and clamp."""
    measured = list(interventions)
    better = task.score.better
    by_row: list[Loss] = []
    for row in task.rows:
        runs = {trial.run_id for (name, _), trial in task.trials.items() if name == row}
        for clamp, (scores, clamped) in by_clamp(entry for entry in measured if entry.run in runs).items():
            medians = [analysis.median(values, better).value for values in (scores, clamped)]
            by_row.append(Loss(row, clamp, *medians, analysis.loss(clamped, scores, better)))
    return by_row


def table(by_row: list[Loss]) -> Table | None:
    """The losses as text; None if nothing was clamped."""
    places = [(loss.row, loss.clamp[0], loss.clamp[1].replace("_", " "), *loss.clamp[2:]) for loss in by_row]
    numbers = zip(
        column([loss.score for loss in by_row]),
        column([loss.clamped for loss in by_row]),
        column([loss.loss for loss in by_row]),
        strict=True,
    )
    rows = [[*place, *cells, str(loss.loss.count)] for place, cells, loss in zip(places, numbers, by_row, strict=True)]
    return Table(HEAD, rows) if rows else None
