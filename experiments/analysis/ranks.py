"""Variants ranked on every task and compared by mean rank (Demsar 2006): scores of shape `(variants, tasks)`."""

from collections.abc import Sequence

import numpy as np
from scipy import special, stats

from experiments.analysis.direction import costs


def ranks(scores: np.ndarray, better: Sequence[str]) -> np.ndarray:
    """Rank of each variant on each task, 1 the best; equal scores share the mean of their ranks, NaN is the worst.

    `better` says for each task whether lower or higher scores are.
    """
    scores = np.asarray(scores, "float64")
    if scores.ndim != 2 or scores.shape[1] != len(better):
        raise ValueError(f"scores {scores.shape}: must be (variants, tasks), with {len(better)} tasks as in better")
    turned = np.stack([costs(column, direction) for column, direction in zip(scores.T, better, strict=True)], axis=1)
    return stats.rankdata(np.where(np.isnan(turned), np.inf, turned), axis=0)


def mean_ranks(scores: np.ndarray, better: Sequence[str]) -> np.ndarray:
    """Mean rank of each variant over the tasks, shape `(variants,)`; 1 is the best on all."""
    return ranks(scores, better).mean(axis=1)


def friedman(scores: np.ndarray, better: Sequence[str]) -> float:
    """P-value of Friedman's test that all variants rank alike, in the form of Iman and Davenport (1980).

    F = (N - 1) X / (N (k - 1) - X) with k - 1 and (k - 1)(N - 1) degrees of freedom, X being Friedman's statistic of N
    tasks and k variants; where all tasks agree F is infinite, and p is the exact `least_friedman`. NaN with fewer than
    three variants or two tasks; 1 if all scores of every task are equal.
    """
    ranked = ranks(scores, better)
    variants, tasks = ranked.shape
    if variants < 3 or tasks < 2:
        return float("nan")
    if (ranked == ranked[0]).all():
        return 1.0
    statistic = float(stats.friedmanchisquare(*ranked).statistic)
    remaining = tasks * (variants - 1) - statistic
    least = least_friedman(variants, tasks)
    if remaining <= 1e-9:
        return least
    value = (tasks - 1) * statistic / remaining
    return max(least, float(stats.f.sf(value, variants - 1, (variants - 1) * (tasks - 1))))


def least_friedman(variants: int, tasks: int) -> float:
    """The smallest p-value that ranks can give, without ties: all tasks agree, of k!^N orders k! do."""
    return float(special.factorial(variants) ** (1 - tasks))


def critical_difference(variants: int, tasks: int, alpha: float = 0.05) -> float:
    """Difference of mean ranks from which two variants differ, by Nemenyi's test: q sqrt(k (k + 1) / (6 N)).

    q is the 1 - alpha quantile of the studentized range of k variants over sqrt(2), N the number of tasks (Demsar
    2006, section 3.2.2).
    """
    if variants < 2 or tasks < 1:
        raise ValueError(f"variants={variants}, tasks={tasks}: must be at least 2 and 1")
    q = stats.studentized_range.ppf(1 - alpha, variants, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(variants * (variants + 1) / (6 * tasks)))


def cliques(ranks: np.ndarray, difference: float) -> list[tuple[int, ...]]:
    """Largest groups of two or more variants whose mean ranks, shape `(variants,)`, differ by at most `difference`.

    Each group lists positions in `ranks`, best first; groups come by their best variant. They are the bars of the
    diagram of critical differences.
    """
    order = np.argsort(ranks, kind="stable")
    ends = np.searchsorted(ranks[order], ranks[order] + difference, side="right")
    groups, covered = [], 0
    for start, end in enumerate(ends):
        if end - start > 1 and end > covered:
            groups.append(tuple(int(place) for place in order[start:end]))
            covered = end
    return groups
