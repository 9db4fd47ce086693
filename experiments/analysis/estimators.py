"""Estimates from the scores of one variant on one task: median, mean and spread over the seeds."""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from experiments.analysis.direction import costs, sign

LEAST_ORDERED = 5  # scores of which two can span 93 % or more


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval and the number of scores (or pairs, or runs) that it is made of.

    `low` and `high` are NaN if there are too few scores for an interval; `value` is NaN if there is none.
    """

    value: float
    low: float
    high: float
    count: int


def interval(value: float, error: float, freedom: float, count: int) -> Estimate:
    """Value ± t * standard error, with Student's t at 97.5 % and the given degrees of freedom."""
    half = float(special.stdtrit(freedom, 0.975) * error) if count > 1 else float("nan")
    return Estimate(float(value), float(value - half), float(value + half), count)


def finite(scores: np.ndarray) -> np.ndarray:
    """Scores that are numbers, in float64: neither missing nor diverged."""
    scores = np.asarray(scores, "float64")
    return scores[np.isfinite(scores)]


def mean(scores: np.ndarray) -> Estimate:
    """Mean of the finite scores, shape `(seeds,)`, with Student's t interval, exact for normal scores."""
    values = finite(scores)
    if len(values) == 0:
        return interval(np.nan, np.nan, np.nan, 0)
    return interval(values.mean(), deviation(values) / np.sqrt(len(values)), len(values) - 1, len(values))


def median(scores: np.ndarray, better: str) -> Estimate:
    """Median of all scores, shape `(seeds,)`, a diverged run (infinite) being the worst; NaN is missing.

    Interval: between order statistics, for any distribution, interpolated to 95 % (Hettmansperger and Sheather 1986).
    It never leaves the range of the scores. The 5 scores of 5 seeds span 93.75 %; of fewer there is no interval.
    """
    turned = costs(scores, better)
    ordered = np.sort(turned[~np.isnan(turned)])
    count = len(ordered)
    if count == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    ends = _order_interval(ordered) if count >= LEAST_ORDERED else (np.nan, np.nan)
    value, *ends = (
        sign(better) * number for number in (_mix(ordered[(count - 1) // 2], ordered[count // 2], 0.5), *ends)
    )
    return Estimate(float(value), float(min(ends)), float(max(ends)), count)


def _order_interval(ordered: np.ndarray) -> tuple[float, float]:
    count = len(ordered)
    ranks = np.arange(1, count // 2 + 1)
    coverage = 1 - 2 * stats.binom.cdf(ranks - 1, count, 0.5)
    rank = max(int((coverage >= 0.95).sum()), 1)
    if coverage[rank - 1] < 0.95 or rank == len(ranks):
        return ordered[rank - 1], ordered[-rank]
    share = (coverage[rank - 1] - 0.95) / (coverage[rank - 1] - coverage[rank])
    weight = (count - rank) * share / (rank + (count - 2 * rank) * share)
    return _mix(ordered[rank - 1], ordered[rank], weight), _mix(ordered[-rank], ordered[-rank - 1], weight)


def _mix(first: float, second: float, weight: float) -> float:
    """Weighted mean of two costs, of which either may be infinite."""
    return first if first == second else (1 - weight) * first + weight * second


def deviation(scores: np.ndarray) -> float:
    """Sample standard deviation (division by n - 1) of the finite scores; NaN for fewer than two."""
    values = finite(scores)
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")
