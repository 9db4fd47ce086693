"""Rows of a CSV file, each checked to have the fields that the header has."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path

from experiments.errors import UserError
from experiments.tasks._text_file import read_text

SAMPLE = 100  # rows that tell which delimiter a file has


class Delimiter(StrEnum):
    comma = "comma"
    semicolon = "semicolon"
    tab = "tab"
    bar = "bar"


class Decimal(StrEnum):
    point = "point"
    comma = "comma"


CHARACTERS = {Delimiter.comma: ",", Delimiter.semicolon: ";", Delimiter.tab: "\t", Delimiter.bar: "|"}
DETECTED = (Delimiter.comma, Delimiter.semicolon, Delimiter.tab)

Row = tuple[int, list[str]]  # the line it begins at, its fields


@dataclass(frozen=True)
class CSVFile:
    """A file with a header line, read row by row.

    Attributes:
        path: Its path, as the user wrote it.
        names: The names of its columns, without the space around them; "" for a column without a name.
        first: Its first row.
        rows: The rows after it. Of each the line where it begins is told.
    """

    path: str | Path
    names: list[str]
    first: Row
    rows: Iterator[Row]


def open_csv(path: str | Path, delimiter: Delimiter | None = None) -> CSVFile:
    """Read the header of a file; its rows are read, and their fields counted, as they are asked for.

    A column without a name must be empty, but for those before the first name, which hold the numbers of rows. Blank
    lines are allowed at the end only.

    Args:
        path: The file, of any kind that `read_text` reads.
        delimiter: What separates fields; None: of comma, semicolon and tab the one that all rows agree with.

    Raises:
        UserError: with the line, for what is no table.
    """
    text = read_text(path).replace("\r", "\n")
    if not text.strip():
        raise UserError(f"task.path={path}: the file is empty")
    rows = _rows(text, CHARACTERS[delimiter or _delimiter(text, path)], path)
    names = [name.strip() for name in next(rows)[1]]
    if not any(names):
        raise UserError(f"{path}, line 1: no names of columns. The first line must be the header")
    for number, name in enumerate(names):
        if name and name in names[:number]:
            raise UserError(
                f"{path}, line 1: columns {names.index(name) + 1} and {number + 1} are both called {name!r}. "
                "Give one of them another name"
            )
    rows = _checked(rows, names, path)
    first = next(rows, None)
    if first is None:
        raise UserError(f"task.path={path}: the file has a header and no rows")
    return CSVFile(path, names, first, rows)


def _rows(text: str, delimiter: str, path: str | Path) -> Iterator[Row]:
    reader = csv.reader(_lines(text), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise UserError(f"{path}, line {line}: not a row of CSV ({error}). Are its quotes closed?") from error
        if fields is None:
            return
        yield line, fields
        line = reader.line_num + 1


def _lines(text: str) -> Iterator[str]:
    """The lines with their ends, one at a time: a list of them would take several times the memory of the text."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _delimiter(text: str, path: str | Path) -> Delimiter:
    """The one that separates the fields of the header; if several do, the one that the first rows agree with."""
    splitting = [delimiter for delimiter in DETECTED if len(_sample(text, delimiter, path)[0]) > 1]
    if len(splitting) < 2:
        return (*splitting, Delimiter.comma)[0]
    agreeing = [d for d in splitting if len({len(fields) for fields in _sample(text, d, path) if fields}) == 1]
    if len(agreeing) > 1:
        raise UserError(
            f"{path}, line 1: the fields may be separated by {' or '.join(agreeing)}. Say which: "
            f"{' or '.join(f'task.delimiter={delimiter}' for delimiter in agreeing)}"
        )
    return (*agreeing, *splitting)[0]


def _sample(text: str, delimiter: Delimiter, path: str | Path) -> list[list[str]]:
    """The fields of the first rows, as far as they can be read; that of the first line at least, maybe in one piece."""
    fields = []
    try:
        for _, row in islice(_rows(text, CHARACTERS[delimiter], path), SAMPLE):
            fields.append(row)
    except UserError:
        pass
    return fields or [[""]]


def _checked(rows: Iterable[Row], names: list[str], path: str | Path) -> Iterator[Row]:
    first_name = next(number for number, name in enumerate(names) if name)
    nameless = [number for number, name in enumerate(names) if not name and number > first_name]
    blank = None
    for line, fields in rows:
        if not fields or (len(fields) == 1 and fields[0].isspace()):
            blank = blank or line
            continue
        if blank:
            raise UserError(f"{path}, line {blank}: the line is blank, and rows come after it. Fill or remove it")
        if len(fields) != len(names):
            raise UserError(f"{path}, line {line}: {_count(len(fields))}, and the header {_advice(fields, names)}")
        for number in nameless:
            if fields[number].strip():
                raise UserError(
                    f"{path}, line {line}, column {number + 1}: {fields[number]!r} stands in a column that has no "
                    "name in line 1. Name it, or remove it"
                )
        yield line, fields


def _count(number: int) -> str:
    return f"{number} field{'s' * (number != 1)}"


def _advice(fields: list[str], names: list[str]) -> str:
    """How many fields the header has, and what may be wrong."""
    has = f"has {len(names)}"
    if len(fields) < len(names):
        return f"{has}. Is the line cut off?"
    if len(names) == 1:
        return f"{has}. Do lines stand before the header? Remove them: the first line must name the columns"
    if len(fields) == len(names) + 1 and not fields[-1].strip():
        return f"{has}. Remove the delimiter at the end of the rows"
    return (
        f"{has}. Does a text or a number have the delimiter in it, such as a decimal comma? Put it in quotes. Does the "
        "first column have no name? Begin the header with a delimiter"
    )
