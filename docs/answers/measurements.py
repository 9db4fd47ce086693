"""Means of what surveys and interventions have measured, from CSV files with a line for each seed."""

import csv
from functools import cache
from pathlib import Path

from experiments import analysis
from experiments.analysis.format import interval
from experiments.errors import UserError


class Measurements:
    """CSV files of a folder.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lines = cache(self._read)

    def mean(self, file: str, column: str = "value", **where: str) -> str:
        """Mean, with its 95 % interval, of a column in the lines that have these values in other columns.

        Raises:
            UserError: if there is no such file, column or line.
        """
        lines = self._lines(file)
        if not {column, *where} <= lines[0].keys():
            raise UserError(f"mean({file!r}): its columns are {', '.join(lines[0])}, not {column}, {', '.join(where)}")
        values = [float(line[column]) for line in lines if all(line[name] == text for name, text in where.items())]
        if not values:
            raise UserError(f"mean({file!r}): no line has {', '.join(f'{n}={v!r}' for n, v in where.items())}")
        return interval(analysis.mean(values))

    def _read(self, file: str) -> list[dict[str, str]]:
        path = self.folder / f"{file}.csv"
        if not path.exists():
            raise UserError(f"mean({file!r}): there is no {path}")
        with path.open(encoding="utf-8", newline="") as opened:
            lines = list(csv.DictReader(opened))
        if not lines:
            raise UserError(f"mean({file!r}): {path} has no lines")
        return lines
