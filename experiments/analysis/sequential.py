"""Seeds until decided: variants against references, with seeds added in groups and a look at the scores after each.

Who tests at 5 % after every group raises more false alarms than 5 %. Here the looks are fixed beforehand, and each has
a level of its own, so that all of them together have 5 %.

The statistic is the largest of z_k (n_k / n_K)^(1/4) over the looks k = 1 ... K, for n_k seeds of each of the two at
look k, and z_k the standard normal quantile of the exact p-value there: the boundary of Wang and Tsiatis (1987) with
shape 1/4, between those of O'Brien and Fleming (1979, shape 0) and Pocock (1977, shape 1/2). Of these, and of the
spending functions of Lan and DeMets (1983) in the exact form of Slud and Wei (1982), it needs about the fewest trials
where there is a difference, and loses least where there is none. Without an effect all orders of the scores are equally
likely: the distribution of the statistic depends on the numbers of seeds alone, steps of the exact p-values included,
and is that of 200,000 random orders, always the same ones. Chances have two standard errors of that added, so that luck
with these orders makes the rule careful and not rash.

- The repeated p-value at a look is the chance of a statistic of at least z_k (n_k / n_K)^(1/4) at any look. It is valid
  at whichever look one stops, so that Holm's correction over the comparisons at each look keeps the chance of any false
  alarm at alpha (Ye et al. 2013). Comparisons that are decided keep the p-value of their look.
- The repeated interval at a look holds the shifts that its level does not refuse (Jennison and Turnbull 1989): the
  intervals of all looks hold the true shift together with a chance of 1 - alpha. Within the margin: equivalent. As in a
  comparison with a fixed number of seeds, the correction is not for intervals.

A study may be left at any look for any reason, but not go on beyond the last one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import special

from experiments.analysis.comparison import Comparison, compare, holm, p_value
from experiments.analysis.rank_tests import ALPHA, rank_sum_levels, sign_levels
from experiments.analysis.verdict import Margin, Verdict, conclude

NAME = "Wang-Tsiatis boundary, shape 0.25, of exact rank tests; repeated p-values by Holm, repeated intervals"
SHAPE = 0.25
ORDERS = 200_000
CHUNK = 2_000
ROUNDING = 1e-9  # of statistics that are equal


@dataclass(frozen=True)
class Rule:
    """When to look, and which test to use.

    Attributes:
        looks: Seeds of each variant at each look, increasing.
        paired: Whether seeds are pairs (signed ranks), because each draws the data anew; else Mann and Whitney's test.
            It is chosen before there are scores.
        alpha: Chance of any false alarm, over all looks and comparisons.
    """

    looks: tuple[int, ...]
    paired: bool = False
    alpha: float = ALPHA

    def __post_init__(self):
        if not self.looks or self.looks[0] < 1 or any(np.diff(self.looks) < 1):
            raise ValueError(f"looks={self.looks}: must be numbers of seeds, at least 1, that increase")
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha={self.alpha}: must be between 0 and 1")

    def repeated(self, p: float, look: int) -> float:
        """The repeated p-value for the p-value of look 1, 2, ...; NaN stays NaN."""
        if np.isnan(p):
            return p
        null, value = _null(self.looks, self.paired), _statistic(p, self.looks, look)
        count = len(null) - np.searchsorted(null, value - ROUNDING)
        return min(
            1.0, float((np.sqrt(count) + 1) ** 2 / (len(null) + 1))
        )  # (count + 2 standard errors + 1) / (all + 1)

    def level(self, look: int, alpha: float | None = None) -> float:
        """The level of the test at a look at which all looks together have alpha.

        The p-value of that look is below it if and only if its repeated p-value is below alpha.
        """
        null = _null(self.looks, self.paired)
        refused = int(np.ceil((np.sqrt((alpha or self.alpha) * (len(null) + 1)) - 1) ** 2)) - 1  # orders, at most
        largest = null[len(null) - refused - 1] + ROUNDING
        return float(2 * special.ndtr(-largest / _weight(self.looks, look)))

    def can_conclude(self, comparisons: int) -> bool:
        """Whether the smallest p-value that so many seeds can give is below the first level of Holm's procedure."""
        table = sign_levels if self.paired else rank_sum_levels
        return bool(table(self.looks[-1]).min() < self.level(len(self.looks), self.alpha / comparisons))

    def levels(self, comparisons: int) -> tuple[tuple[float, ...], ...]:
        """The critical values: the level of each look by step of Holm's procedure, alpha / comparisons first."""
        looks = range(1, len(self.looks) + 1)
        return tuple(
            tuple(float(f"{self.level(look, self.alpha / left):.3g}") for look in looks)
            for left in range(comparisons, 0, -1)
        )


@dataclass(frozen=True)
class Decision:
    """What is known of a variant and its reference.

    Attributes:
        reference: The reference.
        verdict: As of a comparison with a fixed number of seeds.
        look: At which it was decided, or the last one so far.
        seeds: Of each of the two at that look.
        comparison: Effect, intervals and p-value, of those seeds: repeated ones, which are valid after any look. Only
            the interval of the probability of improvement is approximate.
        adjusted: The repeated p-value after Holm's correction.
    """

    reference: str
    verdict: Verdict
    look: int
    seeds: int
    comparison: Comparison
    adjusted: float


@dataclass(frozen=True)
class Stage:
    """A study after a look.

    Attributes:
        decisions: By variant.
        needed: Variants and references that need more seeds; none if all is decided or the seeds are used up.
        seeds: How many they are to have at the next look; at the last look those that they have.
    """

    decisions: Mapping[str, Decision]
    needed: tuple[str, ...]
    seeds: int


def looks(first: int, group: int, most: int) -> tuple[int, ...]:
    """Numbers of seeds at the looks: `first`, and `group` more each time up to `most`.

    Raises:
        ValueError: if one is less than 1, or `first` more than `most`.
    """
    if min(first, group) < 1 or first > most:
        raise ValueError(f"first={first}, group={group}, most={most}: must be at least 1, first at most {most}")
    return (*range(first, most, group), most)


def decide(
    scores: Mapping[str, np.ndarray],
    comparisons: Mapping[str, str],
    better: str,
    rule: Rule,
    look: int,
    margin: Margin | None = None,
) -> Stage:
    """Decide what can be decided from the first to the given look.

    It holds nothing in memory between two looks: all are gone through again, each with the scores of its seeds, so that
    the same scores give the same decisions after any interruption.

    Args:
        scores: Of each variant and reference by seed, in the order of the plan. An infinite one is a trial that
            diverged, the worst outcome; NaN one that has no score. What stands beyond the look of a decision is not
            used.
        comparisons: The reference of each variant.
        better: `lower` or `higher`.
        rule: The rule.
        look: Which of its looks this is, from 1 on.
        margin: Below which a difference makes none.

    Raises:
        ValueError: if there is no such look, or scores of a variant that is not decided are missing from an array.
    """
    if not 1 <= look <= len(rule.looks):
        raise ValueError(f"look={look}: must be from 1 to {len(rule.looks)}")
    decisions: dict[str, Decision] = {}
    for number in range(1, look + 1):
        undecided = [variant for variant in comparisons if variant not in decisions]
        pairs = {
            variant: [_first(scores, name, rule.looks[number - 1]) for name in (variant, comparisons[variant])]
            for variant in undecided
        }
        adjusted = _adjusted(decisions, pairs, comparisons, better, rule, number)
        for variant in undecided:
            if number < look and margin is None and adjusted[variant] >= rule.alpha:
                continue
            test = compare(*pairs[variant], better, paired=rule.paired, alpha=rule.level(number))
            test = replace(test, p=rule.repeated(test.p, number))
            word = conclude(test, adjusted[variant], margin, rule.alpha)
            if number == look or word is not Verdict.UNDECIDED:
                decisions[variant] = Decision(
                    comparisons[variant], word, number, rule.looks[number - 1], test, adjusted[variant]
                )
    return _stage({variant: decisions[variant] for variant in comparisons}, rule, look)


def _adjusted(
    decisions: Mapping[str, Decision],
    pairs: Mapping[str, Sequence[np.ndarray]],
    comparisons: Mapping[str, str],
    better: str,
    rule: Rule,
    look: int,
) -> dict[str, float]:
    """Repeated p-values after Holm's correction, of comparisons that are decided with the p-value of their look.

    A comparison of which a group has no run yet counts in the family, with 1.
    """
    p_values = {variant: decision.comparison.p for variant, decision in decisions.items()}
    for variant, pair in pairs.items():
        p_values[variant] = rule.repeated(p_value(*pair, better, rule.paired), look)
    corrected = holm([np.nan_to_num(p_values[variant], nan=1.0) for variant in comparisons])
    return dict(zip(comparisons, corrected.tolist(), strict=True))


def _stage(decisions: Mapping[str, Decision], rule: Rule, look: int) -> Stage:
    undecided = [variant for variant, decision in decisions.items() if decision.verdict is Verdict.UNDECIDED]
    if not undecided or look == len(rule.looks):
        return Stage(decisions, (), rule.looks[look - 1])
    names = [name for variant in undecided for name in (decisions[variant].reference, variant)]
    return Stage(decisions, tuple(dict.fromkeys(names)), rule.looks[look])


def _first(scores: Mapping[str, np.ndarray], name: str, seeds: int) -> np.ndarray:
    row = np.asarray(scores[name], "float64")
    if len(row) < seeds:
        raise ValueError(f"{name}: {len(row)} scores, must be {seeds}, with NaN for a trial without one")
    return row[:seeds]


def _statistic(p: np.ndarray | float, looks: tuple[int, ...], look: int) -> np.ndarray:
    return -special.ndtri(np.asarray(p) / 2) * _weight(looks, look)


def _weight(looks: tuple[int, ...], look: int) -> float:
    return (looks[look - 1] / looks[-1]) ** (0.5 - SHAPE)


@lru_cache(maxsize=32)
def _null(looks: tuple[int, ...], paired: bool) -> np.ndarray:
    """The largest statistics over the looks of many studies without effect, in order."""
    levels = [sign_levels(seeds) if paired else rank_sum_levels(seeds) for seeds in looks]
    tables = [_statistic(p_values, looks, look) for look, p_values in enumerate(levels, 1)]
    random = np.random.RandomState(0)  # the generator whose numbers NumPy promises not to change
    largest = [_largest(random, looks, tables, paired) for _ in range(ORDERS // CHUNK)]
    return np.sort(np.concatenate(largest))


def _largest(
    random: np.random.RandomState, looks: tuple[int, ...], tables: list[np.ndarray], paired: bool
) -> np.ndarray:
    variant, reference = random.random_sample((2, CHUNK, looks[-1]))
    if paired:
        differences = variant - reference
        above = (differences[:, :, None] + differences[:, None] > 0) & np.tri(looks[-1], dtype=bool)
    else:
        above = variant[:, :, None] > reference[:, None]
    counts = [above[:, :seeds, :seeds].sum((1, 2)) for seeds in looks]
    return np.max([table[count] for table, count in zip(tables, counts, strict=True)], axis=0)
