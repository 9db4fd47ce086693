"""The first figure of a report: every comparison with its interval."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from experiments.analysis import Estimate, Verdict
from experiments.report.figures import style
from experiments.report.findings import Finding, TaskFindings
from experiments.report.study import Study

COLUMNS = 3
COLOR = "#0072b2"
BAND = "#e3e6ea"


def forest(study: Study, findings: list[TaskFindings]) -> Figure:
    """Differences from the reference with 95 % intervals, a panel for each task; the scores if nothing is compared."""
    compared = any(task.comparisons for task in findings)
    columns = min(COLUMNS, len(findings))
    lines = math.ceil(len(findings) / columns)
    rows = [row for row in reversed(study.rows) if not compared or row in study.compared]
    title = f"Test score minus that of {study.opponent}: shift" if compared else "Test score: median"
    figure = style.figure(f"{title} and 95 % interval", 1.1 + lines * (1.0 + 0.26 * len(rows)))
    for number, task in enumerate(findings):
        axes = figure.add_subplot(lines, columns, number + 1)
        _panel(axes, task, rows, compared)
        if number % columns:
            axes.set_yticklabels([])
    if compared:
        margins = [Patch(color=BAND, label="margin")] if any(map(_margin, findings)) else []
        style.legend(figure, [_handle(True, "better, worse or equivalent"), _handle(False, "undecided"), *margins])
    return figure


def _handle(filled: bool, text: str) -> Line2D:
    return Line2D([], [], color=COLOR, marker="o", markerfacecolor=COLOR if filled else "#ffffff", label=text)


def _margin(task: TaskFindings) -> float | None:
    """The margin of a task in units of its score, if it has one."""
    margin = next((comparison.margin for _, comparison in task.comparisons), None)
    return None if margin is None or margin.is_share else margin.value


def _panel(axes: Axes, task: TaskFindings, rows: list[str], compared: bool) -> None:
    score = task.results.score
    for place, row in enumerate(rows):
        finding = task.finding(row)
        shown = _shown(finding, compared)
        if isinstance(shown, str):
            axes.annotate(shown, (0.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
        else:
            filled = not compared or task.verdict(row) is not Verdict.UNDECIDED
            style.estimate(axes, shown, place, COLOR, face=COLOR if filled else "#ffffff")
    style.name_rows(axes, rows)
    axes.set_title(
        style.wrapped(task.results.task, 28), loc="left", fontsize=style.FONT, fontweight="bold", parse_math=False
    )
    direction = ("← better" if score.better == "lower" else "better →") if compared else ""
    threshold = _threshold(task) if compared else None
    if threshold is None:
        axes.locator_params(axis="x", nbins=3)
        note = ""
    else:
        axes.set_xscale("symlog", linthresh=threshold)
        note = f"logarithmic beyond {threshold:g}"
    text = "\n".join(part for part in (score.name, note, direction) if part)
    axes.set_xlabel(style.wrapped(text, 26), parse_math=False)
    if compared:
        axes.axvline(0, color="#000000", linewidth=0.8)
        margin = _margin(task)
        if margin is not None:
            axes.axvspan(-margin, margin, color=BAND, linewidth=0, zorder=0)
    style.tidy(axes)


def _threshold(task: TaskFindings) -> float | None:
    """Up to where an axis is linear, if a linear one would hide most comparisons beside the largest; else None."""
    shifts = [comparison.test.difference for _, comparison in task.comparisons]
    ends = [[abs(end) for end in (shift.value, shift.low, shift.high) if math.isfinite(end)] for shift in shifts]
    reaches = [max(finite) for finite in ends if finite]
    usual = float(np.median(reaches)) if reaches else 0.0
    return 10.0 ** math.ceil(math.log10(usual)) if usual and style.logarithmic([usual, max(reaches)]) else None


def _shown(finding: Finding | None, compared: bool) -> Estimate | str:
    """What is drawn for a row, or why there is nothing."""
    if finding is None:
        return "no trials"
    if not finding.median.count:
        return "no score"
    if not compared:
        return finding.median if math.isfinite(finding.median.value) else "most diverged"
    if finding.comparison is None:
        return "no trials of the reference"
    if not finding.comparison.is_possible:
        return "no score to compare with"
    shift = finding.comparison.test.difference
    return shift if math.isfinite(shift.value) else "too many trials diverged"
