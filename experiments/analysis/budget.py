"""What a search can be expected to find by its number of draws."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from experiments.analysis.direction import costs, sign

BAND = (0.1, 0.9)  # quantiles of the best score


@dataclass(frozen=True)
class Budget:
    """The best validation score of n random draws, for every n from 1 to as many as there are.

    Attributes:
        expected: Its expectation, `(draws,)`.
        low, high: Between them it lies in 80 % of the searches, `(draws,)`.
    """

    expected: np.ndarray
    low: np.ndarray
    high: np.ndarray


def expected_best(scores: np.ndarray, better: str) -> Budget:
    """Expected validation performance by budget (Dodge et al. 2019, section 3).

    Estimated without replacement, over all sets of n of the draws, which has no bias (Tang et al. 2020). The draws must
    be independent and from one distribution, those of a random search.

    Args:
        scores: Of the draws, shape `(draws,)`; an infinite one diverged and counts as the worst of the others, NaN is
            missing.
        better: `lower` or `higher`.
    """
    turned = costs(scores, better)
    turned = turned[~np.isnan(turned)]
    finite = turned[np.isfinite(turned)]
    if not len(finite):
        return Budget(*(np.full(len(turned), np.nan) for _ in range(3)))
    ordered = np.sort(np.where(np.isfinite(turned), turned, finite.max()))
    count = len(ordered)
    sizes, places = np.arange(1, count + 1)[:, None], np.arange(count)[None, :]
    # Of the sets of so many draws those whose best is at a place: the others are chosen from what is worse.
    with np.errstate(invalid="ignore"):
        logs = _choose(count - 1 - places, sizes - 1) - _choose(count, sizes)
    chances = np.where(places <= count - sizes, np.exp(np.where(places <= count - sizes, logs, 0.0)), 0.0)
    below = np.cumsum(chances, axis=1)
    low, high = (ordered[np.minimum((below < share - 1e-12).sum(axis=1), count - 1)] for share in BAND)
    turn = sign(better)
    ends = (low, high) if turn > 0 else (high, low)
    return Budget(turn * (chances @ ordered), *(turn * end for end in ends))


def _choose(total: np.ndarray | int, part: np.ndarray) -> np.ndarray:
    """The logarithm of a binomial coefficient; NaN or infinite where there is none."""
    return special.gammaln(total + 1) - special.gammaln(part + 1) - special.gammaln(np.asarray(total) - part + 1.0)


def quartiles(scores: np.ndarray) -> tuple[float, float, float]:
    """The quartiles of the finite scores; NaN if there are none."""
    finite = np.asarray(scores, "float64")[np.isfinite(scores)]
    return tuple(map(float, np.quantile(finite, (0.25, 0.5, 0.75)))) if len(finite) else (math.nan,) * 3  # type: ignore[return-value]
