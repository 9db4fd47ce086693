"""A variant against the reference on one task: scores of the same seeds, arrays of shape `(seeds,)`."""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from scipy import special, stats
from statsmodels.stats.power import TTestPower

from experiments.analysis.direction import costs
from experiments.analysis.estimators import Estimate, deviation, finite, mean

EXACT = 50  # pairs up to which the signed-rank test is exact
EFFICIENCY = 3 / np.pi  # pairs of the t test that do what one pair does in the signed-rank test, for normal differences
MOST_SEEDS = 10_000


def differences(scores: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Scores - reference for the seeds at which both are finite.

    Raises ValueError if the two are not of one shape `(seeds,)`.
    """
    scores, reference = _same_seeds(scores, reference)
    both = np.isfinite(scores) & np.isfinite(reference)
    return scores[both] - reference[both]


def _same_seeds(scores: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, reference = np.asarray(scores, "float64"), np.asarray(reference, "float64")
    if scores.ndim != 1 or scores.shape != reference.shape:
        raise ValueError(
            f"scores {scores.shape}, reference {reference.shape}: must both be (seeds,), of the same seeds"
        )
    return scores, reference


def difference(scores: np.ndarray, reference: np.ndarray) -> Estimate:
    """Mean of scores - reference over the seeds at which both are finite, with Student's t interval.

    Trials that diverged are in no pair: say beside it how many there are.
    """
    return mean(differences(scores, reference))


def wilcoxon(scores: np.ndarray, reference: np.ndarray) -> float:
    """P-value of the two-sided signed-rank test of Wilcoxon (1945), over the seeds at which both are finite.

    Seeds with equal scores are left out. Exact for up to 50 pairs, with differences tied in size too, else by the
    normal approximation. 1 if all differences are zero, NaN if there is no pair.
    """
    pairs = differences(scores, reference)
    if len(pairs) == 0:
        return float("nan")
    # 0.3 - 0.2 and 0.2 - 0.1 differ in their last bit: rounded, they are the tie that they are on paper.
    pairs = np.round(pairs / _largest(scores, reference), 14)
    pairs = pairs[pairs != 0]
    if len(pairs) == 0:
        return 1.0
    return _signed_rank(pairs) if len(pairs) <= EXACT else float(stats.wilcoxon(pairs).pvalue)


def _largest(*groups: np.ndarray) -> float:
    return max(np.abs(finite(group)).max() for group in groups) or 1.0


def _signed_rank(differences: np.ndarray) -> float:
    """Exact two-sided p-value: each rank is positive or negative with probability 1/2, tied ones share their mean."""
    ranks = np.rint(2 * stats.rankdata(np.abs(differences))).astype(int)  # twice, to be whole with ties too
    chances = np.zeros(ranks.sum() + 1)  # of each sum of the positive ranks
    chances[0] = 1.0
    for rank in ranks:
        chances[rank:] += chances[:-rank].copy()
        chances /= 2
    smaller = min(ranks[differences > 0].sum(), ranks[differences < 0].sum())
    return float(min(1.0, 2 * chances[: smaller + 1].sum()))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjust p-values so that the chance of any false alarm among them is at most alpha (Holm 1979).

    NaN, a comparison that could not be made, stays NaN and does not count in the family.
    """
    adjusted = np.array(p_values, "float64")
    order = np.argsort(adjusted)  # NaN last
    order = order[: int((~np.isnan(adjusted)).sum())]
    multiples = adjusted[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(multiples), 1)
    return adjusted


def improvement(scores: np.ndarray, reference: np.ndarray, better: str) -> Estimate:
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
    variant, rival = (costs(values, better) for values in _same_seeds(scores, reference))
    here, there = ~np.isnan(variant), ~np.isnan(rival)
    runs, rivals = int(here.sum()), int(there.sum())
    count = min(runs, rivals)
    if count == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    wins = (variant[:, None] < rival) + 0.5 * (variant[:, None] == rival)
    value = float(wins[np.ix_(here, there)].mean())
    if count == 1:
        return Estimate(value, float("nan"), float("nan"), 1)
    variant_shares = np.where(here, wins[:, there].mean(1) - value, 0) / runs
    rival_shares = np.where(there, wins[here].mean(0) - value, 0) / rivals
    apart = (variant_shares**2).sum() + (rival_shares**2).sum()
    pairing = max(((variant_shares + rival_shares) ** 2).sum() / apart, 1 / (runs * rivals)) if apart else 1.0
    low, high = _newcombe(value, runs, rivals, special.stdtrit(1.5 * (runs + rivals), 0.975) * np.sqrt(pairing))
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


def seeds_to_conclude(comparisons: int, alpha: float = 0.05) -> int:
    """Fewest seeds at which the exact signed-rank test can reach a Holm-adjusted p below alpha at all.

    With n pairs the smallest p is 2 / 2^n, times the number of comparisons in the family.
    """
    if comparisons < 1:
        raise ValueError(f"comparisons={comparisons}: must be at least 1")
    seeds = 1
    while 2 / 2**seeds * comparisons >= alpha:
        seeds += 1
    return seeds


def seeds_for_power(differences: np.ndarray, comparisons: int, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """Seeds at which a difference as large as the one seen would be shown with probability `power`.

    Power of the two-sided paired t test for normal differences with the mean and the deviation seen, at alpha /
    comparisons, as the first step of Holm's procedure has it; n pairs count as 3 n / pi, the efficiency of the
    signed-rank test relative to the t test. At least `seeds_to_conclude`. A planning figure: from few seeds, the mean
    and the deviation are rough themselves. None if there are fewer than two differences, if their mean is zero, or if
    10,000 seeds would not do.
    """
    seen = finite(differences)
    fewest = seeds_to_conclude(comparisons, alpha)
    if len(seen) < 2 or seen.mean() == 0:
        return None
    if deviation(seen) == 0:
        return fewest
    effect = abs(seen.mean()) / deviation(seen)

    def reached(seeds: int) -> bool:
        chance = TTestPower().power(effect, EFFICIENCY * seeds, alpha / comparisons)
        return not chance < power  # NaN, where the effect is too large for the distribution of t, is as good as 1

    candidates = range(fewest, MOST_SEEDS + 1)
    position = bisect_left(candidates, True, key=reached)
    return candidates[position] if position < len(candidates) else None


def welch(scores: np.ndarray, reference: np.ndarray) -> float:
    """P-value of Welch's two-sided t test on two unpaired groups of finite scores, of any two lengths.

    For the best 10 % of the trials of a random search (Greff et al. 2017, section IV). NaN if a group has fewer than
    two scores, or if neither has any spread.
    """
    groups = [finite(scores), finite(reference)]
    if min(map(len, groups)) < 2 or not any(map(deviation, groups)):
        return float("nan")
    summaries = [number for group in groups for number in (group.mean(), deviation(group), len(group))]
    return float(stats.ttest_ind_from_stats(*summaries, equal_var=False).pvalue)
