"""What surveys and interventions have measured, from CSV files with a line for each seed: means and comparisons."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from docs.answers.scores import CONFIRMED, CONTRADICTED
from experiments import analysis
from experiments.analysis import Verdict
from experiments.analysis.format import chance, interval
from experiments.errors import UserError
from experiments.report.summary import signed

HIGHER, LOWER = "higher", "lower"
REPLICATE = "replicate"  # the column that names the seed
Place = Mapping[str, str]  # the values that some columns have


@dataclass(frozen=True)
class Shifts:
    """Measures in one place and another, over the same trained models. Holm's correction is for all of them.

    Attributes:
        values: By label, the measures in both places, by replicate.
    """

    values: Mapping[str, tuple[np.ndarray, np.ndarray]]

    @cached_property
    def tests(self) -> list[analysis.Comparison]:
        """Shift, interval, direction and p-value, for each label."""
        return [
            analysis.compare(*pair, HIGHER, resampled=True, comparisons=len(self.values))
            for pair in self.values.values()
        ]

    @cached_property
    def adjusted(self) -> list[float]:
        """The p-values, adjusted."""
        return [float(p) for p in analysis.holm([test.p for test in self.tests])]

    @cached_property
    def words(self) -> list[str]:
        """Higher, lower or undecided, for each label."""
        words = {Verdict.BETTER: HIGHER, Verdict.WORSE: LOWER}
        verdicts = [analysis.conclude(test, p, None) for test, p in zip(self.tests, self.adjusted, strict=True)]
        return [words.get(verdict, str(verdict)) for verdict in verdicts]

    def lines(self) -> list[tuple[str, str]]:
        """Each label with its shift, interval and word."""
        texts = [f"{signed(test.difference)} {word}" for test, word in zip(self.tests, self.words, strict=True)]
        return list(zip(self.values, texts, strict=True))

    def text(self) -> str:
        """The same as lines of a cell of a table."""
        return "<br>".join(f"{label}: {text}" for label, text in self.lines())

    def p(self) -> str:
        """The largest of the adjusted p-values."""
        return chance(max(self.adjusted))

    def finding(self, expected: str) -> str:
        """Whether a published finding is confirmed, contradicted or undecided.

        Args:
            expected: `higher` or `lower`, what it says of each first place.
        """
        if expected not in (HIGHER, LOWER):
            raise UserError(f"finding {expected!r}: must be {HIGHER} or {LOWER}")
        if ({HIGHER, LOWER} - {expected}) & set(self.words):
            return CONTRADICTED
        return CONFIRMED if set(self.words) == {expected} else str(Verdict.UNDECIDED)


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
        values = [float(line[column]) for line in self._lines_of(file, {column, *where}, where)]
        return interval(analysis.mean(values))

    def shifts(self, file: str, pairs: Mapping[str, tuple[Place, Place]], **where: str) -> Shifts:
        """The values in the first place of each pair against those in the second, by label.

        Raises:
            UserError: if there is no such file or column, or a place does not have one value for each replicate.
        """
        return Shifts(
            {
                label: self._by_replicate(file, [{**where, **one}, {**where, **other}])
                for label, (one, other) in pairs.items()
            }
        )

    def _by_replicate(self, file: str, places: list[dict[str, str]]) -> tuple[np.ndarray, np.ndarray]:
        values = []
        for place in places:
            lines = self._lines_of(file, {*place, REPLICATE, "value"}, place)
            by_replicate = {line[REPLICATE]: float(line["value"]) for line in lines}
            if len(by_replicate) < len(lines):
                text = ", ".join(f"{n}={v!r}" for n, v in place.items())
                raise UserError(f"shifts({file!r}): {text} has several values of one {REPLICATE}")
            values.append(by_replicate)
        one, other = values
        names = sorted({*one, *other})
        return tuple(np.array([values.get(name, np.nan) for name in names]) for values in (one, other))

    def _lines_of(self, file: str, columns: set[str], place: Place) -> list[dict[str, str]]:
        lines = self._lines(file)
        if not columns <= lines[0].keys():
            wrong = ", ".join(sorted(columns - lines[0].keys()))
            raise UserError(f"{file}.csv: its columns are {', '.join(lines[0])}, not {wrong}")
        chosen = [line for line in lines if all(line[name] == text for name, text in place.items())]
        if not chosen:
            raise UserError(f"{file}.csv: no line has {', '.join(f'{n}={v!r}' for n, v in place.items())}")
        return chosen

    def _read(self, file: str) -> list[dict[str, str]]:
        path = self.folder / f"{file}.csv"
        if not path.exists():
            raise UserError(f"there is no {path}")
        with path.open(encoding="utf-8", newline="") as opened:
            lines = list(csv.DictReader(opened))
        if not lines:
            raise UserError(f"{path} has no lines")
        return lines
