"""Learning curves: the validation score by epoch, over seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import analysis
from experiments.report.figures import style
from experiments.report.study import LARGEST, Study, TaskResults

Curve = Mapping[int, float]  # value by epoch


def curves(study: Study, task: TaskResults, histories: Mapping[str, Sequence[Curve]]) -> Figure:
    """The mean of each row with its 95 % interval. A run that has ended keeps its last value.

    Args:
        study: The study.
        task: The task.
        histories: By row, the validation score by epoch of each of its runs.
    """
    figure = style.figure(f"{task.task}: validation score by epoch, mean and 95 % interval", 3.6)
    axes = figure.add_subplot()
    looks = style.looks(study.rows)
    drawn = [row for row in study.rows if any(histories.get(row, []))]
    for number, row in enumerate(drawn):
        _curve(axes, filled([curve for curve in histories[row] if curve]), looks[row], number / len(drawn))
    values = np.concatenate([line.get_ydata() for line in axes.lines]) if axes.lines else np.array([])
    style.scale(axes, "y", np.asarray(values, "float64"))
    axes.set_xlabel("epoch")
    axes.locator_params(axis="x", integer=True)
    axes.set_ylabel(f"{task.score.name}\n({task.score.better} is better)", parse_math=False)
    style.tidy(axes)
    style.legend(figure, [style.handle(row, looks[row]) for row in drawn])
    return figure


def filled(runs: Sequence[Curve]) -> np.ndarray:
    """Values `(runs, epochs)` of all epochs from 1; what is not there is taken from the epoch before."""
    last = max(epoch for run in runs for epoch in run)
    values = np.full((len(runs), last), np.nan)
    for number, run in enumerate(runs):
        for epoch, value in run.items():
            if epoch >= 1 and abs(value) < LARGEST:
                values[number, epoch - 1] = value
        for epoch in range(1, last):
            if not np.isfinite(values[number, epoch]):
                values[number, epoch] = values[number, epoch - 1]
    return values


def _curve(axes: Axes, values: np.ndarray, look: style.Look, shift: float) -> None:
    """Markers begin at another epoch for each row, so that they do not cover each other."""
    epochs = np.arange(1, values.shape[1] + 1)
    estimates = [analysis.mean(column) for column in values.T]
    every = max(1, len(epochs) // 6)
    middle = [estimate.value for estimate in estimates]
    axes.plot(epochs, middle, **look.style, linewidth=1.6, markersize=4.5, markevery=(int(shift * every), every))
    low, high = [estimate.low for estimate in estimates], [estimate.high for estimate in estimates]
    if values.shape[0] > 1:
        axes.fill_between(epochs, low, high, color=look.color, alpha=0.12, linewidth=0)
