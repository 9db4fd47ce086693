"""The score against what it costs: parameters and time."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.report.figures import style
from experiments.report.findings import Finding, TaskFindings
from experiments.report.study import Study


def costs(study: Study, findings: TaskFindings) -> Figure:
    """Median test score with its 95 % interval against trainable parameters and against the time of a training step."""
    task = findings.results
    figure = style.figure(f"{task.task}: test score against parameters and against measured step time", 3.5)
    left, right = figure.subplots(1, 2, sharey=True)
    looks = style.looks(study.rows)
    scored = [finding for finding in findings.rows if math.isfinite(finding.median.value)]
    for finding in scored:
        if finding.parameters:
            _point(left, sum(finding.parameters) / 2, finding, looks[finding.row])
        if math.isfinite(finding.step_ms):
            _point(right, finding.step_ms, finding, looks[finding.row])
    left.set_ylabel(f"{task.score.name}\n({task.score.better} is better)", parse_math=False)
    left.set_xlabel("trainable parameters")
    right.set_xlabel("median time of a training step, milliseconds")
    for axes in (left, right):
        if not axes.lines:
            axes.annotate("not recorded", (0.5, 0.5), xycoords="axes fraction", ha="center", fontsize=style.FONT)
        axes.locator_params(axis="x", nbins=5)
        style.tidy(axes)
    style.scale(left, "y", [finding.median.value for finding in scored])
    order = [row for row in study.rows if any(finding.row == row for finding in scored)]
    style.legend(figure, [style.handle(row, looks[row], size=6, linestyle="") for row in order])
    return figure


def _point(axes: Axes, cost: float, finding: Finding, look: style.Look) -> None:
    if math.isfinite(finding.median.low) and math.isfinite(finding.median.high):
        axes.plot([cost, cost], [finding.median.low, finding.median.high], color=look.color, linewidth=1.2)
    axes.plot([cost], [finding.median.value], look.marker, color=look.color, markersize=7)
