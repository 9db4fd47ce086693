"""What the gates were doing: the metrics `gates/...` of the trials of a task, by row and layer."""

from dataclasses import dataclass, replace

import numpy as np

from experiments import analysis
from experiments.analysis.format import interval
from experiments.report.study import TaskResults
from experiments.report.tables import Table

PREFIX = "gates/"
COLUMNS = {
    "input_gate/mean": "input gate,\nmean",
    "input_gate/left_saturated": "shut\n(< 0.1)",
    "input_gate/right_saturated": "open\n(> 0.9)",
    "forget_gate/mean": "forget gate,\nmean",
    "forget_gate/left_saturated": "shut\n(< 0.1)",
    "forget_gate/right_saturated": "open\n(> 0.9)",
    "output_gate/mean": "output gate,\nmean",
    "output_gate/left_saturated": "shut\n(< 0.1)",
    "output_gate/right_saturated": "open\n(> 0.9)",
    "time_scale": "memory,\nsteps",
    "cell_state/mean": "cell state,\nmean |c|",
    "gradient_first_to_last": "gradient, first\nto last step",
}
GATES = ("input_gate", "forget_gate", "output_gate")
LOGGED = "time_scale", "gradient_first_to_last"  # averaged on a logarithmic scale: they spread over orders of magnitude


@dataclass(frozen=True)
class Gates:
    """What was recorded of the gates on a task.

    Attributes:
        task: The task.
        layers: Names of the layers.
    """

    task: TaskResults
    layers: tuple[str, ...]


def gates(task: TaskResults) -> Gates | None:
    """What was recorded of the gates; None if nothing was."""
    names = {name for trial in task.trials.values() for name in trial.metrics if name.startswith(PREFIX)}
    layers = sorted({name.split("/")[1] for name in names})
    return Gates(task, tuple(layers)) if layers else None


def table(found: Gates) -> Table:
    """Mean over seeds with its interval of what was recorded last, a line for each row and layer."""
    rows = [
        [row, layer, *(_cell(found.task, number, f"{PREFIX}{layer}/{name}", name) for name in COLUMNS)]
        for number, row in enumerate(found.task.rows)
        for layer in found.layers
    ]
    return Table(["variant", "layer", *COLUMNS.values()], rows)


def _cell(task: TaskResults, row: int, metric: str, name: str) -> str:
    values = task.values(metric)[row]
    values = values[np.isfinite(values)]
    if not len(values):
        return ""
    if name not in LOGGED or (values <= 0).any():
        found = analysis.mean(values)
        share = name.endswith("_saturated")
        return interval(replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0)) if share else found)
    found = analysis.mean(np.log10(values))
    return interval(analysis.Estimate(10**found.value, 10**found.low, 10**found.high, found.count))
