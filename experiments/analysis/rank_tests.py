"""Exact rank tests, and the intervals of a shift that invert them.

Scores are costs here: lower is better, and an infinite one is a trial that diverged, worse than every other. The
distribution of a test statistic under the null hypothesis is that of the ranks at hand, ties among them included, over
all assignments of the ranks to the two groups (Mann-Whitney) or of signs to the ranks (Wilcoxon).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from experiments.analysis.estimators import Estimate

ALPHA = 0.05
EXACT = 60  # scores of both groups, or pairs, up to which distributions are exact; normal beyond
SAME = 1e-13  # relative size below which two differences are the same but for rounding

Tails = tuple[float, float]


@dataclass(frozen=True)
class RankTest:
    """A two-sided test by ranks.

    Attributes:
        p: The p-value.
        shift: By how much the costs are larger than those of the reference.
        side: -1 if they are lower in the ranks, 1 if higher, 0 if neither.
    """

    p: float
    shift: Estimate
    side: int


def _test(
    tails: Tails, differences: np.ndarray, shifted: Callable[[float], Tails], count: int, alpha: float
) -> RankTest:
    low, high = tails
    shift = Estimate(_median(differences), *_inverted(differences, tails, shifted, alpha), count)
    return RankTest(min(1.0, 2 * min(tails)), shift, int(low > high) - int(low < high))


def mann_whitney(costs: np.ndarray, reference: np.ndarray, alpha: float = ALPHA) -> RankTest:
    """Test of Mann and Whitney (1947) of two independent groups, and the shift of Hodges and Lehmann (1963).

    The shift is the median of all differences costs - reference between a score of the one and one of the other group.
    Its 1 - alpha interval holds every shift that the test at alpha does not refuse. An end is infinite where it refuses
    none; two trials that diverged differ by 0.
    """
    tails = _rank_sum_tails(costs, reference)
    differences = _differences(costs[:, None], reference).ravel()
    count = min(len(costs), len(reference))
    return _test(tails, differences, lambda shift: _rank_sum_tails(costs, reference + shift), count, alpha)


def signed_ranks(costs: np.ndarray, reference: np.ndarray, alpha: float = ALPHA) -> RankTest:
    """Signed-rank test of Wilcoxon (1945) of pairs, and the median of the Walsh averages as the shift.

    Pairs without a difference are ranked and then left out (Pratt 1959), so that the test and the Walsh averages, the
    means of any two differences or of one with itself, agree. The interval inverts the test as that of `mann_whitney`.
    """
    pairs = _differences(costs, reference)
    first, second = np.triu_indices(len(pairs))
    with np.errstate(invalid="ignore"):
        walsh = np.nan_to_num((pairs[first] + pairs[second]) / 2, nan=0.0, posinf=np.inf, neginf=-np.inf)
    return _test(_sign_tails(pairs), walsh, lambda shift: _sign_tails(pairs - shift), len(pairs), alpha)


def rank_p_value(costs: np.ndarray, reference: np.ndarray, paired: bool) -> float:
    """P-value alone, of signed ranks for pairs, else of Mann and Whitney: a fraction of the time of the interval."""
    tails = _sign_tails(_differences(costs, reference)) if paired else _rank_sum_tails(costs, reference)
    return min(1.0, 2 * min(tails))


def _differences(costs: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Differences, 0 where both are infinite or where they differ by rounding only."""
    with np.errstate(invalid="ignore"):
        differences = costs - reference
        rounding = np.isfinite(reference) & (np.abs(differences) <= SAME * np.abs(reference))
        return np.where(np.isnan(differences) | rounding, 0.0, differences)


def _median(differences: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):
        return float(np.nan_to_num(np.median(differences), nan=0.0, posinf=np.inf, neginf=-np.inf))


def _inverted(
    differences: np.ndarray, tails: Tails, shifted: Callable[[float], Tails], alpha: float
) -> tuple[float, float]:
    """Ends of the shifts that are not refused.

    A test by ranks changes at the differences only: it is tried between each two neighbours of them, and at 0.
    """
    finite = np.unique(differences[np.isfinite(differences)])
    if len(finite) > 1:
        finite = finite[np.append(True, np.diff(finite) > SAME * np.abs(finite).max())]
    edges = np.concatenate([[-np.inf], finite, [np.inf]])
    room = np.abs(finite).max(initial=0.0) or 1.0

    def between(cell: int) -> float:
        low, high = max(edges[cell], edges[1] - room) if len(finite) else -room, edges[cell + 1]
        high = min(high, edges[-2] + room) if len(finite) else room
        return low + (high - low) / 2

    cells = range(len(edges) - 1)
    first = _first(cells, lambda cell: 2 * shifted(between(cell))[1] >= alpha)
    last = len(cells) - 1 - _first(cells, lambda cell: 2 * shifted(between(len(cells) - 1 - cell))[0] >= alpha)
    low, high = sorted((float(edges[first]), float(edges[last + 1])))  # one point, if both cells beside it are refused
    if 2 * min(tails) >= alpha:
        low, high = min(low, 0.0), max(high, 0.0)
    return low, high


def _first(cells: range, holds: Callable[[int], bool]) -> int:
    """The first cell for which it holds, if it holds for all after that one; the last cell if for none."""
    low, high = 0, len(cells) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _rank_sum_tails(costs: np.ndarray, reference: np.ndarray) -> Tails:
    """Chance of a sum of the ranks of `costs` that is at most, and at least, the one that is there."""
    doubled = _doubled_ranks(np.concatenate([costs, reference]))
    if len(doubled) > EXACT:
        return _normal_rank_sum(doubled / 2, len(costs))
    below = _rank_sums(tuple(np.sort(doubled).tolist()), len(costs))
    return _tails(below, doubled[: len(costs)].sum())


def _doubled_ranks(values: np.ndarray) -> np.ndarray:
    """Twice the ranks, 1 the smallest, ties sharing the mean of theirs: whole numbers."""
    ordered = np.sort(values)
    return np.searchsorted(ordered, values) + np.searchsorted(ordered, values, "right") + 1


def _normal_rank_sum(ranks: np.ndarray, count: int) -> Tails:
    total = len(ranks)
    deviation = np.sqrt(count * (total - count) * ranks.var(ddof=1) / total)
    return _normal_tails(ranks[:count].sum() - count * ranks.mean(), deviation)


def _sign_tails(pairs: np.ndarray) -> Tails:
    """Chance of a sum of the positive ranks that is at most, and at least, the one that is there."""
    size = np.abs(pairs)
    doubled = _doubled_ranks(np.round(size, 14 - _magnitude(size)))
    doubled, positive = doubled[pairs != 0], pairs[pairs != 0] > 0
    if len(doubled) > EXACT:
        ranks = doubled / 2
        return _normal_tails(ranks[positive].sum() - ranks.sum() / 2, np.sqrt((ranks**2).sum()) / 2)
    return _tails(_sign_sums(tuple(np.sort(doubled).tolist())), doubled[positive].sum())


def _magnitude(size: np.ndarray) -> int:
    """Power of ten of the largest finite number."""
    largest = size[np.isfinite(size)].max(initial=0.0)
    return int(np.floor(np.log10(largest))) if largest > 0 else 0


def _tails(below: np.ndarray, value: int) -> Tails:
    return float(below[value]), float(1 - below[value - 1]) if value else 1.0


def _normal_tails(distance: float, deviation: float) -> Tails:
    """With a correction for continuity of half a rank."""
    if not deviation:
        return 1.0, 1.0
    return tuple(float(stats.norm.cdf((side * distance + 0.5) / deviation)) for side in (1, -1))


def rank_sum_levels(count: int) -> np.ndarray:
    """Two-sided p-values of Mann and Whitney's test of `count` untied scores in each group.

    They stand by the number of pairs, out of count^2, of which the first is the larger.
    """
    wins = np.arange(count**2 + 1)
    if 2 * count > EXACT:
        return _two_sided(wins - count**2 / 2, np.sqrt(count**2 * (2 * count + 1) / 12))
    below = _rank_sums(tuple(range(2, 4 * count + 1, 2)), count)[2 * wins + count * (count + 1)]
    return np.minimum(1, 2 * np.minimum(below, below[::-1]))


def sign_levels(count: int) -> np.ndarray:
    """Two-sided p-values of Wilcoxon's test of `count` untied pairs, by the sum of the positive ranks."""
    sums = np.arange(count * (count + 1) // 2 + 1)
    if count > EXACT:
        return _two_sided(sums - sums[-1] / 2, np.sqrt(count * (count + 1) * (2 * count + 1) / 24))
    below = _sign_sums(tuple(range(2, 2 * count + 1, 2)))[2 * sums]
    return np.minimum(1, 2 * np.minimum(below, below[::-1]))


def _two_sided(distances: np.ndarray, deviation: float) -> np.ndarray:
    return np.minimum(1, 2 * stats.norm.cdf((0.5 - np.abs(distances)) / deviation))


@lru_cache(maxsize=4096)
def _rank_sums(doubled: tuple[int, ...], count: int) -> np.ndarray:
    """Chance that `count` of the ranks, drawn without replacement, sum to at most each number."""
    ways = np.zeros((count + 1, sum(doubled) + 1))  # by number of ranks drawn and by their sum
    ways[0, 0] = 1.0
    for rank in doubled:
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank].copy()
    return np.cumsum(ways[count]) / ways[count].sum()


@lru_cache(maxsize=4096)
def _sign_sums(doubled: tuple[int, ...]) -> np.ndarray:
    """Chance that the ranks with a positive sign, each with probability 1/2, sum to at most each number."""
    chances = np.zeros(sum(doubled) + 1)
    chances[0] = 1.0
    for rank in doubled:
        chances[rank:] += chances[: len(chances) - rank].copy()
        chances /= 2
    return np.cumsum(chances)
