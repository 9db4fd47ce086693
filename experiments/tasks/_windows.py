"""Windows of a series, split by time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from experiments.errors import UserError

PARTS = ("training", "validation", "test")


def part_ends(split: Sequence[float], rows: int, source: str) -> tuple[int, int, int]:
    """The row after the last one of each part, from three shares or three numbers of rows."""
    if len(split) != 3 or min(split) <= 0:
        raise UserError(f"task.split={list(split)}: must be three shares or three numbers of rows, greater than 0")
    shares = sum(split) <= 1 + 1e-6
    if not shares and any(part != int(part) for part in split):
        raise UserError(f"task.split={list(split)}: shares must not sum to more than 1, numbers of rows must be whole")
    sizes = np.array([part * rows for part in split] if shares else split)
    ends = np.round(np.cumsum(sizes)).astype(int)
    if ends[-1] > rows:
        raise UserError(f"task.split={list(split)}: asks for {ends[-1]} rows, and {source} has {rows}")
    first, second, third = map(int, ends)
    return first, second, third


@dataclass(frozen=True)
class Windows:
    """All windows of a part.

    Attributes:
        inputs: `(windows, window, features)`, past values of the columns that are shown.
        targets: `(windows, horizon, series)`, the values after them of the columns that are forecast.
        last: `(windows, 1, series)`, the last past value of the columns that are forecast.
    """

    inputs: np.ndarray
    targets: np.ndarray
    last: np.ndarray


def windows(
    inputs: np.ndarray, targets: np.ndarray, ends: Sequence[int], window: int, horizon: int, source: str
) -> list[Windows]:
    """All windows of training, validation and test, those whose targets lie in the part.

    Args:
        inputs: `(rows, features)`, the columns that a model sees.
        targets: `(rows, series)`, the columns that are forecast.
        ends: The row after the last one of each part.
        window: Rows of an input.
        horizon: Rows of a target, those after the input.
        source: Where the rows come from, for messages.

    Raises:
        UserError: if a part is too short for one window.
    """
    starts = (window, *ends[:2])
    parts = []
    for name, start, end in zip(PARTS, starts, ends, strict=True):
        if end - start < horizon or start < window:
            raise UserError(
                f"{source}: the {name} part, rows {starts[0] - window if name == PARTS[0] else start} to {end}, is too "
                f"short for one window: it needs task.window + task.horizon = {window} + {horizon} rows, of which at "
                f"least {horizon} in the part itself. Use a longer series, a smaller window or horizon, or another "
                "task.split"
            )
        parts.append(
            Windows(
                inputs=_sliding(inputs[start - window : end - horizon], window),
                targets=_sliding(targets[start:end], horizon),
                last=targets[start - 1 : end - horizon, None],
            )
        )
    return parts


def _sliding(rows: np.ndarray, length: int) -> np.ndarray:
    """`(windows, length, columns)`, without a copy."""
    return sliding_window_view(rows, length, axis=0).swapaxes(1, 2)
