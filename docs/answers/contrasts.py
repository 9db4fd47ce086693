"""A row on two tasks that are measured alike, such as forecasts from values and from differences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from docs.answers import markdown
from experiments import analysis
from experiments.analysis import Verdict
from experiments.analysis.format import column, p_value
from experiments.analysis.verdict import conclude
from experiments.errors import UserError
from experiments.report import tables
from experiments.report.findings import TaskFindings


@dataclass(frozen=True)
class Contrasts:
    """Comparisons of a row's scores on pairs of tasks, as independent runs. Holm's correction is for all pairs.

    Attributes:
        row: The row.
        pairs: By label, the two tasks.
    """

    row: str
    pairs: Mapping[str, tuple[TaskFindings, TaskFindings]]

    def __post_init__(self) -> None:
        for label, (one, other) in self.pairs.items():
            if one.results.score != other.results.score:
                raise UserError(f"contrasts: the tasks of {label!r} have different scores")

    @cached_property
    def tests(self) -> list[analysis.Comparison]:
        """Effect, interval, direction and p-value of each pair."""
        return [self._test(*tasks) for tasks in self.pairs.values()]

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """Of each pair."""
        return [conclude(test, p, None) for test, p in zip(self.tests, self._adjusted, strict=True)]

    @cached_property
    def _adjusted(self) -> list[float]:
        return [float(p) for p in analysis.holm([test.p for test in self.tests])]

    def _test(self, one: TaskFindings, other: TaskFindings) -> analysis.Comparison:
        scores = [task.results.ranked()[task.results.rows.index(self.row)] for task in (one, other)]
        length = max(map(len, scores))
        padded = [np.pad(array, (0, length - len(array)), constant_values=math.nan) for array in scores]
        return analysis.compare(*padded, one.results.score.better, paired=False)

    def table(self, head: Sequence[str]) -> str:
        """A line for each pair, under the names of what its label, its first and its second task are."""
        medians = [[tables.score(task.finding(self.row).median) for task in pair] for pair in self.pairs.values()]
        columns = [
            list(self.pairs),
            *map(column, zip(*medians, strict=True)),
            column([test.difference for test in self.tests]),
            column([test.ratio for test in self.tests]),
            list(map(p_value, self._adjusted)),
            list(map(str, self.verdicts)),
        ]
        heads = [*head, "difference", "times", "p (Holm)", "verdict of the first"]
        return markdown.table(heads, list(zip(*columns, strict=True)))

    def claim(self, word: str) -> str:
        """The word, if it is the verdict of the first task of every pair.

        Raises:
            UserError: if one has another verdict.
        """
        if set(self.verdicts) != {word}:
            raise UserError(f"a page claims that each contrast is {word}; they are {', '.join(self.verdicts)}")
        return word
