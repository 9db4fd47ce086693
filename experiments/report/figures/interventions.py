"""What gates are needed for: the loss of score with each of them clamped."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.report.figures import style
from experiments.report.interventions import Loss
from experiments.report.study import Study
from experiments.report.task_results import TaskResults

DECADES = 1e4  # that a logarithmic axis shows
SPREAD = 0.7  # of the distance of two lines, which the rows of one clamp share


def interventions(study: Study, task: TaskResults, losses: Sequence[Loss]) -> Figure:
    """Loss with 95 % interval, a line for each clamp and a marker for each row of the study.

    Args:
        study: The study.
        task: The task.
        losses: Those of its rows.
    """
    clamps = list(dict.fromkeys(loss.text for loss in losses))[::-1]
    rows = [row for row in study.rows if any(loss.row == row for loss in losses)]
    looks = style.looks(study.rows)
    height = 1.2 + len(clamps) * max(0.24, 0.13 * len(rows))
    figure = style.figure(f"{task.task}: loss of test score with a gate clamped, and 95 % interval", height)
    axes = figure.add_subplot()
    for loss in losses:
        offset = (rows.index(loss.row) + 0.5) / len(rows) - 0.5
        place, look = clamps.index(loss.text) - SPREAD * offset, looks[loss.row]
        if math.isfinite(loss.loss.value):
            style.estimate(axes, loss.loss, place, look.color, face=look.color, marker=look.marker)
        else:
            axes.annotate("no number", (0.98, place), xycoords=("axes fraction", "data"), ha="right", va="center")
    _scale(axes, losses)
    style.name_rows(axes, clamps)
    axes.axvline(0, color="#000000", linewidth=0.8)
    axes.set_xlabel(f"{task.score.name}: how much worse →", parse_math=False)
    style.tidy(axes)
    style.legend(figure, [style.handle(row, looks[row]) for row in rows])
    return figure


def _scale(axes: Axes, losses: Sequence[Loss]) -> None:
    """A logarithmic axis where the losses spread widely, but linear around 0, as some are negative."""
    sizes = [abs(loss.loss.value) for loss in losses if math.isfinite(loss.loss.value) and loss.loss.value != 0]
    if style.logarithmic(sizes):
        axes.set_xscale("symlog", linthresh=10 ** math.ceil(math.log10(max(min(sizes), max(sizes) / DECADES))))
