"""Draw one step of a cell for docs/variants.md: `python docs/images/draw_cells.py` writes cell-*.svg beside itself.

Gates are round boxes, activations square ones, sums and products circles. What differs from the standard cell has a
thick outline, a gate without weights a dashed one.
"""

from dataclasses import dataclass, field
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch

FOLDER = Path(__file__).parent
INK, GREY = "#1c2733", "#6b7683"
FILLS = {"gate": "#e3edf9", "activation": "#fdf0dc", "sum": "#eceff2", "open": "#ffffff"}
ROW, STATE, INPUTS = 2.35, 5.2, 0.25  # heights: blocks, cell state, what comes in
COLUMNS = {"forget": 2.1, "input": 4.1, "candidate": 6.1, "output": 8.6}
WRITE = 5.1  # where the cell state is written
TITLES = {"forget": "forget gate", "input": "input gate", "candidate": "candidate", "output": "output gate"}
STANDARD = {"forget": "f = sigmoid", "input": "i = sigmoid", "candidate": "z = tanh", "output": "o = sigmoid"}
Point = tuple[float, float]


@dataclass
class Cell:
    """A drawing: the second line of each block, and what differs from the standard cell."""

    name: str
    blocks: dict[str, str] = field(default_factory=dict)
    output: str = "tanh"
    changed: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    peepholes: bool = False
    coupled: bool = False
    common: tuple[str, str, str] | None = None  # first and last block that share a sum, and the sum
    seen: str = "x, h"  # by gates and candidate


CELLS = (
    Cell("standard"),
    Cell("peephole", changed=("forget", "input", "output"), peepholes=True),
    Cell("no_recurrence", seen="x"),
    Cell("coupled", coupled=True),
    Cell("no_gate", {"input": "i = 1"}, open=("input",)),
    Cell(
        "swapped",
        {"forget": "f = tanh", "input": "i = tanh", "candidate": "z = sigmoid", "output": "o = tanh"},
        "sigmoid",
        ("forget", "input", "candidate", "output", "activation"),
    ),
    Cell("shared_kernel", common=("forget", "output", "one sum for all:  x W + h U,  then a bias for each")),
    Cell(
        "tied_input_gate",
        {"input": "i = sigmoid(a)", "candidate": "z = tanh(a)"},
        changed=("input",),
        common=("input", "candidate", r"$a = x\,W_z + h\,U_z + b_z$"),
    ),
    Cell(
        "janet",
        {"forget": "f = sigmoid(a)", "input": "i = 1 -\nsigmoid(a - 1)", "output": ""},
        "",
        ("input",),
        common=("forget", "input", r"$a = x\,W_f + h\,U_f + b_f$"),
    ),
)


def draw(cell: Cell) -> None:
    """Write the drawing of a cell as cell-NAME.svg."""
    figure, axes = pyplot.subplots(figsize=(7.7, 4.05))
    axes.set(xlim=(-0.1, 10.9), ylim=(-0.1, 5.7), aspect="equal")
    axes.axis("off")
    figure.subplots_adjust(0, 0, 1, 1)
    blocks = {name: text for name, text in {**STANDARD, **cell.blocks}.items() if text}
    _states(axes, cell)
    _inputs(axes, cell, blocks)
    for name, text in blocks.items():
        if not (cell.coupled and name == "forget"):
            kind = "open" if name in cell.open else "activation" if name == "candidate" else "gate"
            place = (COLUMNS[name], ROW)
            _box(axes, place, f"{TITLES[name]}\n{text}", kind, 1.75, 0.95, name in cell.changed)
    if cell.peepholes:
        _peepholes(axes)
    if cell.coupled:
        _line(axes, [(COLUMNS["input"], 3.3), (COLUMNS["forget"], 3.3), (COLUMNS["forget"], 3.55)], arrow=True)
        axes.plot(COLUMNS["input"], 3.3, "o", color=INK, markersize=4)
        _box(axes, (COLUMNS["forget"], 3.95), "f = 1 - i", "gate", 1.3, 0.7, True)
    figure.savefig(FOLDER / f"cell-{cell.name}.svg", metadata={"Date": None, "Creator": None}, facecolor="white")
    pyplot.close(figure)


def _states(axes: Axes, cell: Cell) -> None:
    """From c along the top to c', with what is forgotten and written, and down to h'."""
    out, forget = COLUMNS["output"], COLUMNS["forget"]
    _line(axes, [(0.45, STATE), (forget - 0.28, STATE)], arrow=True)
    _line(axes, [(forget + 0.28, STATE), (WRITE - 0.28, STATE)], arrow=True)
    _line(axes, [(WRITE + 0.28, STATE), (10.35, STATE)], arrow=True)
    _line(axes, [(forget, 4.3 if cell.coupled else ROW + 0.48), (forget, STATE - 0.28)], arrow=True)
    for name, side in (("input", -0.28), ("candidate", 0.28)):
        column = COLUMNS[name]
        _line(axes, [(column, ROW + 0.48), (column, 3.8), (WRITE + side, 3.8)], arrow=True)
    _line(axes, [(WRITE, 4.08), (WRITE, STATE - 0.28)], arrow=True)
    _circle(axes, (forget, STATE), "×")
    _circle(axes, (WRITE, STATE), "+")
    _circle(axes, (WRITE, 3.8), "×")
    axes.plot(out, STATE, "o", color=INK, markersize=4)
    if cell.output:
        _line(axes, [(out, STATE), (out, 4.75)], arrow=True)
        _box(axes, (out, 4.45), cell.output, "activation", 1.2, 0.55, "activation" in cell.changed)
        _line(axes, [(out, 4.17), (out, 3.83)], arrow=True)
        _line(axes, [(out, ROW + 0.48), (out, 3.27)], arrow=True)
        _circle(axes, (out, 3.55), "×")
        _line(axes, [(out + 0.28, 3.55), (10.35, 3.55)], arrow=True)
    else:
        _line(axes, [(out, STATE), (out, 3.55), (10.35, 3.55)], arrow=True)
    for place, text in {(0.2, STATE): "c", (10.6, STATE): "c'", (10.6, 3.55): "h'"}.items():
        axes.text(*place, text, ha="center", va="center", fontsize=14, color=INK)


def _inputs(axes: Axes, cell: Cell, blocks: dict[str, str]) -> None:
    """From x and h along the bottom to the blocks, or to a sum that several blocks share."""
    learned = [name for name in blocks if name not in cell.open and not (cell.coupled and name == "forget")]
    axes.text(0.35, INPUTS, cell.seen, ha="center", va="center", fontsize=14, color=INK)
    tops = [COLUMNS[name] for name in learned]
    if cell.common:
        first, last, text = cell.common
        left, right = COLUMNS[first], COLUMNS[last]
        shared = [place for place in tops if left <= place <= right]
        middle = (left + right) / 2
        for place in shared:
            _line(axes, [(place, 1.36), (place, ROW - 0.48)], arrow=True)
        _box(axes, (middle, 1.08), text, "sum", right - left + 1.75, 0.55, True)
        tops = [place for place in tops if place not in shared]
        _line(axes, [(middle, INPUTS), (middle, 0.8)], arrow=True)
    else:
        middle = 0.0
    for place in tops:
        _line(axes, [(place, INPUTS), (place, ROW - 0.48)], arrow=True)
    _line(axes, [(0.85, INPUTS), (max([middle, *tops]), INPUTS)])


def _peepholes(axes: Axes) -> None:
    """From c to the input and forget gate, and from c' to the output gate."""
    _line(axes, [(0.85, STATE), (0.85, 1.1), (COLUMNS["input"] - 0.55, 1.1)], dashed=True)
    for name, weight in (("forget", "$p_f$"), ("input", "$p_i$")):
        column = COLUMNS[name] - 0.55
        _line(axes, [(column, 1.1), (column, ROW - 0.48)], arrow=True, dashed=True)
        axes.text(column - 0.12, 1.47, weight, ha="right", va="center", fontsize=12, color=INK)
    _line(axes, [(7.35, STATE), (7.35, ROW), (COLUMNS["output"] - 0.88, ROW)], arrow=True, dashed=True)
    axes.text(7.5, 3.2, "$p_o$", ha="left", va="center", fontsize=12, color=INK)
    for place in (0.85, 7.35):
        axes.plot(place, STATE, "o", color=INK, markersize=4)


def _box(axes: Axes, centre: Point, text: str, kind: str, width: float, height: float, thick: bool) -> None:
    corner = (centre[0] - width / 2, centre[1] - height / 2)
    style = "round,pad=0,rounding_size=0.25" if kind in ("gate", "open") else "square,pad=0"
    dashed = kind == "open"
    edge, line = (GREY, (0, (4, 3))) if dashed else (INK, "-")
    patch = FancyBboxPatch(corner, width, height, style, facecolor=FILLS[kind], edgecolor=edge, linestyle=line)
    patch.set(linewidth=2.8 if thick else 1.2, zorder=3)
    axes.add_patch(patch)
    axes.text(*centre, text, ha="center", va="center", fontsize=10.5, color=INK, zorder=4, linespacing=1.25)


def _circle(axes: Axes, centre: Point, text: str) -> None:
    axes.add_patch(Circle(centre, 0.28, facecolor="white", edgecolor=INK, linewidth=1.2, zorder=3))
    axes.text(*centre, text, ha="center", va="center", fontsize=13, color=INK, zorder=4)


def _line(axes: Axes, points: list[Point], arrow: bool = False, dashed: bool = False) -> None:
    style = {"color": INK, "linewidth": 1.3, "linestyle": (0, (4, 2)) if dashed else "-", "zorder": 1}
    axes.plot(*zip(*points, strict=True), **style)
    if arrow:
        head = {"arrowstyle": "-|>", "color": INK, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 11}
        (x, y), (before_x, before_y) = points[-1], points[-2]
        length = max(abs(x - before_x), abs(y - before_y))
        start = (x - 0.01 * (x - before_x) / length, y - 0.01 * (y - before_y) / length)
        axes.annotate("", (x, y), start, arrowprops=head, zorder=2)


if __name__ == "__main__":
    pyplot.rcParams.update({"svg.hashsalt": "gatelab", "svg.fonttype": "path", "font.family": "DejaVu Sans"})
    for cell in CELLS:
        draw(cell)
