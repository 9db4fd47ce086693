"""How many seeds a comparison needs, and what a number of seeds can show. Planning figures, not results."""

from bisect import bisect_left
from collections.abc import Callable

import numpy as np
from scipy import optimize, special, stats
from statsmodels.stats.power import TTestIndPower

ALPHA, POWER = 0.05, 0.8
EFFICIENCY = 3 / np.pi  # runs of the t test that do what one run does in a rank test, for normal scores
CAUTION = 0.8  # confidence of the upper limit of a deviation
MOST_SEEDS = 10_000
LARGEST_SHIFT = 20.0  # deviations; 4 runs of each show it


def seeds_to_conclude(comparisons: int, alpha: float = ALPHA) -> int:
    """Fewest pairs at which the exact signed-rank test can reach a Holm-adjusted p below alpha at all.

    With n pairs the smallest p is 2 / 2^n, times the number of comparisons in the family.
    """
    return _fewest(comparisons, alpha, lambda seeds: 2 / 2**seeds)


def runs_to_conclude(comparisons: int, alpha: float = ALPHA) -> int:
    """Fewest runs of each of two independent groups at which the exact test of Mann and Whitney can do so.

    With n runs of each the smallest p is 2 / (2n choose n): 4 runs for one comparison, 5 for 2 to 6.
    """
    return _fewest(comparisons, alpha, lambda runs: 2 / special.comb(2 * runs, runs))


def _fewest(comparisons: int, alpha: float, smallest: Callable[[int], float]) -> int:
    if comparisons < 1:
        raise ValueError(f"comparisons={comparisons}: must be at least 1")
    return next(count for count in range(1, MOST_SEEDS) if smallest(count) * comparisons < alpha)


def upper_deviation(*groups: np.ndarray) -> float:
    """Upper 80 % confidence limit of the standard deviation within groups, pooled, for normal scores (Browne 1995).

    s sqrt(f / q), with s the pooled deviation of the finite scores, f their degrees of freedom and q the 20 % quantile
    of the chi-squared distribution: a deviation from few seeds is as often too small as too large, and a plan that
    rests on it is short of seeds half of the time. NaN without two scores in any group.
    """
    groups = tuple(group[np.isfinite(group)] for group in groups)
    freedom = sum(max(len(group) - 1, 0) for group in groups)
    if freedom == 0:
        return float("nan")
    squares = sum(((group - group.mean()) ** 2).sum() for group in groups if len(group))
    return float(np.sqrt(squares / stats.chi2.ppf(1 - CAUTION, freedom)))


def detectable(runs: int, comparisons: int = 1, alpha: float = ALPHA, power: float = POWER) -> float:
    """Shift, in standard deviations, that a test with `runs` runs of each of two groups shows with that power.

    Power of the two-sided t test of independent groups at alpha / comparisons, as the first step of Holm's procedure
    has it, with 3 n / pi runs for n in a rank test. Infinite if so few runs cannot conclude at all.
    """
    if runs < runs_to_conclude(comparisons, alpha):
        return float("inf")
    return float(optimize.brentq(lambda shift: _power(shift, runs, alpha / comparisons) - power, 0, LARGEST_SHIFT))


def _power(shift: float, runs: int, alpha: float) -> float:
    power = TTestIndPower().power(shift, EFFICIENCY * runs, alpha)
    return float(np.nan_to_num(power, nan=1.0))  # where the noncentral t overflows there is nothing left to miss


def seeds_for_effect(
    effect: float, deviation: float, comparisons: int = 1, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Runs of each of two groups that show a shift of `effect` with that power, for scores of this deviation.

    `effect` is the smallest one of interest, never the one that was seen: a plan from that takes its luck for size.
    None if 10,000 would not do, or if one of the numbers is no positive number.
    """
    if not (effect > 0 and deviation >= 0 and np.isfinite([effect, deviation]).all()):
        return None
    candidates = range(runs_to_conclude(comparisons, alpha), MOST_SEEDS + 1)
    position = bisect_left(
        candidates, True, key=lambda runs: detectable(runs, comparisons, alpha, power) * deviation <= effect
    )
    return candidates[position] if position < len(candidates) else None
