"""The scores of one task, run by run."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.analysis import Estimate
from experiments.analysis.format import number
from experiments.report.figures import style
from experiments.report.findings import TaskFindings
from experiments.report.study import Study
from experiments.report.task_results import TaskResults

FAR = 1.0  # lines further away than this, in widths of the scores, are named and not drawn


def scores(study: Study, findings: TaskFindings) -> Figure:
    """Every test score; medians with 95 % intervals in black."""
    task = findings.results
    rows = [row for row in reversed(study.rows) if row in task.rows]
    figure = style.figure(f"{task.task}: test scores, each run a point", 1.6 + 0.3 * len(rows))
    axes = figure.add_subplot()
    medians = {finding.row: finding.median for finding in findings.rows}
    looks = style.looks(study.rows)
    for place, row in enumerate(rows):
        _strip(axes, task.scores[task.rows.index(row)], medians[row], place, looks[row])
    style.name_rows(axes, rows)
    style.scale(axes, "x", task.scores.ravel())
    axes.set_xlabel(style.wrapped("\n".join([style.label(task.score), *_lines(axes, task)]), 80), parse_math=False)
    style.tidy(axes)
    return figure


def _strip(axes: Axes, values: np.ndarray, estimate: Estimate, place: int, look: style.Look) -> None:
    finite = values[np.isfinite(values)]
    jitter = np.linspace(-0.16, 0.16, len(finite)) if len(finite) > 1 else np.zeros(len(finite))
    many = len(finite) > 60
    points = {"color": look.color, "markersize": 2 if many else 4, "alpha": 0.45, "linewidth": 0, "rasterized": many}
    axes.plot(finite, place + jitter, look.marker, **points)
    if math.isfinite(estimate.low) and math.isfinite(estimate.high):
        axes.plot([estimate.low, estimate.high], [place, place], color="#000000", linewidth=1.4)
    axes.plot([estimate.value], [place], "|", color="#000000", markersize=13, markeredgewidth=2)


def _lines(axes: Axes, task: TaskResults) -> Sequence[str]:
    """Draw the baseline, the solved score and published scores. Returns what those are that are out of sight."""
    marks = [(task.baseline, "trivial baseline", ":")] if not task.varies else []
    if task.solved is not None:
        marks.append((task.solved, "counts as solved", "--"))
    metric = task.score.metric.removeprefix("test/")
    published = [one for one in task.references if one["metric"] == metric and isinstance(one["score"], (int, float))]
    marks += [(float(one["score"]), str(one["model"]), "-.") for one in published]
    finite = task.scores[np.isfinite(task.scores)]
    low, high = (finite.min(), finite.max()) if len(finite) else (math.inf, -math.inf)
    room = FAR * (high - low)
    far = [f"trivial baseline: {task.baseline_text}"] if task.varies else []
    for value, text, line in marks:
        if low - room <= value <= high + room:
            axes.axvline(value, color="#6b7280", linestyle=line, linewidth=1.2)
            above = {"xycoords": ("data", "axes fraction"), "rotation": 90, "ha": "right", "va": "top"}
            axes.annotate(style.short(text), (value, 1), parse_math=False, fontsize=7.5, color="#4b5563", **above)
        else:
            far.append(f"{text}: {number(value)}")
    return far
