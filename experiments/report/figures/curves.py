"""Learning curves: the validation score by epoch, over seeds, and how rows differ in it."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import analysis
from experiments.analysis import Estimate
from experiments.report.figures import style
from experiments.report.findings import TaskFindings
from experiments.report.study import Study
from experiments.report.task_results import LARGEST

MOST_EPOCHS = 40  # at which rows are compared

Curve = Mapping[int, float]  # value by epoch


def curves(study: Study, findings: TaskFindings, histories: Mapping[str, Sequence[Curve]]) -> Figure:
    """Left the median of each row with its 95 % interval; right the shift from what it is compared with.

    A run that has ended keeps its last value. Differences are those of the best scores so far, since the weights of the
    best epoch count. Without seeds to compare, as in a search, there is no right part.

    Args:
        study: The study.
        findings: Of the task.
        histories: By row, the validation score by epoch of each of its runs.
    """
    task = findings.results
    drawn = {
        row: filled([curve for curve in histories[row] if curve]) for row in study.rows if any(histories.get(row, []))
    }
    pairs = [
        (row, comparison.reference)
        for row, comparison in findings.comparisons
        if {row, comparison.reference} <= drawn.keys() and not study.runs.drawn
    ]
    figure = style.figure(f"{task.task}: validation score by epoch, median and 95 % interval", 3.6)
    left, right = figure.subplots(1, 2) if pairs else (figure.add_subplot(), None)
    looks = style.looks(study.rows)
    for number, (row, values) in enumerate(drawn.items()):
        estimates = [analysis.median(column, task.score.better) for column in values.T]
        _curve(left, np.arange(1, values.shape[1] + 1), estimates, looks[row], number / len(drawn))
    values = np.concatenate([line.get_ydata() for line in left.lines]) if left.lines else np.array([])
    style.scale(left, "y", np.asarray(values, "float64"))
    left.set_ylabel(f"{task.score.name}\n({task.score.better} is better)", parse_math=False)
    if right is not None:
        for number, (row, other) in enumerate(pairs):
            epochs, shifts = _shifts(drawn[row], drawn[other], task.score.better)
            _curve(right, epochs, shifts, looks[row], number / len(pairs))
        right.axhline(0, color="#000000", linewidth=0.8)
        right.set_ylabel(f"best score so far minus that of {study.opponent}", parse_math=False)
    for axes in [left] if right is None else [left, right]:
        axes.set_xlabel("epoch")
        axes.locator_params(axis="x", integer=True)
        style.tidy(axes)
    style.legend(figure, [style.handle(row, looks[row]) for row in drawn])
    return figure


def _shifts(scores: np.ndarray, reference: np.ndarray, better: str) -> tuple[np.ndarray, list[Estimate]]:
    """Shifts of the best scores so far, at some of the epochs of both."""
    last = max(scores.shape[1], reference.shape[1])
    runs = max(len(scores), len(reference))
    best = np.minimum if better == "lower" else np.maximum
    both = []
    for values in (scores, reference):
        longer = np.pad(values, ((0, 0), (0, last - values.shape[1])), mode="edge")
        padded = np.pad(best.accumulate(longer, axis=1), ((0, runs - len(values)), (0, 0)), constant_values=np.nan)
        both.append(padded)
    epochs = np.unique(np.linspace(1, last, min(last, MOST_EPOCHS)).astype(int))
    return epochs, [analysis.compare(*(values[:, epoch - 1] for values in both), better).difference for epoch in epochs]


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


def _curve(axes: Axes, epochs: np.ndarray, estimates: Sequence[Estimate], look: style.Look, shift: float) -> None:
    """Markers begin at another epoch for each row, so that they do not cover each other."""
    every = max(1, len(epochs) // 6)
    middle, low, high = np.array([(one.value, one.low, one.high) for one in estimates]).T
    shown = np.where(np.isfinite(middle), middle, np.nan)
    axes.plot(epochs, shown, **look.style, linewidth=1.6, markersize=4.5, markevery=(int(shift * every), every))
    known = np.isfinite(low) & np.isfinite(high)
    axes.fill_between(epochs, low, high, where=known, color=look.color, alpha=0.12, linewidth=0)
