"""Scores over several tasks against explicit loops and hand-computed arrays."""

import math

import numpy as np
import pytest
from scipy import stats

from experiments import analysis

NAN, INF = math.nan, math.inf


@pytest.fixture
def generator():
    return np.random.default_rng(4)


@pytest.mark.parametrize("diverged", [INF, -INF])
def test_normalised_by_hand(diverged):
    """Baseline 10, reference (4 + 2 + 3) / 3 = 3, lower better: a score s becomes (10 - s) / 7."""
    scores = np.array([[4.0, 2, 3, diverged], [10, 17, NAN, diverged]])
    gains = analysis.normalised(scores, 0, 10.0, "lower")
    assert gains == pytest.approx(np.array([[6 / 7, 8 / 7, 1, 0], [0, -1, NAN, 0]]), nan_ok=True)
    assert analysis.normalised(-scores, 0, -10.0, "higher") == pytest.approx(gains, nan_ok=True)


@pytest.mark.parametrize("row", [[11.0, 10.0], [10.0, 10.0], [NAN, INF]])
def test_a_reference_that_beats_no_baseline_is_refused(row):
    with pytest.raises(ValueError, match="better .lower. than the baseline 10"):
        analysis.normalised(np.array([row, [1, 2]]), 0, 10.0, "lower")


def tasks(generator, seeds=(6, 5, 7)):
    return [1 + 0.2 * generator.normal(size=(2, count)) for count in seeds]


def test_aggregate_pools_the_runs(generator):
    scores = tasks(generator)
    scores[0][1, 2], scores[1][1, 0] = NAN, INF
    runs = []
    for task in scores:
        for score in task[1]:
            if not math.isnan(score):
                runs.append(0.0 if math.isinf(score) else (3 - score) / (3 - np.mean(task[0])))
    estimate = analysis.aggregate(scores, 0, [3.0] * 3, ["lower"] * 3, generator, resamples=50)[1]
    assert (estimate.value, estimate.count) == (pytest.approx(stats.trim_mean(runs, 0.25)), 17)
    assert estimate.low < estimate.value < estimate.high


def test_interval_of_aggregate_equals_a_loop(generator):
    """One seed after the other and one resample after the other, with the draws of another generator."""
    scores, resamples = tasks(generator), 2000
    estimate = analysis.aggregate(scores, 0, [0.0] * 3, ["higher"] * 3, generator, resamples)[1]
    runs = [list(task[1] / task[0].mean()) for task in scores]
    parts = []
    for number, task in enumerate(scores):
        others = [run for other in range(3) if other != number for run in runs[other]]
        count, values = task.shape[1], []
        for _ in range(resamples):
            chosen = generator.choice(count, size=count)
            values.append(stats.trim_mean([*others, *(task[1, chosen] / task[0, chosen].mean())], 0.25))
        parts.append((np.var(values, ddof=1) * count / (count - 1), count + 1))
    total = sum(variance for variance, _ in parts)
    freedom = total**2 / sum(variance**2 / count for variance, count in parts) - 2
    half = stats.t.ppf(0.975, freedom) * math.sqrt(total)
    assert (estimate.value - estimate.low, estimate.high - estimate.value) == pytest.approx((half, half), rel=0.08)


def test_shared_seeds_narrow_the_interval_of_aggregate(generator):
    reference = 1 + 0.2 * generator.normal(size=10)
    variant = reference + 0.01 * generator.normal(size=10)
    paired, apart = (
        analysis.aggregate([np.stack([reference, scores])], 0, [0.0], ["higher"], generator)[1]
        for scores in (variant, generator.permutation(variant))
    )
    assert paired.value == pytest.approx(apart.value)
    assert paired.high - paired.low < 0.7 * (apart.high - apart.low)


def test_aggregate_with_too_few_runs(generator):
    scores = [np.array([[1.0, 1.1], [1, NAN], [NAN, NAN]]), np.array([[1.0, 1.2], [1, 1.3], [1.0, 0.9]])]
    estimates = analysis.aggregate(scores, 0, [0.0, 0.0], ["higher"] * 2, generator, resamples=200)
    assert [estimate.count for estimate in estimates] == [4, 3, 2]
    assert math.isnan(estimates[1].low) and not math.isnan(estimates[2].low)
    missing = analysis.aggregate([np.array([[1.0, 1.1], [NAN, NAN]])], 0, [0.0], ["higher"], generator)[1]
    assert missing.count == 0 and math.isnan(missing.value)


def test_resamples_without_a_useful_reference_are_left_out(generator):
    """A reference that diverged three times of five is missing from 8 % of the resamples."""
    scores = np.array([[INF, INF, INF, 1.0, 1.1], [1.0, 1.1, 0.9, 1.0, 1.2]])
    estimate = analysis.aggregate([scores], 0, [0.0], ["higher"], generator)[1]
    assert np.isfinite([estimate.low, estimate.high]).all()
    assert estimate.value == pytest.approx(stats.trim_mean(scores[1] / 1.05, 0.25))


def test_runs_without_any_spread_have_an_interval_without_width(generator):
    estimate = analysis.aggregate([np.ones((2, 5))] * 2, 0, [0.0] * 2, ["higher"] * 2, generator)[1]
    assert (estimate.low, estimate.value, estimate.high) == (1.0, 1.0, 1.0)


def test_profile_counts_runs(generator):
    runs = [generator.normal(size=7), np.append(generator.normal(size=4), NAN), np.array([NAN])]
    thresholds = np.array([-1.0, 0.0, runs[0][0], 9.0])
    profile = analysis.performance_profile(runs, thresholds)
    pooled = [run for task in runs for run in task if not math.isnan(run)]
    for place, threshold in enumerate(thresholds):
        assert profile.value[place] == pytest.approx(sum(run > threshold for run in pooled) / 11)
    assert (profile.low <= profile.value).all() and (profile.value <= profile.high).all()
    assert profile.high[-1] > 0


def test_band_of_one_task_is_wilsons_interval(generator):
    runs = generator.normal(size=12)
    profile = analysis.performance_profile([runs], np.array([-9.0, 0.0]))
    for place, above in enumerate([12, int((runs > 0).sum())]):
        expected = stats.binomtest(above, 12).proportion_ci(0.95, "wilson")
        assert (profile.low[place], profile.high[place]) == pytest.approx((expected.low, expected.high))


def test_band_of_two_tasks_adds_their_squared_distances():
    runs = [np.array([0.0, 0, 1, 1]), np.array([1.0] * 8)]
    profile = analysis.performance_profile(runs, np.array([0.5]))
    first = stats.binomtest(2, 4).proportion_ci(0.95, "wilson")
    second = stats.binomtest(8, 8).proportion_ci(0.95, "wilson")
    assert profile.value[0] == pytest.approx(10 / 12)
    assert profile.low[0] == pytest.approx(10 / 12 - math.hypot((0.5 - first.low) / 3, (1 - second.low) * 2 / 3))
    assert profile.high[0] == pytest.approx(10 / 12 + (first.high - 0.5) / 3)


def test_profile_of_nothing():
    profile = analysis.performance_profile([np.array([NAN])], np.array([0.0, 1.0]))
    assert np.isnan(profile.value).all() and np.isnan(profile.low).all() and np.isnan(profile.high).all()
