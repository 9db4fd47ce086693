"""Estimates from the scores of one variant on one task: mean, interquartile mean and spread over the seeds."""

from dataclasses import dataclass

import numpy as np
from scipy import special

TRIM = 0.25  # share cut off at each end by the interquartile mean


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval and the number of scores (or pairs, or runs) that it is made of.

    `low` and `high` are NaN if fewer than two scores are there; `value` is NaN if there is none.
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


def interquartile_mean(scores: np.ndarray) -> Estimate:
    """Mean of the middle half of the finite scores, shape `(seeds,)`, less moved by a single bad seed than the mean.

    Of n scores the int(n / 4) smallest and as many largest are left out (Agarwal et al. 2021, section 4.3). Interval:
    Student's t with h - 1 degrees of freedom, for the h scores that remain, and the standard error
    sqrt((n - 1) / (h (h - 1))) * s, where s is the standard deviation of the scores after those left out were
    replaced by the nearest that remains (Yuen 1974).
    """
    ordered = np.sort(finite(scores))
    count = len(ordered)
    cut = int(TRIM * count)
    remaining = count - 2 * cut
    if count < 2:
        return interval(ordered[0] if count else np.nan, np.nan, np.nan, count)
    winsorised = np.clip(ordered, ordered[cut], ordered[count - cut - 1])
    error = deviation(winsorised) * np.sqrt((count - 1) / (remaining * (remaining - 1)))
    return interval(ordered[cut : count - cut].mean(), error, remaining - 1, count)


def deviation(scores: np.ndarray) -> float:
    """Sample standard deviation (division by n - 1) of the finite scores; NaN for fewer than two."""
    values = finite(scores)
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")
