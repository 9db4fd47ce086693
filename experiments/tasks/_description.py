"""What was read from a table, in lines: one look shows a wrong column, a wrong order or a wrong number."""

from collections.abc import Sequence

import numpy as np

from experiments.tasks._columns import Table

LISTED = 6  # columns that a line lists


def describe(table: Table, path: str, window: int, horizon: int, values: str) -> tuple[str, ...]:
    """Rows, times and columns of a file, and the first pair of past and future values, in units of the series.

    Args:
        table: Its columns.
        path: The file.
        window: Past values shown, which the table has.
        horizon: Future values to forecast, which the table has.
        values: What the values are: "levels", or what they were made to be.
    """
    columns = f"forecasts {_listed(table.targets)}; is shown {_listed(table.shown)}"
    shown, target = (table.values[names[0]].to_numpy() for names in (table.shown, table.targets))
    past = f"{_values(shown[:window])} ({_places(table, 0, window)})"
    future = f"{_values(target[window : window + horizon])} ({_places(table, window, window + horizon)})"
    kind = "" if values == "levels" else f" of {values}"
    return (
        f"{path}: {len(table.values):,} rows, {_times(table)}",
        columns,
        f"first pair{kind}: {table.shown[0]} {past} -> {table.targets[0]} {future}",
    )


def _times(table: Table) -> str:
    dates = table.dates
    if dates is None:
        return "in the order of the file, without dates"
    span = f"{dates.name} {dates.cells[0].strip()} to {dates.cells[-1].strip()}"
    back = np.flatnonzero(np.diff(dates.moments.asi8) < 0)
    if len(back):
        return f"{span}, NOT IN ORDER: line {table.lines[back[0] + 1]} is earlier than the row before"
    return f"{span}, {dates.step()}".rstrip(", ")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _values(values: np.ndarray) -> str:
    texts = [f"{value:.6g}" for value in values]
    return ", ".join(texts if len(texts) <= 4 else [*texts[:2], "...", texts[-1]])


def _places(table: Table, start: int, end: int) -> str:
    first, last = table.lines[start], table.lines[end - 1]
    return f"line {first}" if first == last else f"lines {first} to {last}"
