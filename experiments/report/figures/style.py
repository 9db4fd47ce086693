"""What all figures share: sizes, colours, markers, scales."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.analysis import Estimate
from experiments.report.task_results import Score

# Okabe and Ito's colours, which the colour-blind tell apart (without yellow, which is hard to see on white).
COLORS = ("#000000", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
MARKERS = "osD^vPX<>*ph"
LINES: tuple[object, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)), (0, (9, 2)))
WIDTH = 7.6  # inches, which a page shows at 1x
FONT = 9.5
LONGEST = 36  # characters of a name
CHARACTER, HANDLE, LINE = 0.078, 0.55, 0.19  # inches in a legend: a character, what is before a name, a line
DECADES = 1.5  # a positive score that spans more is drawn on a logarithmic axis


@dataclass(frozen=True)
class Look:
    """How one row is drawn in all figures."""

    color: str
    marker: str
    line: object

    @property
    def style(self) -> dict[str, Any]:
        """Arguments of a line of matplotlib."""
        return {"color": self.color, "marker": self.marker, "linestyle": self.line}


def looks(rows: Sequence[str]) -> dict[str, Look]:
    """A look for each row: colours repeat after 7 rows, markers after 12, line styles after 5."""
    repeated = zip(cycle(COLORS), cycle(MARKERS), cycle(LINES), strict=False)
    return dict(zip(rows, (Look(*parts) for parts in islice(repeated, len(rows))), strict=True))


def figure(title: str, height: float, width: float = WIDTH) -> Figure:
    """An empty figure with a title that says what it shows."""
    empty = Figure(figsize=(width, height), layout="constrained")
    empty.suptitle(title, x=0.01, ha="left", fontsize=FONT + 1.5, fontweight="bold", parse_math=False, wrap=True)
    return empty


def tidy(axes: Axes) -> None:
    """No frame, light grid, readable text."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e3e5e8", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=FONT - 0.5)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set_fontsize(FONT)


def label(score: Score) -> str:
    """The axis of a score."""
    return f"{score.name} ({score.better} is better)"


def logarithmic(values: Iterable[float]) -> bool:
    """Whether positive values span so much that a linear axis would hide most of them."""
    finite = np.array([value for value in values if math.isfinite(value)])
    return bool(len(finite)) and bool((finite > 0).all()) and math.log10(finite.max() / finite.min()) > DECADES


def wrapped(text: str, width: int) -> str:
    """A text in lines of so many characters: labels of neighbouring panels must not meet."""
    return "\n".join(textwrap.fill(line, width) for line in text.splitlines())


def scale(axes: Axes, which: str, values: Iterable[float]) -> None:
    """A logarithmic axis where the values ask for it."""
    if logarithmic(values):
        axes.set(**{f"{which}scale": "log"})


def short(name: str) -> str:
    """A name without the middle of it, if it is too long for a figure: what rows have apart stands at the ends."""
    half = LONGEST // 2
    return name if len(name) <= LONGEST else f"{name[: half - 1]}…{name[-half:]}"


def name_rows(axes: Axes, rows: Sequence[str]) -> None:
    """A row of the figure for each name, the first at the bottom."""
    axes.set_yticks(range(len(rows)), [short(row) for row in rows], parse_math=False)
    axes.set_ylim(-0.6, len(rows) - 0.4)


def estimate(axes: Axes, value: Estimate, place: float, color: str, face: str, marker: str = "o") -> None:
    """A finite value as a marker at a height, with the interval around it as a line, an arrow if it has one end."""
    low, high = value.low, value.high
    if math.isfinite(low) and math.isfinite(high):
        axes.plot([low, high], [place, place], color=color, linewidth=1.8, solid_capstyle="butt")
    elif math.isfinite(low) or math.isfinite(high):
        end, head = (low, ">") if math.isfinite(low) else (high, "<")
        axes.plot([end, value.value], [place, place], color=color, linewidth=1.8, marker=head, markevery=[1])
    axes.plot([value.value], [place], marker, color=color, markerfacecolor=face, markersize=6.5)


def handle(row: str, look: Look, size: float = 4.5, **changes: Any) -> Line2D:
    """How a row looks, for a legend."""
    return Line2D([], [], **(look.style | changes), markersize=size, label=row)


def legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """A legend below everything else, for which the figure grows; in as many columns as its names leave room for."""
    names = [short(str(handle.get_label())) for handle in handles]
    columns = int(WIDTH / (HANDLE + CHARACTER * max(map(len, names), default=1)))
    columns = max(1, min(columns, 4))
    numbers = [str(number) for number in range(len(names))]  # matplotlib leaves out names that begin with _
    drawn = figure.legend(handles, numbers, loc="outside lower left", ncols=columns, fontsize=FONT - 0.5, frameon=False)
    for text, name in zip(drawn.get_texts(), names, strict=True):
        text.set(parse_math=False, text=name)
    figure.set_figheight(figure.get_figheight() + LINE * math.ceil(len(names) / columns))
