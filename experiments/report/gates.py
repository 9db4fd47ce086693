"""The state of the gates: the metrics `gates/...` of the trials of a task, by row and layer."""

from dataclasses import replace

import numpy as np

from experiments import analysis
from experiments.analysis.format import column
from experiments.report.tables import Table
from experiments.report.task_results import TaskResults

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


def layers(task: TaskResults) -> list[str]:
    """Names of the layers whose gates were recorded."""
    metrics = {name for trial in task.trials.values() for name in trial.metrics}
    return sorted({name.split("/")[1] for name in metrics if name.startswith(PREFIX)})


def table(task: TaskResults) -> Table | None:
    """Mean over seeds with its interval of what was recorded last, by row and layer; None if nothing was."""
    places = [(row, layer) for row in task.rows for layer in layers(task)]
    texts = [column([_cell(task, *place, name) for place in places]) for name in COLUMNS]
    rows = [[*place, *cells] for place, cells in zip(places, zip(*texts, strict=True), strict=True)]
    return Table(["variant", "layer", *COLUMNS.values()], rows) if rows else None


def _cell(task: TaskResults, row: str, layer: str, name: str) -> analysis.Estimate | str:
    mean = estimate(task, task.rows.index(row), f"{PREFIX}{layer}/{name}", name)
    return mean if mean.count else ""


def estimate(task: TaskResults, row: int, metric: str, name: str) -> analysis.Estimate:
    """Mean over seeds of what was recorded last of a metric that ends on a name of `COLUMNS`, with its interval."""
    values = task.values(metric)[row]
    values = values[np.isfinite(values)]
    if name not in LOGGED or (values <= 0).any():
        mean = analysis.mean(values)
        share = name.endswith("_saturated")
        return replace(mean, low=max(mean.low, 0.0), high=min(mean.high, 1.0)) if share else mean
    mean = analysis.mean(np.log10(values))
    return analysis.Estimate(10**mean.value, 10**mean.low, 10**mean.high, mean.count)
