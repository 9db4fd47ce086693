"""Columns of dates: read without a guess, and the step from row to row in words."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format

from experiments.errors import UserError

UNIX = {"unix": "s", "epoch": "s", "unix_ms": "ms"}
ISO = "ISO8601"
FORMATS_HELP = "as Python's strptime has them, such as %d.%m.%Y %H:%M, or unix (or unix_ms) for seconds since 1970"

TIME = r"(?P<time>[T ]+\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?(?P<noon>\s*[AaPp][Mm])?"
YEAR_FIRST = re.compile(rf"\d{{4}}-\d{{2}}(-\d{{2}}{TIME}(?P<offset>\s*(Z|[+-]\d{{2}}(:?\d{{2}})?))?)?|\d{{4}}|\d{{8}}")
YEAR_LAST = re.compile(rf"\d{{1,2}}(?P<separator>[./-])\d{{1,2}}(?P=separator)(?P<year>\d{{4}}|\d{{2}}){TIME}")
NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
MIDNIGHT = re.compile(r"(?<=[T ])24:00(?=(:00(\.0+)?)?($|[^\d:.]))")
TIMELIKE_NAME = re.compile("date|time|year|month|day|unix|epoch|stamp", re.IGNORECASE)
UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class NoDate(UserError):
    """A cell that cannot be read as a date.

    Attributes:
        row: Its row, from 0.
    """

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(reason)
        self.row = row


@dataclass(frozen=True)
class Dates:
    """A column of dates.

    Attributes:
        name: The name of the column.
        cells: The dates as the file has them.
        moments: The dates in UTC, or without an offset as if they were in UTC.
    """

    name: str
    cells: Sequence[str]
    moments: pd.DatetimeIndex

    def step(self) -> str:
        """The time from a row to the next one, in words; "" for a single row."""
        seconds = np.diff(self.moments.as_unit("us").asi8) / 1e6
        if not len(seconds):
            return ""
        months = np.diff(self.moments.year * 12 + self.moments.month)
        same_day = len(set(self.moments.day)) == 1 or self.moments.is_month_end.all()
        if months[0] > 0 and len(set(months)) == 1 and same_day and len(set(self.moments.time)) == 1:
            return _months(int(months[0]))
        values, counts = np.unique(seconds, return_counts=True)
        usual = values[counts.argmax()]
        if len(values) == 1:
            return f"every {_duration(usual)}"
        longest = int(seconds.argmax())
        return (
            f"mostly every {_duration(usual)} ({counts.max() / len(seconds):.1%} of the steps; the longest step is "
            f"{_duration(values[-1])}, after {self.cells[longest].strip()})"
        )


def read_dates(cells: Sequence[str], date_format: str | None) -> pd.DatetimeIndex:
    """The moments that a column of dates names.

    Without a format, dates are read that can be read in one way only: those of ISO 8601, those with the name of the
    month, and days and months in figures if some day is larger than 12. `24:00` is midnight at the end of the day.

    Args:
        cells: At least one.
        date_format: Directives of strptime, `unix` or `unix_ms`; None: what the first cell looks like.

    Raises:
        NoDate: for the first cell that cannot be read.
        UserError: if the format is none, or dates can be read in two ways.
    """
    formats = [date_format] if date_format is not None else _formats(cells[0].strip())
    if date_format is not None and date_format not in UNIX and "%" not in date_format:
        raise UserError(f"task.date_format={date_format}: must be directives {FORMATS_HELP}")
    if not formats:
        raise NoDate(0, f"no date that can be told without its format. Say it: task.date_format=FORMAT, {FORMATS_HELP}")
    readings = {name: _parsed(cells, name) for name in formats}
    fitting = [name for name, moments in readings.items() if not moments.hasnans]
    if len(fitting) > 1 and not readings[fitting[0]].equals(readings[fitting[1]]):
        raise UserError(
            f"{cells[0].strip()!r} may begin with the day or with the month, as all others may. Say which: "
            + " or ".join(f"'task.date_format=\"{name}\"'" for name in fitting)
        )
    if not fitting:
        raise _no_date(readings, date_format)
    if date_format is None and formats == [ISO]:
        _check_offsets(cells)
    return readings[fitting[0]]


def newest_first(cells: Sequence[str]) -> bool:
    """Whether these are dates, in every way of reading them, that never go forward and do go back."""
    readings = [_parsed(cells, name) for name in _formats(cells[0].strip()) or _unix_formats(cells[0])]
    readings = [moments for moments in readings if not moments.hasnans]
    return bool(readings) and all(m.is_monotonic_decreasing and m[0] > m[-1] for m in readings)


def looks_like_date(name: str, cell: str) -> bool:
    """Whether a column may hold dates. Plain numbers count as dates only if the name of their column says so."""
    text = cell.strip()
    if NUMBER.fullmatch(text):
        return bool(TIMELIKE_NAME.search(name) and (_formats(text) or _unix_formats(text)))
    return bool(_formats(text))


def _no_date(readings: dict[str, pd.DatetimeIndex], date_format: str | None) -> NoDate:
    """About the first cell that the reading which goes furthest does not fit."""
    row, name = max((int(moments.isna().argmax()), name) for name, moments in readings.items())
    if date_format is not None:
        return NoDate(row, f"it does not fit task.date_format={date_format}")
    like = "a date as in ISO 8601" if name == ISO else f"a date as those before, {name}"
    return NoDate(row, f"not {like}. Correct it, or say how all are written: task.date_format=FORMAT, {FORMATS_HELP}")


def _check_offsets(cells: Sequence[str]) -> None:
    offsets = [bool(match and match["offset"]) for match in map(YEAR_FIRST.fullmatch, map(str.strip, cells))]
    if any(offsets) and not all(offsets):
        row = offsets.index(not offsets[0])
        has = "has an offset from UTC" if offsets[row] else "has no offset from UTC"
        raise NoDate(row, f"it {has}, unlike those before")


def _formats(cell: str) -> list[str]:
    """All formats that a date may have, ISO 8601 by its name."""
    if YEAR_FIRST.fullmatch(cell):
        return [ISO]
    date = YEAR_LAST.fullmatch(cell)
    if date:
        separator, year = date["separator"], "%Y" if len(date["year"]) == 4 else "%y"
        return [separator.join((*order, year)) + _time_format(date) for order in (("%d", "%m"), ("%m", "%d"))]
    if NUMBER.fullmatch(cell):
        return []
    with warnings.catch_warnings(action="ignore"):  # pandas warns of days before months
        guess = guess_datetime_format(cell)
    return [guess] if guess and "%Y" in guess else []


def _time_format(date: re.Match[str]) -> str:
    if not date["time"]:
        return ""
    hour = "%I" if date["noon"] else "%H"
    text = re.sub(r"\d{1,2}:\d{2}", f"{hour}:%M", date["time"], count=1)
    text = re.sub(r":\d{2}(?=\.|$)", ":%S", text)
    return re.sub(r"\.\d+", ".%f", text) + re.sub(r"\S+", "%p", date["noon"] or "")


def _unix_formats(cell: str) -> list[str]:
    digits = len(cell.strip().partition(".")[0])
    return {10: ["unix"], 13: ["unix_ms"]}.get(digits, [])


def _parsed(cells: Sequence[str], date_format: str) -> pd.DatetimeIndex:
    """The moments; NaT for what is no date of this format."""
    if date_format in UNIX:
        numbers = pd.to_numeric(pd.Series(cells, dtype="str"), errors="coerce").to_numpy("float64")
        return pd.DatetimeIndex(pd.to_datetime(numbers, unit=UNIX[date_format], utc=True, errors="coerce"))
    starts, days = zip(*(MIDNIGHT.subn("00:00", cell.strip()) for cell in cells), strict=True)
    texts = pd.Series(starts, dtype="str")
    try:
        moments = pd.to_datetime(texts, format=date_format, utc=True, errors="coerce")
    except (ValueError, TypeError, KeyError, OverflowError, re.error) as error:
        raise UserError(f"task.date_format={date_format}: {error}. It must be directives {FORMATS_HELP}") from error
    return pd.DatetimeIndex(moments + pd.to_timedelta(np.array(days), unit="D"))


def _months(number: int) -> str:
    if number % 12 == 0:
        return "every year" if number == 12 else f"every {number // 12} years"
    return "every month" if number == 1 else f"every {number} months"


def _duration(seconds: float) -> str:
    size, unit = next(((size, unit) for size, unit in UNITS if seconds and seconds % size == 0), (1, "s"))
    return f"{seconds / size:g} {unit}"
