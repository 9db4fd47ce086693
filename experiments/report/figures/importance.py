"""The settings of a random search: which of them matters, how the score depends on it, how two interact."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from experiments.analysis.importance import Forest, Importance
from experiments.report.figures import style

Bar = tuple[float, float, float]  # mean, low, high

ACROSS = 4  # panels of bars in a row
MOST_LINES = 4  # variants in a figure of curves: more lines cannot be told apart
MOST_PAIRS = 2
LOG_SETTING = 10  # a setting whose values differ by less is on a linear axis
GROUPS = 6  # rows and columns of a heat map: numbers fit in its cells
GAP = 0.09  # between two labels of lines, as a share of the height


def figures(title: str, forests: Mapping[str, Forest], score: str) -> dict[str, Figure]:
    """All figures of a search on one task, by a name that suits a file; none if there are no forests.

    Args:
        title: What the search is called, such as its task.
        forests: By variant.
        score: Name of the score on an axis, such as "mean squared error (lower is better)".
    """
    if not forests:
        return {}
    drawn = {"importance": shares(title, forests, score)}
    names = list(forests)
    parts = [names[start : start + MOST_LINES] for start in range(0, len(names), MOST_LINES)]
    for number, part in enumerate(parts, 1):
        which = f" ({number} of {len(parts)})" if len(parts) > 1 else ""
        name = f"marginals-{number}" if len(parts) > 1 else "marginals"
        drawn[name] = marginals(f"{title}{which}", {variant: forests[variant] for variant in part}, score)
    with_pairs = {name: forest for name, forest in forests.items() if forest.importance.pairs}
    if with_pairs:
        name = max(with_pairs, key=lambda variant: with_pairs[variant].importance.pairs[0].mean)
        drawn["interaction"] = interaction(f"{title}, {name}", with_pairs[name], score)
    return drawn


def shares(title: str, forests: Mapping[str, Forest], score: str) -> Figure:
    """Bars: the share of the variance that each setting explains alone, the largest pairs, and all else."""
    by_variant = {name: forest.importance for name, forest in forests.items()}
    parts = _largest(by_variant)
    bars = {_name(part): [_bar(importance, part) for importance in by_variant.values()] for part in parts}
    if sum(len(part) == 1 for part in parts) > 2:  # else the settings and their pair are everything
        bars["all else"] = [(importance.rest(parts), math.nan, math.nan) for importance in by_variant.values()]
    rows = math.ceil(len(bars) / ACROSS)
    log = "log10 of the " if any(forest.log for forest in forests.values()) else ""
    figure = style.figure(f"{title}: share of the variance of the score that each setting explains", 0)
    figure.set_figheight(1.1 + rows * (0.75 + 0.32 * len(by_variant)))
    panels = figure.subplots(rows, min(ACROSS, len(bars)), sharex=True, sharey=True, squeeze=False)
    for axes, (name, values) in zip(panels.flat, bars.items(), strict=False):
        _bars(axes, name, list(by_variant), values)
    for axes in panels.flat[len(bars) :]:
        axes.set_axis_off()
    lines = "lines: 95 % of the trees of the forest; noise of the scores adds to every share"
    _note(figure, f"share of the variance of {log}{score}\n{lines}", forests)
    return figure


def _note(figure: Figure, text: str, forests: Mapping[str, Forest]) -> None:
    diverged = {name: forest for name, forest in forests.items() if forest.diverged}
    worst = [f"{name} {forest.diverged} of {len(forest.scores)}" for name, forest in diverged.items()]
    lines = [text, f"diverged draws, which count as the worst score: {', '.join(worst)}"] if worst else [text]
    figure.supxlabel("\n".join(lines), fontsize=style.FONT, wrap=True)


def _largest(by_variant: Mapping[str, Importance]) -> list[tuple[str, ...]]:
    """All settings and the largest pairs, by their mean share over the variants."""
    total: dict[tuple[str, ...], float] = {}
    for importance in by_variant.values():
        for share in [*importance.main, *importance.pairs]:
            total[share.settings] = total.get(share.settings, 0) + share.mean
    ordered = sorted(total, key=lambda part: -total[part])
    pairs = [part for part in ordered if len(part) == 2][:MOST_PAIRS]
    return [part for part in ordered if len(part) == 1] + pairs


def _bar(importance: Importance, part: tuple[str, ...]) -> Bar:
    for share in [*importance.main, *importance.pairs]:
        if share.settings == part:
            return share.mean, share.low, share.high
    return math.nan, math.nan, math.nan


def _bars(axes: Axes, name: str, variants: Sequence[str], values: Sequence[Bar]) -> None:
    looks = style.looks(variants)
    for place, (variant, (mean, low, high)) in enumerate(zip(variants, values, strict=True)):
        if math.isnan(mean):
            axes.annotate("not varied", (0.03, place), va="center", fontsize=style.FONT - 0.5)
            continue
        axes.barh(place, mean, height=0.62, color=looks[variant].color, alpha=0.45)
        axes.plot([low, high], [place, place], color="#000000", linewidth=1.4, solid_capstyle="butt")
        end = mean if math.isnan(high) else max(mean, high)
        axes.annotate(f" {100 * mean:.0f} %", (end + 0.02, place), va="center", fontsize=style.FONT - 0.5)
    axes.set(xlim=(0, 1.4), ylim=(len(variants) - 0.4, -0.6))
    axes.set_title(name, fontsize=style.FONT)
    axes.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axes.set_yticks(range(len(variants)), variants)
    style.tidy(axes)


def marginals(title: str, forests: Mapping[str, Forest], score: str) -> Figure:
    """A panel for each setting: predicted score by its value, all other settings averaged out; points are the draws."""
    settings = list(dict.fromkeys(name for forest in forests.values() for name in forest.settings))
    rows = math.ceil(len(settings) / 2)
    figure = style.figure(f"{title}: predicted score by setting, averaged over the others", 0.5 + 2.9 * rows)
    panels = figure.subplots(rows, min(2, len(settings)), sharey=True, squeeze=False)
    looks = style.looks(list(forests))
    for axes, setting in zip(panels.flat, settings, strict=False):
        _panel(axes, setting, {name: forest for name, forest in forests.items() if setting in forest.settings}, looks)
    for axes in panels.flat[len(settings) :]:
        axes.set_axis_off()
    figure.supylabel(score, fontsize=style.FONT)
    _note(figure, "lines: mean of the trees; bands: standard deviation of the trees; points: draws", forests)
    return figure


def _panel(axes: Axes, setting: str, forests: Mapping[str, Forest], looks: Mapping[str, style.Look]) -> None:
    curves = {name: forest.marginal(setting) for name, forest in forests.items()}
    place = _axis(axes, [marginal.values for marginal in curves.values()])
    if any(forest.log for forest in forests.values()):
        axes.set_yscale("log")
    for number, (name, marginal) in enumerate(curves.items()):
        look, places = looks[name], place(marginal.values)
        drawn = place(forests[name].drawn(setting))
        (points,) = axes.plot(drawn, forests[name].scores, look.marker, color=look.color, markersize=3.5, alpha=0.3)
        if len(places) <= GROUPS:  # else the points of all variants would be on top of each other
            points.set_transform(points.get_transform() + _shift(axes, 5 * (number - (len(curves) - 1) / 2)))
        every = max(1, len(places) // 6)
        first = number * every // 3 % every
        axes.plot(places, marginal.mean, **look.style, linewidth=1.8, markersize=5, markevery=(first, every))
        axes.fill_between(places, marginal.low, marginal.high, color=look.color, alpha=0.1, linewidth=0)
    axes.set_xlabel(_short(setting))
    style.tidy(axes)
    _label_ends(axes, {name: float(marginal.mean[-1]) for name, marginal in curves.items()}, looks)


def _axis(axes: Axes, values: Sequence[np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Scale and label the axis of a setting for the values of all variants; says where on it values are."""
    if any(column.dtype.kind != "f" for column in values):
        names = sorted({str(value) for column in values for value in column})
        axes.set_xticks(range(len(names)), names, rotation=30 if len("".join(names)) > 30 else 0)
        axes.margins(x=0.15)
        return lambda drawn: np.array([names.index(str(value)) for value in drawn])
    every = np.unique(np.concatenate(values))
    if _log_uniform(every):
        axes.set_xscale("log")
    if len(every) <= GROUPS:
        axes.set_xticks(every, [f"{value:g}" for value in every])
        axes.minorticks_off()
        axes.margins(x=0.15)
    return lambda drawn: drawn


def _log_uniform(values: np.ndarray) -> bool:
    """Whether the median is nearer to the geometric than to the arithmetic mean of smallest and largest value."""
    low, high, median = values.min(), values.max(), np.median(values)
    if low <= 0 or high < LOG_SETTING * low:
        return False
    return bool(abs(np.log(median / np.sqrt(low * high))) < abs(np.log(median / ((low + high) / 2))))


def _shift(axes: Axes, points: float) -> ScaledTranslation:
    return ScaledTranslation(points / 72, 0, axes.figure.dpi_scale_trans)


def _label_ends(axes: Axes, ends: Mapping[str, float], looks: Mapping[str, style.Look]) -> None:
    """The name of each line right of where it ends, moved up where the names would overlap."""
    to_axes = axes.transScale + axes.transLimits
    right = axes.get_xlim()[1]
    below = -math.inf
    for name, value in sorted(ends.items(), key=lambda item: item[1]):
        below = max(to_axes.transform((right, value))[1], below + GAP)
        axes.annotate(
            name, (1.02, below), xycoords="axes fraction", va="center", color=looks[name].color,
            fontsize=style.FONT - 0.5,
        )  # fmt: skip


def interaction(title: str, forest: Forest, score: str) -> Figure:
    """Heat maps of the pair that explains most together: the predicted score, and what neither setting explains alone.

    As figure 5 of the "Search Space Odyssey"; values of a setting are in at most 6 groups of the same size.
    """
    first, second = forest.importance.pairs[0].settings
    together = forest.interaction(first, second)
    kind = "log10 of the " if forest.log else ""
    figure = style.figure(f"{title}: {_short(first)} and {_short(second)} together", 4.1)
    panels = figure.subplots(1, 2, sharey=True)
    rows, columns = _groups(together.rows), _groups(together.columns)
    bound = float(np.abs(_means(together.alone, rows, columns)).max()) or 1.0
    panels[0].set_title("predicted score")
    panels[1].set_title("what neither explains alone")
    _heat(panels[0], _means(together.total, rows, columns), "{:.2g}", {"cmap": "cividis"}, f"{kind}{score}")
    limits = {"cmap": "PuOr_r", "vmin": -bound, "vmax": bound}
    _heat(
        panels[1],
        _means(together.alone, rows, columns),
        "{:+.2f}" if forest.log else "{:+.2g}",
        limits,
        f"difference in {kind}score",
    )
    for axes in panels:
        names = [_range(together.columns[group]) for group in columns]
        turned = {"rotation": 45, "ha": "right"} if len("".join(names)) > 30 else {}
        axes.set_xticks(range(len(columns)), names, **turned)
        axes.set_yticks(range(len(rows)), [_range(together.rows[group]) for group in rows])
        axes.set_xlabel(_short(second))
        axes.tick_params(labelsize=style.FONT - 0.5, length=0)
        axes.title.set_fontsize(style.FONT)
    panels[0].set_ylabel(_short(first))
    return figure


def _heat(axes: Axes, values: np.ndarray, form: str, options: dict[str, object], label: str) -> None:
    image = axes.imshow(values, origin="lower", aspect="auto", **options)
    for (row, column), value in np.ndenumerate(values):
        red, green, blue, _ = image.cmap(image.norm(value))
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
        axes.annotate(
            form.format(value), (column, row), ha="center", va="center", fontsize=style.FONT - 0.5,
            color="#ffffff" if dark else "#000000",
        )  # fmt: skip
    bar = axes.figure.colorbar(image, ax=axes, location="bottom", aspect=30)
    bar.set_label(label, fontsize=style.FONT)
    bar.ax.tick_params(labelsize=style.FONT - 0.5)


def _groups(values: np.ndarray) -> list[np.ndarray]:
    return np.array_split(np.arange(len(values)), min(GROUPS, len(values)))


def _means(grid: np.ndarray, rows: Sequence[np.ndarray], columns: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([[grid[np.ix_(row, column)].mean() for column in columns] for row in rows])


def _range(values: np.ndarray) -> str:
    ends = [f"{value:.2g}" if values.dtype.kind == "f" else str(value) for value in (values[0], values[-1])]
    return ends[0] if len(values) == 1 else " to ".join(ends)


def _short(setting: str) -> str:
    return setting.split(".")[-1].replace("_", " ")


def _name(part: tuple[str, ...]) -> str:
    return "\nwith ".join(map(_short, part))
