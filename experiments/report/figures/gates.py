"""How saturated the gates are, by epoch."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.report.figures import style
from experiments.report.figures.curves import Curve
from experiments.report.study import Study
from experiments.report.task_results import TaskResults

SIDES = {"left_saturated": "shut", "right_saturated": "open"}


def saturation(
    study: Study, task: TaskResults, layer: str, histories: Mapping[str, Mapping[str, list[Curve]]]
) -> Figure:
    """Shares of steps at which gates are shut and open, by epoch, means over runs.

    Args:
        study: The study.
        task: The task.
        layer: The layer.
        histories: By `<gate>/<side>_saturated` and row, the values by epoch of each run.
    """
    gates = list(dict.fromkeys(name.split("/")[0] for name in histories))
    title = f"{task.task}, {layer}: share of steps at which gates are shut (activation < 0.1) and open (> 0.9)"
    figure = style.figure(title, 4.6)
    panels = figure.subplots(2, len(gates), sharex=True, sharey=True, squeeze=False)
    looks = style.looks(study.rows)
    drawn = [row for row in study.rows if any(histories[name].get(row) for name in histories)]
    for column, gate in enumerate(gates):
        for line, side in enumerate(SIDES):
            _panel(panels[line, column], histories.get(f"{gate}/{side}", {}), looks)
            panels[line, 0].set_ylabel(f"share of steps {SIDES[side]}")
        panels[0, column].set_title(gate.replace("_", " "), loc="left", fontsize=style.FONT, fontweight="bold")
        panels[1, column].set_xlabel("epoch")
    for axes in panels.flat:
        axes.set_ylim(-0.03, 1.03)
        style.tidy(axes)
    style.legend(figure, [style.handle(row, looks[row], size=4) for row in drawn])
    return figure


def _panel(axes: Axes, by_row: Mapping[str, list[Curve]], looks: Mapping[str, style.Look]) -> None:
    for row, runs in by_row.items():
        epochs = sorted({epoch for run in runs for epoch in run})
        means = [np.mean([run[epoch] for run in runs if epoch in run]) for epoch in epochs]
        axes.plot(epochs, means, **looks[row].style, markersize=4, linewidth=1.5)
