"""One numeric column out of a table."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.errors import UserError


def read_csv(path: str, target: str | None, date: str | None) -> np.ndarray:
    """The column `target` of a CSV file as float64.

    Raises:
        UserError: if the file or the column cannot be used, with the line at fault.
    """
    file = Path(path).expanduser()
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"task.path={path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"task.path={path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except pd.errors.EmptyDataError as error:
        raise UserError(f"task.path={path}: the file is empty") from error
    except pd.errors.ParserError as error:
        raise UserError(f"task.path={path}: not a CSV file ({error})") from error
    table.columns = [str(name).strip() for name in table.columns]
    _check_column(table, "task.target", target, path)
    if len(table) == 0:
        raise UserError(f"task.path={path}: the file has a header and no rows")
    if date is not None:
        _check_column(table, "task.date", date, path)
        _check_dates(table[date], path)
    return _numbers(table[target], path)


def read_bundled(name: str | None, target: str | None) -> np.ndarray:
    """The column `target` of a data set that statsmodels carries, gaps filled linearly (co2 has 59)."""
    if name is None:
        raise UserError("task.path and task.bundled are both null: give a CSV file, for example task.path=series.csv")
    try:
        module = importlib.import_module(f"statsmodels.datasets.{name}")
        table = module.load_pandas().data
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"task.bundled={name}: statsmodels has no such data set. Time series among its sets: "
            "sunspots (SUNACTIVITY), co2 (co2), nile (volume), elnino (JAN to DEC), macrodata (realgdp, ...)"
        ) from error
    _check_column(table, "task.target", target, f"statsmodels.datasets.{name}")
    return table[target].astype("float64").interpolate().to_numpy()


def _check_column(table: pd.DataFrame, argument: str, name: str | None, source: str) -> None:
    if name not in table.columns:
        columns = ", ".join(map(str, table.columns[:20]))
        raise UserError(
            f"{argument}={'null' if name is None else name}: no such column in {source}. Columns: {columns}"
        )


def _check_dates(column: pd.Series, path: str) -> None:
    try:
        dates = pd.to_datetime(column)
    except ValueError as error:
        raise UserError(f"task.date={column.name}: {path} has a value that is no date ({error})") from error
    backwards = np.flatnonzero(dates.diff().dt.total_seconds().to_numpy()[1:] <= 0)
    if len(backwards):
        row = backwards[0] + 1
        raise UserError(
            f"{path}, line {row + 2}: the date {column.iloc[row]!r} does not come after {column.iloc[row - 1]!r} "
            "of the line before. Sort the file by date and remove duplicates"
        )


def _numbers(column: pd.Series, path: str) -> np.ndarray:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy("float64")
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        value = column.iloc[wrong[0]]
        what = f"{value!r} is not a number" if str(value).strip() else "the value is blank"
        more = f" ({len(wrong)} such rows in all)" if len(wrong) > 1 else ""
        raise UserError(
            f"{path}, line {wrong[0] + 2}, column {column.name!r}: {what}{more}. Fill or remove such rows first"
        )
    return numbers
