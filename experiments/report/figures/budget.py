"""The validation score that a search can be expected to find, by its number of draws."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from experiments.report.figures import style
from experiments.report.tuning import Tuning, is_halved


def budget(task: str, rows: Sequence[str], found: Sequence[Tuning], better: str) -> Figure:
    """Expected best validation score of n random draws by row, and the band of 80 % of such searches."""
    halved = ", each as far as it was trained" * is_halved(found)
    title = f"{task}: best validation score that n draws can be expected to find{halved}, and its 80 % band"
    figure = style.figure(title, 3.5)
    axes = figure.subplots()
    looks = style.looks(rows)
    drawn = [tuning for tuning in found if np.isfinite(tuning.budget.expected).any()]
    for tuning in drawn:
        counts, look = np.arange(1, len(tuning.budget.expected) + 1), looks[tuning.row]
        axes.fill_between(counts, tuning.budget.low, tuning.budget.high, color=look.color, alpha=0.12, linewidth=0)
        axes.plot(counts, tuning.budget.expected, **{**look.style, "marker": ""}, linewidth=1.6)
    axes.set_xlabel("draws")
    axes.set_ylabel(f"validation score\n({better} is better)")
    axes.xaxis.get_major_locator().set_params(integer=True)
    style.scale(axes, "y", np.concatenate([[*tuning.budget.low, *tuning.budget.high] for tuning in drawn]))
    style.tidy(axes)
    style.legend(figure, [style.handle(tuning.row, looks[tuning.row], marker="") for tuning in drawn])
    return figure
