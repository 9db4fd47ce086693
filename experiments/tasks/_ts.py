"""Labelled series out of files: `.ts` of the UCR and UEA archives and of sktime, and tables of the UCR archive."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from experiments.errors import UserError
from experiments.tasks._text_file import read_text

Case = tuple[np.ndarray, str]  # (time, channels), label
Lines = Iterator[tuple[str, str]]  # where it is, text

FLAG = "true|false", "true or false"
COUNT = r"[0-9]{1,9}", "a whole number"
HEADER = {
    "@problemname": (".*", "a name"),
    "@timestamps": FLAG,
    "@missing": FLAG,
    "@univariate": FLAG,
    "@dimension": COUNT,
    "@dimensions": COUNT,
    "@equallength": FLAG,
    "@serieslength": COUNT,
    "@targetlabel": FLAG,
    "@classlabel": (r"false|true( \S+)+", "false, or true and the labels"),
    "@data": ("", "nothing"),
}
LONGEST_HEADER = 1_000_000  # characters; some hundred thousand labels
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
FILLED = ("", "nan")  # what a shorter series of a table ends with
MISSING = (*FILLED, "?")


def read_series(file: Path) -> tuple[list[np.ndarray], list[str]]:
    """The series of a file, each `(time, channels)` in float64, and their labels.

    A `.ts` file has a header, then a series a line: channels separated by `:`, values by `,`, the label last. Of the
    header count the labels, the number of channels and that there are no time stamps; lengths are what the data says.

    A `.tsv` or `.txt` file is a table of one channel: the label, then the values, a series a line; shorter series end
    with NaN. Labels that are whole numbers are written as such: `1.0e+00` is `1`.

    Raises:
        UserError: if the file is not of this form or a value is missing, with the line at fault.

    Source: https://www.sktime.net/en/stable/api_reference/file_specifications/ts.html
    """
    readers = {".ts": _ts_cases, ".tsv": _table_cases, ".txt": _table_cases}
    if file.suffix.lower() not in readers:
        raise UserError(f"{file}: the name must end with one of {', '.join(readers)}")
    text = read_text(file, "")
    if not text.strip():
        raise UserError(f"{file}: the file is empty")
    cases = list(readers[file.suffix.lower()](_lines(text, file), file))
    if not cases:
        raise UserError(f"{file}: the file has no series")
    return [series for series, _ in cases], [label for _, label in cases]


def _lines(text: str, file: Path) -> Lines:
    """The lines that are neither blank nor a comment."""
    start = number = 0
    while start < len(text):
        end = text.find("\n", start) % (len(text) + 1)
        line, number, start = text[start:end].rstrip(), number + 1, end + 1
        if line and not line.lstrip().startswith("#"):
            yield f"{file}, line {number}", line


def _ts_cases(lines: Lines, file: Path) -> Iterator[Case]:
    header = _header(lines, file)
    labels = header["@classlabel"].split()[1:]
    channels = int(header.get("@dimensions") or header.get("@dimension") or 0)
    told_by = "the header says"
    for where, line in lines:
        series, label = _ts_case(line, where)
        if channels and series.shape[1] != channels:
            raise UserError(f"{where}: the number of channels is {series.shape[1]}, and {told_by} {channels}")
        if not channels:
            channels, told_by = series.shape[1], f"the first series ({where}) has"
        if label not in labels:
            raise UserError(f"{where}: the header has no label {label!r}. Its @classLabel lists {', '.join(labels)}")
        yield series, label


def _header(lines: Lines, file: Path) -> dict[str, str]:
    """The fields before the data; `lines` is left at the first series."""
    header: dict[str, str] = {}
    length = 0
    for where, line in lines:
        length += len(line)
        if length > LONGEST_HEADER:
            raise UserError(f"{where}: the header, all before @data, has more than {LONGEST_HEADER:,} characters")
        name, value = _header_field(line, where)
        header[name] = value
        if name == "@data":
            break
    if "@data" not in header:
        raise UserError(f"{file}: no line @data, after which the series of a .ts file begin")
    if header.get("@classlabel", "false").lower() == "false":
        raise UserError(f"{file}: the series have no classes: no line @classLabel true, followed by the labels")
    return header


def _header_field(line: str, where: str) -> tuple[str, str]:
    name, *words = line.split()
    value = " ".join(words)
    if not name.startswith("@"):
        raise UserError(f"{where}: a series must come after the line @data, and this is {line[:40]!r}")
    if name.lower() not in HEADER:
        raise UserError(f"{where}: the header of a .ts file has no {name}. Allowed: {', '.join(HEADER)}")
    pattern, allowed = HEADER[name.lower()]
    if not re.fullmatch(pattern, value, re.IGNORECASE):
        raise UserError(f"{where}: after {name} comes {allowed}, and this is {value[:40]!r}")
    if name.lower() == "@timestamps" and value.lower() == "true":
        raise UserError(f"{where}: series with time stamps are not supported. Write the values alone, a value a step")
    return name.lower(), value


def _ts_case(line: str, where: str) -> Case:
    *channels, label = line.split(":")
    if not channels:
        raise UserError(f"{where}: no label: it comes after the last channel and a colon")
    values = [_channel(text, f"{where}, channel {number}") for number, text in enumerate(channels, 1)]
    lengths = [len(channel) for channel in values]
    if len(set(lengths)) > 1:
        raise UserError(f"{where}: the channels of a series must be equally long, and have {lengths} values")
    return np.stack(values, axis=1), label.strip()


def _channel(text: str, where: str) -> np.ndarray:
    if not text.strip():
        raise UserError(f"{where}: the series is empty")
    return _numbers(text.split(","), f"{where}, value")


def _table_cases(lines: Lines, file: Path) -> Iterator[Case]:
    for where, line in lines:
        separator = next((character for character in "\t," if character in line), None)
        label, *cells = line.split(separator)
        if label.strip().lower() in MISSING:
            raise UserError(f"{where}, column 1: the label is missing")
        while cells and cells[-1].strip().lower() in FILLED:
            cells.pop()
        if not cells:
            raise UserError(f"{where}: the series is empty")
        yield _numbers(cells, f"{where}, column", first=2)[:, None], _plain_label(label.strip())


def _plain_label(label: str) -> str:
    number = float(label) if NUMBER.fullmatch(label) else math.nan
    return str(int(number)) if number.is_integer() else label


def _numbers(cells: list[str], where: str, first: int = 1) -> np.ndarray:
    for number, cell in enumerate(cells, first):
        problem = _problem(cell.strip())
        if problem:
            raise UserError(f"{where} {number}: {problem}")
    return np.array(cells, "float64")


def _problem(cell: str) -> str | None:
    if cell.lower() in MISSING:
        return "the value is missing. Fill or remove such values first"
    finite = NUMBER.fullmatch(cell) and math.isfinite(float(cell))
    return None if finite else f"{cell[:40]!r} is not a finite number"
