"""A figure of a few training sequences, whatever the task: lines, piano rolls or rows of symbols."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.errors import UserError
from experiments.tasks import Split, Stream, Task

INPUT_COLORS = ("#1f5fbf", "#2c9c5a", "#7d4fc3", "#16a0b5", "#8a8f98", "#b04a8f", "#5b7a2a", "#44506b")
TARGET_COLOR = "#e8710a"
IGNORED_COLOR = "#c9ccd1"
LINES_AT_MOST = len(INPUT_COLORS)  # more features are drawn as a picture
EXAMPLES = 4
ROW = 132  # characters
ROWS = 3
NAMES = {" ": "␣", "\n": "⏎", "\t": "⇥"}


@dataclass(frozen=True)
class Example:
    """One sequence: a row of a `Split`, or of a `Stream` the tokens between two updates.

    Attributes:
        number: Its place in the training part, from 1.
        inputs: `(time, features)`, or tokens `(time,)`.
        targets: `(...)` of the last step, or `(time, ...)` of every step.
        counted: `(time,)`, whether the target of a step counts.
        length: Steps until the sequence ends.
    """

    number: int
    inputs: np.ndarray
    targets: np.ndarray
    counted: np.ndarray
    length: int


def draw(task: Task, settings: Any) -> Figure:
    """Training sequences from the first to the last one, evenly spaced.

    Args:
        task: Any task.
        settings: Those that it was built with. If they have a `horizon`, the targets are future values, and if they
            name no `inputs`, of the series that are shown.
    """
    examples = list(_examples(task.train))
    horizon = getattr(settings, "horizon", 0)
    tokens = task.vocabulary is not None
    line = 0.45 if task.per_step else 0.25
    heights = [0.4 + line * len(_rows(task, example)) if tokens else 1.7 for example in examples]
    figure = Figure(figsize=(11, sum(heights) + 1.1), layout="constrained")
    figure.suptitle(task.title, x=0.01, ha="left", fontsize=13, parse_math=False)
    steps = max(example.length for example in examples)
    roll = not tokens and examples[0].inputs.shape[1] > LINES_AT_MOST
    target_roll = roll and task.per_step and examples[0].targets.shape == examples[0].inputs.shape
    grid = figure.subplots(len(examples), 1 + target_roll, squeeze=False, height_ratios=heights)
    for axes, example in zip(grid, examples, strict=True):
        axes[0].set_title(_heading(task, example, horizon), loc="left", fontsize=9, parse_math=False)
        if tokens:
            _draw_symbols(axes[0], task, example)
        elif roll:
            _draw_rolls(axes, task, example, steps)
        else:
            _draw_lines(axes[0], task, example, steps)
            if horizon:
                _draw_future(axes[0], example, steps, horizon, getattr(settings, "inputs", None) is None)
    figure.supxlabel(_key(task, examples, roll, horizon), fontsize=9)
    return figure


def save(figure: Figure, file: Path) -> None:
    """Write a picture, in the format that the name ends with.

    Raises:
        UserError: if the file cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # characters that the font does not have become boxes
            figure.savefig(file, dpi=120)
    except OSError as error:
        raise UserError(f"out={file}: cannot be written ({error.strerror})") from error


def _examples(part: Split | Stream) -> Iterator[Example]:
    for k in np.unique(np.linspace(0, len(part) - 1, EXAMPLES).astype(int)):
        if isinstance(part, Stream):
            piece = part.tokens[k * part.length : (k + 1) * part.length + 1]
            yield Example(k + 1, piece[:-1], piece[1:], np.ones(part.length, bool), part.length)
        else:
            counted = np.ones(part.inputs.shape[1], bool) if part.mask is None else part.mask[k]
            length = int(np.flatnonzero(counted)[-1]) + 1
            if part.weights is not None:
                counted = counted & (part.weights[k] > 0)
            yield Example(k + 1, part.inputs[k], part.targets[k], counted, length)


def _heading(task: Task, example: Example, horizon: int) -> str:
    what = f"training sequence {example.number:,}"
    if task.per_step or horizon:
        return what
    if task.loss.startswith("sparse"):
        return f"{what}, target: {_label(task, example.targets)}"
    return f"{what}, target: {', '.join(f'{value:.4g}' for value in np.atleast_1d(example.targets)[:8])}"


def _key(task: Task, examples: list[Example], roll: bool, horizon: int) -> str:
    """What each colour in the figure means."""
    tokens = task.vocabulary is not None
    several = not tokens and not roll and examples[0].inputs.shape[1] > 1
    lines = {
        "step": not tokens,
        "blue: input": not several,
        "orange: target": not horizon and task.per_step,
        "on orange: target": horizon > 0,
        "grey: does not count": not all(e.counted[: e.length if tokens else None].all() for e in examples),
    }
    return "        ".join(text for text, occurs in lines.items() if occurs)


def _label(task: Task, target: Any) -> str:
    """What a target says: a class, the set of outputs that are on, or a number."""
    if not task.loss.startswith(("sparse", "binary")):
        return f"{float(np.ravel(target)[0]):.3g}"
    outputs = [int(target)] if np.ndim(target) == 0 else np.flatnonzero(target)
    names = [_name(task.labels, output) for output in outputs]
    return ("" if all(len(name) == 1 for name in names) else " ").join(names)


def _name(names: tuple[str, ...], number: int) -> str:
    name = names[number] if number < len(names) else str(number)
    return "".join(NAMES.get(character, character) for character in name)


Cell = tuple[float, int, str, str, bool]  # place in its row, characters, symbol, target, whether that counts


def _rows(task: Task, example: Example) -> list[list[Cell]]:
    """The steps of a sequence of tokens in as many rows as fit."""
    rows: list[list[Cell]] = [[]]
    place = 0
    for step in range(example.length):
        symbol = _name(task.tokens, int(example.inputs[step]))
        target = _label(task, example.targets[step]) if task.per_step else ""
        width = max(len(symbol), len(target)) + 1
        if place + width > ROW:
            if len(rows) == ROWS:
                break
            rows.append([])
            place = 0
        rows[-1].append((place, width, symbol, target, bool(example.counted[step])))
        place += width
    return rows


def _draw_symbols(axes: Axes, task: Task, example: Example) -> None:
    rows = _rows(task, example)
    text = {"family": "monospace", "fontsize": 9, "ha": "center", "va": "center", "parse_math": False}
    for row, cells in enumerate(rows):
        for place, width, symbol, target, counted in cells:
            middle = place + width / 2
            axes.text(middle, row + (0.3 if task.per_step else 0.5), symbol, color=INPUT_COLORS[0], **text)
            axes.text(middle, row + 0.7, target, color=TARGET_COLOR if counted else IGNORED_COLOR, **text)
    drawn = sum(len(cells) for cells in rows)
    if drawn < example.length:
        axes.text(ROW, len(rows), f"first {drawn} of {example.length} steps", fontsize=8, ha="right", va="top")
    axes.set(xlim=(0, ROW), ylim=(len(rows), 0))
    axes.set_axis_off()


def _draw_rolls(axes: np.ndarray, task: Task, example: Example, steps: int) -> None:
    for place, (values, colors) in enumerate(zip((example.inputs, example.targets), ("Blues", "Oranges"), strict=True)):
        if place < len(axes):
            values = values[: example.length].T
            axes[place].imshow(values, aspect="auto", origin="lower", cmap=colors, interpolation="nearest")
            axes[place].set_xlim(-0.5, steps - 0.5)
            _grey_out(axes[place], example.length, steps)
    if len(axes) > 1:
        axes[1].set_title("target", loc="left", fontsize=9)
        axes[1].set_yticklabels([])
    if task.outputs == example.inputs.shape[1] and task.labels:
        ticks = range(0, task.outputs, task.outputs // 4)
        axes[0].set_yticks(ticks, [task.labels[k] for k in ticks])


def _grey_out(axes: Axes, length: int, steps: int) -> None:
    if length < steps:
        axes.axvspan(length - 0.5, steps - 0.5, color=IGNORED_COLOR, alpha=0.5, linewidth=0)


def _draw_lines(axes: Axes, task: Task, example: Example, steps: int) -> None:
    marker = "." if steps <= 60 else ""
    for feature, values in enumerate(example.inputs[: example.length].T):
        axes.plot(values, color=INPUT_COLORS[feature], marker=marker, linewidth=1.2)
    if task.per_step:
        _draw_targets(axes, task, example)
    _grey_out(axes, example.length, steps)
    axes.set_xlim(-0.5, steps - 0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_future(axes: Axes, example: Example, steps: int, horizon: int, continued: bool) -> None:
    """Values of the next `horizon` steps, or one value so many steps ahead."""
    last = example.length - 1
    values = example.targets.reshape(horizon if example.targets.size % horizon == 0 else 1, -1)
    places = np.arange(last + horizon - len(values), last + horizon) + 1
    if continued and values.shape[1] == example.inputs.shape[1]:
        places, values = np.concatenate([[last], places]), np.concatenate([example.inputs[[last]], values])
    for feature, series in enumerate(values.T):
        color = INPUT_COLORS[feature] if values.shape[1] > 1 else TARGET_COLOR
        axes.plot(places, series, color=color, marker="." if values.shape[1] == 1 else "", linewidth=1.2)
    axes.axvspan(last + 0.5, last + horizon + 0.5, color=TARGET_COLOR, alpha=0.12, linewidth=0)
    axes.set_xlim(-0.5, steps + horizon - 0.5)


def _draw_targets(axes: Axes, task: Task, example: Example) -> None:
    targets = example.targets[: example.length]
    counted = example.counted[: example.length]
    style = "steps-mid" if task.loss.startswith("sparse") else "default"
    if style == "steps-mid":
        axes = axes.twinx()
        axes.set_yticks(range(task.outputs), [_name(task.labels, k) for k in range(task.outputs)])
    values = targets.reshape(len(targets), -1)
    for where, color in ((~counted, IGNORED_COLOR), (counted, TARGET_COLOR)):
        axes.plot(np.where(where[:, None], values, np.nan), color=color, linewidth=1.2, linestyle="--", drawstyle=style)
