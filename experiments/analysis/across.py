"""Variants compared over several tasks, by scores on one scale (Agarwal et al. 2021)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from experiments.analysis.direction import sign
from experiments.analysis.estimators import Estimate, interval
from experiments.analysis.rank_tests import signed_ranks

TRIM = 0.25  # share cut off at each end by the interquartile mean


def normalised(scores: np.ndarray, reference: int, baseline: float, better: str) -> np.ndarray:
    """Scores of one task, shape `(variants, seeds)`, with the trivial baseline at 0 and the reference's mean at 1.

    (score - baseline) / (mean of row `reference` - baseline), the mean over its finite scores. An infinite score, a
    trial that diverged, counts as 0: no better than the trivial predictor. NaN, a missing trial, stays NaN.

    Raises ValueError if the reference has no finite score or its mean is not better than the baseline.
    """
    gains, measured = _gains(scores, baseline, better)
    scale = _scale(gains[reference], measured[reference])
    if not scale > 0:
        raise ValueError(
            f"reference={reference}: mean of its finite scores must be better ({better}) than the baseline {baseline}"
        )
    return gains / scale


def _gains(scores: np.ndarray, baseline: float, better: str) -> tuple[np.ndarray, np.ndarray]:
    """Gain of each run on the baseline (0 if it diverged, NaN if missing), and whether its score is finite."""
    scores = np.asarray(scores, "float64")
    gains = sign(better) * (baseline - scores)
    return np.where(np.isinf(scores), 0.0, gains), np.isfinite(scores)


def _scale(gains: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Mean of the measured gains along the last axis; NaN if none is."""
    count = measured.sum(axis=-1)
    return np.where(measured, gains, 0).sum(axis=-1) / np.where(count, count, np.nan)


def pooled_interquartile_mean(runs: np.ndarray) -> np.ndarray:
    """Interquartile mean along the last axis, without the NaN in it; NaN if nothing else is there."""
    ordered = np.sort(runs, axis=-1)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=-1, keepdims=True)
    cut = (TRIM * count).astype(int)
    position = np.arange(ordered.shape[-1])
    middle = (position >= cut) & (position < count - cut)
    return np.where(middle, ordered, 0).sum(axis=-1) / np.where(count, count - 2 * cut, np.nan)[..., 0]


def aggregate(
    scores: Sequence[np.ndarray],
    reference: int,
    baselines: Sequence[float],
    better: Sequence[str],
    generator: np.random.Generator,
    resamples: int = 2000,
) -> list[Estimate]:
    """Interquartile mean of all normalised runs of all tasks, for each variant (Agarwal et al. 2021, section 4.3).

    `scores` has one array `(variants, seeds)` per task, in which NaN is missing and infinite diverged, as for
    `normalised`; `baselines` and `better` have an entry per task; `count` is the number of runs.

    Interval: from a bootstrap stratified by task. The seeds of one task at a time are drawn anew, for all variants
    together and with the normalisation computed again, so that an uncertain reference counts too; resamples in which
    the reference does not beat the baseline are left out. The variance that a task with n runs brings is that of its
    resamples times n / (n - 1), v in all; the interval is Student's t with v^2 / sum(v_task^2 / (n + 1)) - 2 degrees of
    freedom (Welch 1947; n - 1 for a single task). NaN if a task has a single run of the variant.
    """
    tasks = list(zip(scores, baselines, better, strict=True))
    runs = [normalised(task, reference, baseline, direction) for task, baseline, direction in tasks]
    values = pooled_interquartile_mean(np.concatenate(runs, axis=1))
    counts = np.array([(~np.isnan(task)).sum(axis=1) for task in runs])
    variances = np.zeros(counts.shape)
    for number, task in enumerate(tasks):
        others = np.concatenate([*runs[:number], *runs[number + 1 :], np.empty((len(values), 0))], axis=1)
        variances[number] = _variance(_resampled(task, reference, generator, resamples), others)
    return [_student(*variant) for variant in zip(values, variances.T, counts.T, strict=True)]


def _resampled(
    task: tuple[np.ndarray, float, str], reference: int, generator: np.random.Generator, resamples: int
) -> np.ndarray:
    """Normalised runs with the seeds of a task drawn anew, shape `(resamples, variants, seeds)`."""
    gains, measured = _gains(*task)
    drawn = generator.integers(gains.shape[1], size=(resamples, gains.shape[1]))
    scale = _scale(gains[reference][drawn], measured[reference][drawn])
    beats = scale > 0
    return np.moveaxis(gains[:, drawn[beats]], 0, 1) / scale[beats, None, None]


def _variance(resampled: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Variance of the pooled interquartile mean, per variant, over resamples of one task beside the runs of others."""
    around = np.broadcast_to(others, (len(resampled), *others.shape))
    values = pooled_interquartile_mean(np.concatenate([resampled, around], axis=-1))
    return np.ma.masked_invalid(values).var(axis=0, ddof=1).filled(np.nan)


def _student(value: float, variances: np.ndarray, counts: np.ndarray) -> Estimate:
    """Interval of a sum of independent parts, one per task, each with a variance from its own number of runs."""
    present = counts > 0
    variances, counts = variances[present], counts[present]
    total = int(counts.sum())
    if total == 0 or counts.min() < 2:
        return Estimate(float(value), float("nan"), float("nan"), total)
    variances = variances * counts / (counts - 1)
    squared = (variances**2 / (counts + 1)).sum()
    freedom = variances.sum() ** 2 / squared - 2 if squared else 1.0
    return interval(value, np.sqrt(variances.sum()), freedom, total)


@dataclass(frozen=True)
class Profile:
    """Share of runs above each threshold, with its 95 % band: three arrays of shape `(thresholds,)`."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def performance_profile(runs: Sequence[np.ndarray], thresholds: np.ndarray) -> Profile:
    """Share of all normalised runs of one variant that score above each threshold (Agarwal et al. 2021, section 4.2).

    `runs` has one array `(seeds,)` per task, NaN missing. The bands hold at each threshold by itself: the distances to
    the ends of Wilson's interval (1927), squared, are added over the tasks with the squared weight of each, its share
    of the runs (Zou, Huang and Zhang 2009). They have a width where all runs are above or below, and take the
    normalisation for known.
    """
    tasks = [scores[~np.isnan(scores)] for scores in (np.asarray(task, "float64") for task in runs)]
    counts = np.array([len(scores) for scores in tasks if len(scores)])[:, None]
    if not len(counts):
        unknown = np.full(len(thresholds), np.nan)
        return Profile(unknown, unknown, unknown)
    shares = np.array([(scores[:, None] > thresholds).mean(axis=0) for scores in tasks if len(scores)])
    weights = counts / counts.sum()
    value = (weights * shares).sum(axis=0)
    ends = proportion_confint(shares * counts, np.broadcast_to(counts, shares.shape), method="wilson")
    low, high = (np.sqrt(((weights * (end - shares)) ** 2).sum(axis=0)) for end in ends)
    return Profile(value, np.maximum(value - low, 0), np.minimum(value + high, 1))


def over_tasks(improvements: np.ndarray) -> tuple[float, Estimate]:
    """Whether a variant is better than its reference over tasks: p-value, and probability of improvement.

    `improvements` are the probabilities of improvement, one per task, shape `(tasks,)`. Signed-rank test of Wilcoxon
    (1945) of their distances from 1/2, exact; the estimate is the median of the Walsh averages, its 95 % interval
    inverts the test. Tasks are taken for draws from all tasks one could ask about, so that fewer than six can show
    nothing (`seeds_to_conclude`).
    """
    result = signed_ranks(np.asarray(improvements, "float64"), np.full(len(improvements), 0.5))
    shift = result.shift
    low, high = max(0.5 + shift.low, 0.0), min(0.5 + shift.high, 1.0)
    return result.p, Estimate(0.5 + shift.value, low, high, shift.count)
