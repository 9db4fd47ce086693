"""Figures over all tasks: the diagram of critical differences, performance profiles, scores on one scale."""

import math

import numpy as np
from matplotlib.figure import Figure

from experiments.report.across import THRESHOLDS, Across, ScaledScores
from experiments.report.figures import style
from experiments.report.study import Study

STEP = 0.22  # inches between two names
LETTER = 0.075  # inches of a letter of a name
LEAST_LINE = 2.5  # inches of the line of ranks


def ranks(across: Across) -> Figure:
    """Mean ranks on a line; bars join rows that are not shown to differ (Demsar 2006)."""
    order = np.argsort(across.ranks, kind="stable")
    half = math.ceil(len(order) / 2)
    lines = half + 1.2 + 0.6 * len(across.groups)
    figure = style.figure(f"Mean rank over {len(across.tasks)} tasks, 1 the best", 1.2 + STEP * lines)
    axes = figure.add_subplot()
    low, high = 1, len(order)
    bars = 0.6 * (len(across.groups) + 1)
    longest = max(len(style.short(row)) for row in across.rows)
    margin = min(LETTER * (longest + 6), (style.WIDTH - LEAST_LINE) / 2)
    margin *= (high - low) / (style.WIDTH - 2 * margin)  # from inches to ranks
    axes.set(xlim=(low - margin, high + margin), ylim=(-bars - half - 0.5, 1.6))
    axes.plot([low, high], [0, 0], color="#000000", linewidth=1)
    for rank in range(low, high + 1):
        axes.plot([rank, rank], [0, 0.3], color="#000000", linewidth=1)
        axes.annotate(str(rank), (rank, 0.45), ha="center", fontsize=style.FONT - 0.5)
    for number, group in enumerate(across.groups):
        ends = across.ranks[list(group)]
        place = -0.6 * (number + 1)
        axes.plot([ends.min() - 0.04, ends.max() + 0.04], [place, place], color="#0072b2", linewidth=4)
    for number, row in enumerate(order):
        left = number < half
        place = -bars - (number if left else len(order) - 1 - number) - 0.5
        end = low - 0.15 if left else high + 0.15
        rank = across.ranks[row]
        axes.plot([rank, rank, end], [0, place, place], color="#4b5563", linewidth=0.9)
        name = style.short(across.rows[row])
        text, side = (f"{name} {rank:.2f} ", "right") if left else (f" {rank:.2f} {name}", "left")
        axes.annotate(text, (end, place), ha=side, va="center", fontsize=style.FONT - 0.5, parse_math=False)
    axes.plot([low, low + across.critical], [1.3, 1.3], color="#000000", linewidth=2)
    text = (
        f"line above the ranks: critical difference {across.critical:.2f}; thick bars join what is not shown to differ"
    )
    figure.supxlabel(text, x=0.01, ha="left", fontsize=style.FONT)
    axes.set_axis_off()
    return figure


def scaled(study: Study, across: Across, scores: ScaledScores) -> Figure:
    """Left the interquartile mean of each row with its interval, right the share of runs above each score."""
    title = f"Scores with 0 for the trivial baseline, 1 for the mean of {study.reference}; {len(scores.tasks)} tasks"
    figure = style.figure(title, 1.9 + 0.28 * max(len(across.rows), 6))
    left, right = figure.subplots(1, 2)
    looks = style.looks(study.rows)
    rows = list(reversed(range(len(across.rows))))
    for place, row in enumerate(rows):
        estimate, look = scores.aggregate[row], looks[across.rows[row]]
        if math.isfinite(estimate.low):
            left.plot([estimate.low, estimate.high], [place, place], color=look.color, linewidth=1.8)
        left.plot([estimate.value], [place], look.marker, color=look.color, markersize=6)
        profile = scores.profiles[row]
        every = 10 + 3 * place, 30
        right.plot(THRESHOLDS, profile.value, **look.style, linewidth=1.6, markersize=4, markevery=every)
        decided = (profile.value == 0) | (profile.value == 1)  # bands of all rows lie upon each other there
        right.fill_between(
            THRESHOLDS, profile.low, profile.high, where=~decided, color=look.color, alpha=0.08, linewidth=0
        )
    style.name_rows(left, [across.rows[row] for row in rows])
    left.set_xlabel("interquartile mean and 95 % interval\n(higher is better)")
    left.axvline(1, color="#000000", linewidth=0.8)
    right.set(xlabel="score on that scale", ylabel="share of runs above it", ylim=(-0.02, 1.02))
    for axes in (left, right):
        style.tidy(axes)
    style.legend(figure, [style.handle(row, looks[row]) for row in across.rows])
    return figure
