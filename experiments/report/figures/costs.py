"""The score against what it costs: parameters and time."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.report.figures import style
from experiments.report.findings import Finding, TaskFindings
from experiments.report.study import Study


def costs(study: Study, found: TaskFindings) -> Figure:
    """Mean test score with its 95 % interval against trainable parameters and against the time of a training step."""
    task = found.results
    made = style.figure(f"{task.task}: test score against parameters and against measured step time", 3.5)
    axes = made.subplots(1, 2, sharey=True)
    looks = style.looks(study.rows)
    scored = [each for each in found.rows if each.mean.count]
    for each in scored:
        if each.parameters:
            _point(axes[0], sum(each.parameters) / 2, each, looks[each.row])
        if math.isfinite(each.step_ms):
            _point(axes[1], each.step_ms, each, looks[each.row])
    axes[0].set_ylabel(f"{task.score.name}\n({task.score.better} is better)", parse_math=False)
    axes[0].set_xlabel("trainable parameters")
    axes[1].set_xlabel("median time of a training step, milliseconds")
    for each_axes in axes:
        if not each_axes.lines:
            each_axes.annotate("not recorded", (0.5, 0.5), xycoords="axes fraction", ha="center", fontsize=style.FONT)
        each_axes.locator_params(axis="x", nbins=5)
        style.tidy(each_axes)
    style.scale(axes[0], "y", [each.mean.value for each in scored])
    order = [row for row in study.rows if any(each.row == row for each in scored)]
    style.legend(made, [_handle(row, looks[row]) for row in order])
    return made


def _point(axes: Axes, cost: float, found: Finding, look: style.Look) -> None:
    if math.isfinite(found.mean.low):
        axes.plot([cost, cost], [found.mean.low, found.mean.high], color=look.color, linewidth=1.2)
    axes.plot([cost], [found.mean.value], look.marker, color=look.color, markersize=7)


def _handle(row: str, look: style.Look) -> Line2D:
    return Line2D([], [], color=look.color, marker=look.marker, linestyle="", markersize=6, label=row)
