"""Numeric columns of a CSV file, or of a data set of statsmodels."""

import importlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import itemgetter
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.errors import UserError, did_you_mean
from experiments.tasks._csv import CSVFile, Decimal, Delimiter, open_csv
from experiments.tasks._dates import Dates, NoDate, looks_like_date, newest_first, read_dates

ALL = "all"
ROW_NUMBERS = r"Unnamed: \d+"  # what pandas calls a column without a name, such as the numbers of its rows
LISTED = 20  # columns that a message lists


Columns = str | Sequence[str] | None  # "all", names, or none


@dataclass(frozen=True)
class Table:
    """Numeric columns and what the file says of their rows.

    Attributes:
        values: The columns, float64.
        targets: Names of those to forecast.
        shown: Names of those that are shown.
        lines: The line of the file where each row begins; None for data that are no file.
        dates: The dates of the rows; None if no column has them.
    """

    values: pd.DataFrame
    targets: list[str]
    shown: list[str]
    lines: np.ndarray | None = None
    dates: Dates | None = None


def read_csv(
    path: str | Path,
    target: Columns,
    inputs: Columns,
    date: str | None = None,
    date_format: str | None = None,
    delimiter: Delimiter | None = None,
    decimal: Decimal = Decimal.point,
) -> Table:
    """Columns of a CSV file as float64.

    Args:
        path: The file.
        target: Names of the columns to forecast; `"all"`: all but the dates and the numbers of rows. None is refused
            with the names that there are.
        inputs: Those that are shown, in the same way.
        date: The column of dates, which must go forward; None: the first one that has some gives the dates, and is
            refused only if it begins with the newest.
        date_format: As in `read_dates`.
        delimiter: As in `open_csv`.
        decimal: The decimal mark of the numbers.

    Raises:
        UserError: if the file or a column cannot be used, with the line at fault.
    """
    file = open_csv(path, delimiter)
    dated = None if date is None else _known(date, file.names, "task.date", path)
    series = [name for name in file.names if name not in ("", dated) and not re.fullmatch(ROW_NUMBERS, name)]
    targets, shown, names = _selected(target, inputs, file.names, series, path)
    cells, lines = _cells(file, names, dated)
    values = pd.DataFrame({name: _numbers(cells[name], name, lines, decimal, path) for name in names})
    return Table(values, targets, shown, lines, _dates_of_rows(cells, names, lines, dated, date_format, path))


def read_bundled(name: str | None, target: Columns, inputs: Columns) -> Table:
    """Columns of a data set that statsmodels carries, gaps filled linearly (co2 has 59).

    The table `elnino`, a row for each year and a column for each month, is read as one column `TEMPERATURE`.
    """
    if name is None:
        raise UserError(
            "task.path, task.dataset and task.bundled are all null: give a CSV file, for example task.path=series.csv"
        )
    try:
        module = importlib.import_module(f"statsmodels.datasets.{name}")
        table = module.load_pandas().data
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"task.bundled={name}: statsmodels has no such data set. Time series among its sets: "
            "sunspots (SUNACTIVITY), co2 (co2), nile (volume), elnino (TEMPERATURE), macrodata (realgdp, ...)"
        ) from error
    if name == "elnino":
        table = pd.DataFrame({"TEMPERATURE": table.drop(columns="YEAR").to_numpy().ravel()})
    known = list(map(str, table.columns))
    targets, shown, names = _selected(target, inputs, known, known, f"statsmodels.datasets.{name}")
    return Table(table[names].astype("float64").interpolate().reset_index(drop=True), targets, shown)


def log_returns(table: Table, source: str) -> Table:
    """Differences of the logarithms of successive rows, in percent.

    Raises:
        UserError: for a value that has no logarithm, with its line.
    """
    values = table.values
    for name in values.columns:
        wrong = np.flatnonzero(values[name].to_numpy() <= 0)
        if len(wrong):
            place = f"row {wrong[0] + 1}" if table.lines is None else f"line {table.lines[wrong[0]]}"
            raise UserError(
                f"{source}, {place}, column {name!r}: {values[name].iloc[wrong[0]]:g} has no logarithm, "
                "which task.values=log_returns takes. Use task.values=levels"
            )
    returns = (100 * np.log(values).diff()).iloc[1:].reset_index(drop=True)
    lines = None if table.lines is None else table.lines[1:]
    dates = table.dates and replace(table.dates, cells=table.dates.cells[1:], moments=table.dates.moments[1:])
    return replace(table, values=returns, lines=lines, dates=dates)


def _selected(
    target: Columns, inputs: Columns, names: Sequence[str], series: list[str], source: str | Path
) -> tuple[list[str], list[str], list[str]]:
    """Names of the columns to forecast, of those shown, and of both, in the order in which they are read.

    Args:
        target: As in `read_csv`.
        inputs: As in `read_csv`.
        names: All columns, `""` for one without a name.
        series: Those that "all" stands for.
        source: Where they are, for messages.
    """
    if target is None:
        raise UserError(
            f"task.target=null: name the column to forecast, several, or all, of {source}. {_listing(names)}"
        )
    targets, shown = (
        series if columns == ALL else [_known(name, names, argument, source) for name in columns or ()]
        for argument, columns in (("task.target", target), ("task.inputs", inputs))
    )
    both = dict.fromkeys([*targets, *shown])
    if not both:
        raise UserError(f"task.target=all: no column has a name of its own. {_listing(names)}")
    return targets, shown, [name for name in names if name in both] if ALL in (target, inputs) else list(both)


def _known(name: str, names: Sequence[str], argument: str, source: str | Path) -> str:
    """The name as the table has it, without the space around it."""
    if name.strip() and name.strip() in names:
        return name.strip()
    hint = did_you_mean(name, names)
    advice = f".{hint}" if hint else ""
    if len(names) == 1 and len(names[0].split()) > 1:
        file = shlex.quote(str(source))
        advice = f". Are they separated by spaces? Then: tr -s ' ' ',' < {file} > commas.csv"
    raise UserError(f"{argument}={name}: no such column in {source}. {_listing(names)}{advice}")


def _listing(names: Sequence[str]) -> str:
    listed = [name for name in names if name]
    more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
    return f"Columns: {', '.join(listed[:LISTED])}{more}"


def _cells(file: CSVFile, names: Sequence[str], date: str | None) -> tuple[dict[str, tuple[str, ...]], np.ndarray]:
    """The columns that are asked for and those that may hold dates, as text, and the lines of the rows."""
    needed = list(dict.fromkeys([*names, *([date] if date is not None else [])]))
    if date is None:
        pairs = zip(file.names, file.first[1], strict=True)
        needed += [name for name, cell in pairs if name and name not in needed and looks_like_date(name, cell)]
    places = [file.names.index(name) for name in needed]
    pick = itemgetter(*places, places[0])  # one more, so that it is a tuple always
    rows = [(line, *pick(fields)) for line, fields in chain([file.first], file.rows)]
    lines, *columns = zip(*rows, strict=True)
    return dict(zip(needed, columns[:-1], strict=True)), np.array(lines)


def _dates_of_rows(
    cells: dict[str, tuple[str, ...]],
    names: Sequence[str],
    lines: np.ndarray,
    date: str | None,
    date_format: str | None,
    path: str | Path,
) -> Dates | None:
    if date is not None:
        return _ordered_dates(cells[date], date, lines, date_format, path)
    if date_format is not None:
        raise UserError(f"task.date_format={date_format}: name the column of dates as well, task.date=COLUMN")
    dates = None
    for name in (name for name in cells if name not in names):
        if newest_first(cells[name]):
            raise UserError(_newest_first(cells[name], name, lines, path))
        try:
            dates = dates or Dates(name, cells[name], read_dates(cells[name], None))
        except UserError:
            continue  # not named as the column of dates, and need not be one
    return dates


def _newest_first(cells: Sequence[str], name: str, lines: np.ndarray, path: str | Path) -> str:
    file = shlex.quote(str(path))
    return (
        f"{path}: the rows begin with the newest: {name!r} has {cells[0]!r} in line {lines[0]} and {cells[-1]!r} in "
        f"line {lines[-1]}, and a forecast goes forward in time. Turn them around: (head -n 1 {file}; "
        f"tail -n +2 {file} | awk NF | tac) > oldest_first.csv"
    )


def _ordered_dates(
    cells: Sequence[str], name: str, lines: np.ndarray, date_format: str | None, path: str | Path
) -> Dates:
    try:
        moments = read_dates(cells, date_format)
    except NoDate as error:
        raise UserError(f"{path}, line {lines[error.row]}, column {name!r}: {cells[error.row]!r}: {error}") from error
    except UserError as error:
        raise UserError(f"task.date={name}: {path}: {error}") from error
    dates = Dates(name, cells, moments)
    backwards = np.flatnonzero(np.diff(moments.asi8) <= 0)
    if len(backwards) == len(moments) - 1 > 0 and moments[0] > moments[-1]:
        raise UserError(_newest_first(cells, name, lines, path))
    if len(backwards):
        row = backwards[0] + 1
        raise UserError(
            f"{path}, line {lines[row]}: the date {cells[row]!r} does not come after {cells[row - 1]!r} "
            "of the line before. Sort the file by date and remove duplicates. If clocks went back, or the time of day "
            "stands in another column, leave task.date out: rows are then taken as they come"
        )
    return dates


def _numbers(cells: Sequence[str], name: str, lines: np.ndarray, decimal: Decimal, path: str | Path) -> np.ndarray:
    column = pd.Series(cells, dtype="str")
    if decimal == Decimal.comma:
        column = column.where(~column.str.contains(".", regex=False), "").str.replace(",", ".", regex=False)
    numbers = pd.to_numeric(column, errors="coerce").to_numpy("float64")
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        more = f" ({len(wrong)} such rows in all)" if len(wrong) > 1 else ""
        where = f"{path}, line {lines[wrong[0]]}, column {name!r}"
        raise UserError(f"{where}: {_problem(cells[wrong[0]], more, name, decimal)}")
    return numbers


def _problem(cell: str, more: str, name: str, decimal: Decimal) -> str:
    """What is wrong with a cell that is no number, and with how many more."""
    if not cell.strip():
        return f"the value is blank{more}. Fill or remove such rows first"
    if decimal == Decimal.comma and "." in cell:
        return f"{cell!r} has a point, which numbers with decimal commas (task.decimal=comma) may not have{more}"
    what = f"{cell!r} is not a number{more}"
    if decimal == Decimal.point and re.fullmatch(r"\s*[-+]?\d*,\d+\s*", cell):
        return f"{what}. If it has a decimal comma: task.decimal=comma"
    if looks_like_date(name, cell):
        return f"{what}. If these are the dates of the rows: 'task.date=\"{name}\"'"
    return f"{what}. Fill or remove such rows first"
