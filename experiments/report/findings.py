"""Estimates of the scores of each row, and its comparison with another one, by task."""

import math
from dataclasses import dataclass

import numpy as np

from experiments import analysis
from experiments.analysis import Estimate
from experiments.report.study import Study, TaskResults
from experiments.tracking.metadata import Param

ALPHA = 0.05
BEST_SHARE = 0.1  # of the draws of a search, by validation score (Greff et al. 2017, section IV)


@dataclass(frozen=True)
class Comparison:
    """A row against the row it is compared with, on one task.

    Attributes:
        reference: That other row.
        difference: Mean of score minus the reference's, with the same seed.
        improvement: Probability that a run of the row is better than one of the reference.
        p: Of the Wilcoxon signed-rank test; NaN if there is no pair.
        adjusted: The same after Holm's correction for all comparisons of the task.
        enough: Least number of pairs at which the test can conclude at all.
        needed: Number of pairs that would show a difference of this size with a power of 80 %; None if unknown.
    """

    reference: str
    difference: Estimate
    improvement: Estimate
    p: float
    adjusted: float
    enough: int
    needed: int | None

    @property
    def shown(self) -> bool:
        """Whether the difference is more than chance would give, at the 5 % level after correction."""
        return self.adjusted < ALPHA

    @property
    def too_few(self) -> bool:
        """Whether there are too few pairs to conclude, whatever the scores are."""
        return self.difference.count < self.enough


@dataclass(frozen=True)
class Finding:
    """The estimates of one row on one task.

    Attributes:
        row: The row.
        mean: Mean of the test score.
        interquartile_mean: Mean of the middle half of the scores.
        deviation: Standard deviation of the scores.
        comparison: With another row; None for one that is compared with none.
        units: Least and largest number of units.
        parameters: Least and largest number of trainable parameters.
        step_ms: Median duration of a training step, in milliseconds; NaN if it was not measured.
    """

    row: str
    mean: Estimate
    interquartile_mean: Estimate
    deviation: float
    comparison: Comparison | None
    units: tuple[int, int] | None
    parameters: tuple[int, int] | None
    step_ms: float


@dataclass(frozen=True)
class TaskFindings:
    """The estimates on one task, by row."""

    results: TaskResults
    rows: tuple[Finding, ...]

    @property
    def comparisons(self) -> list[tuple[str, Comparison]]:
        """Each row that is compared, with its comparison."""
        return [(finding.row, finding.comparison) for finding in self.rows if finding.comparison is not None]

    def verdict(self, row: str) -> str:
        """Whether a row is shown to be `better` or `worse` than its reference, or neither: ""."""
        comparison = dict(self.comparisons).get(row)
        if comparison is None or not comparison.shown:
            return ""
        lower = comparison.difference.value < 0
        return "better" if lower == (self.results.score.better == "lower") else "worse"

    @property
    def best(self) -> str | None:
        """The row with the best mean, if there are several with a score."""
        means = {finding.row: finding.mean.value for finding in self.rows if math.isfinite(finding.mean.value)}
        choose = min if self.results.score.better == "lower" else max
        return choose(means, key=lambda row: means[row]) if len(means) > 1 else None


def find(study: Study, task: TaskResults) -> TaskFindings:
    """Estimate the score of each row and compare it with its reference on the same seeds."""
    compared = {row: study.compared[row] for row in task.rows if study.compared.get(row) in task.rows}
    comparisons = dict(zip(compared, _comparisons(task, compared), strict=True))
    steps = task.values("time/step_ms")
    return TaskFindings(
        task,
        tuple(
            Finding(
                row=row,
                mean=analysis.mean(task.scores[number]),
                interquartile_mean=analysis.interquartile_mean(task.scores[number]),
                deviation=analysis.deviation(task.scores[number]),
                comparison=comparisons.get(row),
                units=task.number(number, Param.UNITS),
                parameters=task.number(number, Param.PARAMETERS),
                step_ms=_median(steps[number]),
            )
            for number, row in enumerate(task.rows)
        ),
    )


def _comparisons(task: TaskResults, compared: dict[str, str]) -> list[Comparison]:
    scores = dict(zip(task.rows, task.scores, strict=True))
    ranked = dict(zip(task.rows, task.ranked(), strict=True))
    pairs = [(row, other, scores[row] - scores[other]) for row, other in compared.items()]
    p_values = [analysis.wilcoxon(scores[row], scores[other]) for row, other, _ in pairs]
    count = max(int(np.isfinite(p_values).sum()), 1)
    enough = analysis.seeds_to_conclude(count, ALPHA)
    return [
        Comparison(
            reference=other,
            difference=analysis.difference(scores[row], scores[other]),
            improvement=analysis.improvement(ranked[row], ranked[other], task.score.better),
            p=p,
            adjusted=adjusted,
            enough=enough,
            needed=analysis.seeds_for_power(differences[np.isfinite(differences)], count, ALPHA),
        )
        for (row, other, differences), p, adjusted in zip(pairs, p_values, analysis.holm(p_values), strict=True)
    ]


def _median(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else math.nan
