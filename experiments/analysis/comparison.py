"""A variant against its reference on one task: one rank statistic gives effect, interval, direction and p-value.

Scores are arrays `(replicates,)`, the same replicates for both.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import special, stats

from experiments.analysis.direction import costs
from experiments.analysis.estimators import Estimate
from experiments.analysis.planning import seeds_to_conclude
from experiments.analysis.rank_tests import ALPHA, RankTest, mann_whitney, rank_p_value, signed_ranks

CORRELATED = 0.5  # rank correlation of the scores of shared seeds from which they are compared pair by pair
UNKNOWN = Estimate(math.nan, math.nan, math.nan, 0)


@dataclass(frozen=True)
class Comparison:
    """What a rank statistic says of a variant and its reference.

    Attributes:
        difference: Shift of the scores, variant - reference, in the unit of the score. `count` is the number of runs of
            the smaller group, or of pairs. Infinite: so many runs diverged.
        ratio: The same of their logarithms: how many times the reference's scores those of the variant are. NaN unless
            all scores are positive.
        improvement: Probability that a run of the variant is better than one of the reference.
        p: Two-sided p-value; NaN if a group has no run.
        better: Whether the variant is the better one in this statistic; None if neither is.
        paired: Whether scores were compared seed by seed.
        correlation: Rank correlation of the scores of shared seeds; NaN if it cannot be computed.
    """

    difference: Estimate
    ratio: Estimate
    improvement: Estimate
    p: float
    better: bool | None
    paired: bool
    correlation: float


def compare(
    scores: np.ndarray,
    reference: np.ndarray,
    better: str,
    resampled: bool = False,
    comparisons: int = 1,
    *,
    paired: bool | None = None,
    alpha: float = ALPHA,
) -> Comparison:
    """Compare two rows of scores by ranks; a diverged run (infinite) is the worst outcome, a missing one (NaN) is none.

    Independent groups: the exact test of Mann and Whitney (1947), the shift of Hodges and Lehmann (1963) with the
    interval that inverts the test, and the probability of improvement, which is the statistic itself over the number
    of pairs of runs. It needs no distribution, and can decide from 4 runs of each on (5 for up to six comparisons).

    Pairs: the signed-rank test of Wilcoxon (1945) with the median of the Walsh averages. Seeds are pairs if they draw
    the data anew, or if the rank correlation of their scores is at least 0.5, and if there are enough for this test to
    conclude; else the groups count as independent, which is valid for correlated ones too, and less sharp. That the
    choice by correlation keeps false alarms at 5 % is simulated by `python -m benchmarks.coverage`.

    Args:
        scores: Of the variant, `(replicates,)`.
        reference: Of the reference, for the same replicates.
        better: `lower` or `higher`.
        resampled: Whether each seed draws its data anew, which both share.
        comparisons: Size of the family of tests, that is how many pairs the signed-rank test needs.
        paired: Whether to compare pair by pair, where that was decided beforehand.
        alpha: One minus the confidence of all intervals.

    Raises:
        ValueError: if the two are not of one shape `(replicates,)`.
    """
    variant, rival = (costs(values, better) for values in same_seeds(scores, reference))
    both = ~np.isnan(variant) & ~np.isnan(rival)
    correlation = _correlation(variant[both], rival[both])
    if paired is None:
        paired = bool(resampled or correlation >= CORRELATED) and both.sum() >= seeds_to_conclude(comparisons)
    groups = _groups(variant, rival, paired)
    if min(map(len, groups)) == 0:
        return Comparison(UNKNOWN, UNKNOWN, UNKNOWN, math.nan, None, False, correlation)
    test = partial(signed_ranks if paired else mann_whitney, alpha=alpha)
    result = test(*groups)
    return Comparison(
        difference=result.shift if better == "lower" else _turned(result.shift),
        ratio=_ratio(test, groups, better),
        improvement=improvement(scores, reference, better, alpha),
        p=result.p,
        better=None if result.side == 0 else result.side < 0,
        paired=bool(paired),
        correlation=correlation,
    )


def loss(scores: np.ndarray, reference: np.ndarray, better: str) -> Estimate:
    """How much worse scores are than those of the same replicates in the reference, in the unit of the score.

    The median of the Walsh averages of the differences, with the interval that inverts the signed-rank test (Wilcoxon
    1945), infinite where there are too few pairs for it. Positive is worse, also where more is better.
    """
    pair = (scores, reference) if better == "lower" else (reference, scores)
    return compare(*pair, better, paired=True).difference


def _groups(variant: np.ndarray, rival: np.ndarray, paired: bool) -> tuple[np.ndarray, np.ndarray]:
    """Costs without missing ones: of seeds that both have if they are pairs, else of each by itself."""
    here, there = ~np.isnan(variant), ~np.isnan(rival)
    return (variant[here & there], rival[here & there]) if paired else (variant[here], rival[there])


def p_value(scores: np.ndarray, reference: np.ndarray, better: str, paired: bool) -> float:
    """P-value alone of the test that `compare` makes, of pairs or independent groups; NaN if a group has no run."""
    variant, rival = (costs(values, better) for values in same_seeds(scores, reference))
    groups = _groups(variant, rival, paired)
    return rank_p_value(*groups, paired) if min(map(len, groups)) else math.nan


def same_seeds(scores: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64.

    Raises ValueError if the two are not of one shape `(replicates,)`.
    """
    scores, reference = np.asarray(scores, "float64"), np.asarray(reference, "float64")
    if scores.ndim != 1 or scores.shape != reference.shape:
        raise ValueError(
            f"scores {scores.shape}, reference {reference.shape}: must both be (seeds,), of the same seeds"
        )
    return scores, reference


def _correlation(variant: np.ndarray, rival: np.ndarray) -> float:
    """Spearman's, NaN for fewer than three pairs or where one of the two has no spread."""
    ranks = [stats.rankdata(values) for values in (variant, rival)]
    if len(variant) < 3 or any(np.ptp(values) == 0 for values in ranks):
        return math.nan
    return float(np.corrcoef(*ranks)[0, 1])


def _turned(shift: Estimate) -> Estimate:
    return Estimate(-shift.value, -shift.high, -shift.low, shift.count)


def _ratio(test: Callable[..., RankTest], groups: Sequence[np.ndarray], better: str) -> Estimate:
    """The shift of the logarithms of scores, as a factor."""
    finite = np.concatenate([group[np.isfinite(group)] for group in groups])
    if better == "higher" or not (finite > 0).all() or len(finite) == 0:
        return UNKNOWN
    shift = test(*(np.log(group) for group in groups)).shift
    ends = (math.nan, math.nan) if math.isinf(shift.low) and math.isinf(shift.high) else (shift.low, shift.high)
    return Estimate(*(float(np.exp(value)) for value in (shift.value, *ends)), shift.count)


def improvement(scores: np.ndarray, reference: np.ndarray, better: str, alpha: float = ALPHA) -> Estimate:
    """Probability that a run of the variant beats a run of the reference, over all pairs of runs, ties half.

    This is the statistic of Mann and Whitney over the number of pairs (Agarwal et al. 2021, section 4.3). An infinite
    score, of either sign, is a trial that diverged, worse than every finite score; NaN is a missing one, left out.
    `count` is the number of runs of the variant or of the reference, whichever is smaller.

    Interval: all p with (value - p)^2 <= t^2 f V(p). V is the variance of Hanley and McNeil as Newcombe (2006, method
    5) solves for it, which leaves an interval of some width at 0 and 1 too. f is the ratio of two variances, with and
    without the covariance of the shares of rivals that runs of one seed beat (DeLong et al. 1988): how much more
    certain the shared seeds make the comparison. t has 1.5 (m + n) degrees of freedom for m and n runs, chosen by
    simulation.
    """
    variant, rival = (costs(values, better) for values in same_seeds(scores, reference))
    here, there = ~np.isnan(variant), ~np.isnan(rival)
    runs, rivals = int(here.sum()), int(there.sum())
    count = min(runs, rivals)
    if count == 0:
        return UNKNOWN
    wins = (variant[:, None] < rival) + 0.5 * (variant[:, None] == rival)
    value = float(wins[np.ix_(here, there)].mean())
    if count == 1:
        return Estimate(value, float("nan"), float("nan"), 1)
    variant_shares = np.where(here, wins[:, there].mean(1) - value, 0) / runs
    rival_shares = np.where(there, wins[here].mean(0) - value, 0) / rivals
    apart = (variant_shares**2).sum() + (rival_shares**2).sum()
    pairing = max(((variant_shares + rival_shares) ** 2).sum() / apart, 1 / (runs * rivals)) if apart else 1.0
    low, high = _newcombe(value, runs, rivals, special.stdtrit(1.5 * (runs + rivals), 1 - alpha / 2) * np.sqrt(pairing))
    return Estimate(value, low, high, count)


def _newcombe(value: float, runs: int, rivals: int, deviates: float) -> tuple[float, float]:
    """Ends of the p with |value - p| <= deviates * sqrt(V(p)), both found by halving at once."""
    inside, outside = np.array([value, value]), np.array([0.0, 1.0])
    more = (runs + rivals) / 2 - 1
    for _ in range(40):
        p = (inside + outside) / 2
        variance = p * (1 - p) * (1 + more * ((1 - p) / (2 - p) + p / (1 + p))) / (runs * rivals)
        within = np.abs(value - p) <= deviates * np.sqrt(variance)
        inside, outside = np.where(within, p, inside), np.where(within, outside, p)
    return float(outside[0]), float(outside[1])


def independent(scores: np.ndarray, reference: np.ndarray, better: str) -> float:
    """P-value of Mann and Whitney's test of two groups of any two lengths; NaN if one of them is empty."""
    groups = [group[~np.isnan(group)] for group in (costs(scores, better), costs(reference, better))]
    return mann_whitney(*groups).p if min(map(len, groups)) else math.nan


def rates(count: int, total: int, reference_count: int, reference_total: int) -> float:
    """P-value of Fisher's exact test (1922) of two shares, two-sided; NaN if one is of nothing."""
    if not (total and reference_total):
        return math.nan
    table = [[count, total - count], [reference_count, reference_total - reference_count]]
    return float(stats.fisher_exact(table).pvalue)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjust p-values so that the chance of any false alarm among them is at most alpha (Holm 1979).

    NaN, a comparison that could not be made, stays NaN and does not count in the family.
    """
    adjusted = np.array(p_values, "float64")
    there = ~np.isnan(adjusted)
    if there.any():  # statsmodels' multipletests collects garbage at each call, 80 ms
        order = np.argsort(adjusted[there])
        stepped = np.maximum.accumulate(adjusted[there][order] * np.arange(len(order), 0, -1))
        adjusted[np.flatnonzero(there)[order]] = np.minimum(1, stepped)
    return adjusted
