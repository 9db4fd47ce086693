"""What the scores of one variant on one task say: mean, interquartile mean and spread over the seeds."""

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
    """Give the scores that are numbers, in float64: neither missing nor diverged."""
    scores = np.asarray(scores, "float64")
    return scores[np.isfinite(scores)]


def mean(scores: np.ndarray) -> Estimate:
    """Mean of the finite scores, shape `(seeds,)`, with Student's t interval, exact for normal scores."""
    found = finite(scores)
    if len(found) == 0:
        return interval(np.nan, np.nan, np.nan, 0)
    return interval(found.mean(), deviation(found) / np.sqrt(len(found)), len(found) - 1, len(found))


def interquartile_mean(scores: np.ndarray) -> Estimate:
    """Mean of the middle half of the finite scores, shape `(seeds,)`, less moved by a single bad seed than the mean.

    Of n scores the int(n / 4) smallest and as many largest are left out (Agarwal et al. 2021, section 4.3). Interval:
    Student's t with h - 1 degrees of freedom, for the h scores that remain, and the standard error
    sqrt((n - 1) / (h (h - 1))) * s, where s is the standard deviation of the scores after those left out were
    replaced by the nearest that remains (Yuen 1974).
    """
    found = np.sort(finite(scores))
    count = len(found)
    cut = int(TRIM * count)
    kept = count - 2 * cut
    if count < 2:
        return interval(found[0] if count else np.nan, np.nan, np.nan, count)
    winsorised = np.clip(found, found[cut], found[count - cut - 1])
    error = deviation(winsorised) * np.sqrt((count - 1) / (kept * (kept - 1)))
    return interval(found[cut : count - cut].mean(), error, kept - 1, count)


def deviation(scores: np.ndarray) -> float:
    """Sample standard deviation (division by n - 1) of the finite scores; NaN for fewer than two."""
    found = finite(scores)
    return float(found.std(ddof=1)) if len(found) > 1 else float("nan")
