"""Numeric columns of a CSV file, or of a data set of statsmodels."""

import importlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.errors import UserError

ALL = "all"


def read_csv(path: str | Path, columns: str | Sequence[str] | None, date: str | None) -> pd.DataFrame:
    """Columns of a CSV file as float64: those named, or all but the dates.

    Raises:
        UserError: if the file or a column cannot be used, with the line at fault.
    """
    table = _read(path)
    if len(table) == 0:
        raise UserError(f"task.path={path}: the file has a header and no rows")
    if date is not None:
        _check_column(table, "task.date", date, path)
        _check_dates(table[date], path)
    names = [name for name in table.columns if name != date] if columns == ALL else _names(columns)
    for name in names:
        _check_column(table, "task.target", name, path)
    return pd.DataFrame({name: _numbers(table[name], path) for name in names})


def read_bundled(name: str | None, columns: str | Sequence[str] | None) -> pd.DataFrame:
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
    names = list(table.columns) if columns == ALL else _names(columns)
    for column in names:
        _check_column(table, "task.target", column, f"statsmodels.datasets.{name}")
    return table[names].astype("float64").interpolate().reset_index(drop=True)


def log_returns(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Differences of the logarithms of successive rows, in percent.

    Raises:
        UserError: for a value that has no logarithm, with its line.
    """
    for name in table.columns:
        wrong = np.flatnonzero(table[name].to_numpy() <= 0)
        if len(wrong):
            raise UserError(
                f"{source}, line {wrong[0] + 2}, column {name!r}: {table[name].iloc[wrong[0]]:g} has no logarithm, "
                "which task.values=log_returns takes. Use task.values=levels"
            )
    return (100 * np.log(table).diff()).iloc[1:].reset_index(drop=True)


def _names(columns: str | Sequence[str] | None) -> list[str | None]:
    return [columns] if columns is None or isinstance(columns, str) else list(columns)


def _read(path: str | Path) -> pd.DataFrame:
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
    return table


def _check_column(table: pd.DataFrame, argument: str, name: str | None, source: str | Path) -> None:
    if name not in table.columns:
        columns = ", ".join(map(str, table.columns[:20]))
        raise UserError(
            f"{argument}={'null' if name is None else name}: no such column in {source}. Columns: {columns}"
        )


def _check_dates(column: pd.Series, path: str | Path) -> None:
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


def _numbers(column: pd.Series, path: str | Path) -> np.ndarray:
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
