"""What was read from a table, in lines: one look shows a wrong column, a wrong order or a wrong number."""

from collections.abc import Sequence

import numpy as np

from experiments.tasks._columns import Table

LISTED = 6  # columns that a line lists


def describe(table: Table, source: str, window: int, horizon: int, unit: str = "") -> tuple[str, ...]:
    """Rows, times and columns of a table, and the first pair of past and future values, in the units of the file.

    Args:
        table: Its columns.
        source: Where they come from.
        window: Past values shown, which the table has.
        horizon: Future values to forecast, which the table has.
        unit: That of the values, if it is not that of the file.
    """
    columns = f"forecasts {_listed(table.targets)}; is shown {_listed(table.shown)}"
    shown, target = (table.values[names[0]].to_numpy() for names in (table.shown, table.targets))
    past = f"{_values(shown[:window])} ({_places(table, 0, window)})"
    future = f"{_values(target[window : window + horizon])} ({_places(table, window, window + horizon)})"
    unit = f", in {unit}" if unit else ""
    return (
        f"{source}: {len(table.values):,} rows, {_times(table)}",
        columns,
        f"first pair{unit}: {table.shown[0]} {past} -> {table.targets[0]} {future}",
    )


def _times(table: Table) -> str:
    dates = table.dates
    if dates is None:
        return "in the order of the file, without dates" if table.lines is not None else "in their order"
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
    kind = "row" if table.lines is None else "line"
    first, last = (row + 1 if table.lines is None else table.lines[row] for row in (start, end - 1))
    return f"{kind} {first}" if first == last else f"{kind}s {first} to {last}"
