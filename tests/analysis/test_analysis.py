"""Each estimator and test against an independent computation: by hand, by explicit loops, by enumeration, by SciPy."""

import itertools
import math
import statistics

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from experiments import analysis

NAN, INF = math.nan, math.inf
# q of Nemenyi's test at 0.05 for 2 to 10 variants, table 5a of Demsar (2006)
DEMSAR = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]


@pytest.fixture
def generator():
    return np.random.default_rng(3)


def ends(estimate):
    return estimate.low, estimate.high


def test_mean_equals_scipy(generator):
    scores = generator.normal(size=7)
    estimate = analysis.mean(scores)
    assert estimate.value == pytest.approx(statistics.fmean(scores))
    expected = stats.ttest_1samp(scores, 0).confidence_interval(0.95)
    assert ends(estimate) == pytest.approx((expected.low, expected.high))
    assert analysis.deviation(scores) == pytest.approx(statistics.stdev(scores))


def test_mean_by_hand():
    """Mean 3, deviation sqrt(10 / 4), and 2.7764 is the t of four degrees of freedom in every table."""
    estimate = analysis.mean(np.array([1.0, 2, NAN, 3, 4, INF, 5]))
    assert (estimate.value, estimate.count) == (3.0, 5)
    assert estimate.high - 3 == pytest.approx(2.7764 * math.sqrt(2.5 / 5), rel=1e-4)
    assert analysis.deviation(np.array([1.0, 2, NAN, 3, 4, 5])) == pytest.approx(math.sqrt(2.5))


@pytest.mark.parametrize("estimator", [analysis.mean, analysis.interquartile_mean])
def test_one_score_has_no_interval_and_none_no_value(estimator):
    one, none = estimator(np.array([4.0, NAN])), estimator(np.array([NAN, INF]))
    assert (one.value, one.count, none.count) == (4.0, 1, 0)
    assert np.isnan([*ends(one), none.value, *ends(none)]).all()
    assert math.isnan(analysis.deviation(np.array([4.0])))


def test_interquartile_mean_by_hand():
    """Of eight, four remain, 3 5 7 9; the others become 3 and 9: squares around 6 are 6 * 9 + 1 + 1 = 56."""
    estimate = analysis.interquartile_mean(np.array([100.0, 9, 7, 5, 3, 2, -50, 10]))
    assert (estimate.value, estimate.count) == (6.0, 8)
    error = math.sqrt(7 / (4 * 3)) * math.sqrt(56 / 7)
    assert estimate.high - 6 == pytest.approx(3.182446 * error, rel=1e-6)  # t of three degrees of freedom
    assert 6 - estimate.low == pytest.approx(estimate.high - 6)


@pytest.mark.parametrize("count", range(2, 14))
def test_interquartile_mean_equals_scipy(generator, count):
    scores = generator.normal(size=count)
    estimate = analysis.interquartile_mean(scores)
    assert estimate.value == pytest.approx(stats.trim_mean(scores, 0.25))
    winsorised = stats.mstats.winsorize(scores, (0.25, 0.25)).data
    kept = count - 2 * (count // 4)
    error = np.sqrt(((winsorised - winsorised.mean()) ** 2).sum() / (kept * (kept - 1)))
    assert ends(estimate) == pytest.approx(stats.t.interval(0.95, kept - 1, estimate.value, error))


def test_difference_equals_the_paired_t_interval(generator):
    scores, reference = generator.normal(size=(2, 9))
    expected = stats.ttest_rel(scores, reference).confidence_interval(0.95)
    with_gaps = analysis.difference(np.append(scores, [NAN, 1, INF]), np.append(reference, [1, NAN, 1]))
    assert ends(with_gaps) == pytest.approx((expected.low, expected.high))
    assert (with_gaps.count, with_gaps.value) == (9, pytest.approx((scores - reference).mean()))


def test_scores_of_other_seeds_are_refused():
    with pytest.raises(ValueError, match="same seeds"):
        analysis.difference(np.zeros(3), np.zeros(4))


def enumerated(differences):
    """Share of the 2^n sign patterns whose sum of signed ranks is as far from zero as the one seen."""
    ranks = stats.rankdata(np.abs(differences))
    seen = abs((np.sign(differences) * ranks).sum())
    sums = [abs(np.dot(signs, ranks)) for signs in itertools.product((-1, 1), repeat=len(ranks))]
    return np.mean(np.array(sums) >= seen - 1e-9)


@pytest.mark.parametrize("count", range(1, 11))
def test_wilcoxon_equals_enumeration_with_and_without_ties(generator, count):
    for draw in (generator.normal(0.5, size=count), generator.choice([-3, -2, -1, 1, 2, 3, 4], size=count)):
        assert analysis.wilcoxon(draw, np.zeros(count)) == pytest.approx(enumerated(draw))


@pytest.mark.parametrize("count", [12, 50, 51, 80])
def test_wilcoxon_equals_scipy(generator, count):
    scores, reference = generator.normal(size=(2, count)) + [[0.3], [0]]
    method = "exact" if count <= 50 else "asymptotic"
    assert analysis.wilcoxon(scores, reference) == pytest.approx(
        stats.wilcoxon(scores, reference, method=method).pvalue
    )


def test_wilcoxon_by_hand():
    """All five of one sign is 2 / 2^5; a zero and missing seeds are no pairs."""
    assert analysis.wilcoxon(np.array([1, 2, 3, 4, 5.0]), np.zeros(5)) == 0.0625
    assert analysis.wilcoxon(np.array([1, 2, 0, NAN, 3, 4, 5.0]), np.array([0, 0, 0, 1, 0, 0, 0.0])) == 0.0625
    assert analysis.wilcoxon(np.ones(4), np.ones(4)) == 1.0
    assert math.isnan(analysis.wilcoxon(np.array([NAN, 1]), np.array([1, NAN])))


def test_wilcoxon_sees_ties_that_rounding_of_binary_fractions_hides():
    up, down = np.array([0.2, 0.2, 0.9, 0.8]), np.array([0.3, 0.1, 0.7, 0.5])  # differences -0.1, 0.1, 0.2, 0.3
    assert analysis.wilcoxon(up, down) == enumerated(np.array([-1, 1, 2, 3])) == 0.375


def test_holm_by_hand_and_as_statsmodels(generator):
    adjusted = analysis.holm([0.01, NAN, 0.04, 0.03])
    assert adjusted == pytest.approx([0.03, NAN, 0.06, 0.06], nan_ok=True)
    p_values = generator.uniform(size=12) ** 2
    assert analysis.holm(list(p_values)) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert len(analysis.holm([])) == 0


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_improvement_counts_pairs(generator, better):
    scores, reference = generator.integers(0, 6, size=(2, 8)).astype(float)
    wins = 0.0
    for one, other in itertools.product(scores, reference):
        wins += 0.5 if one == other else (one < other) == (better == "lower")
    estimate = analysis.improvement(scores, reference, better)
    assert (estimate.value, estimate.count) == (pytest.approx(wins / 64), 8)
    statistic = stats.mannwhitneyu(scores, reference).statistic / 64
    assert estimate.value == pytest.approx(statistic if better == "higher" else 1 - statistic)
    back = analysis.improvement(reference, scores, better)
    assert (1 - back.value, 1 - back.high, 1 - back.low) == pytest.approx((estimate.value, *ends(estimate)))


def test_improvement_interval_solves_its_equation():
    """At 1, placements do not vary, so no pairing counts: (1 - p)^2 = t^2 V(p), t of 15 degrees of freedom."""
    estimate = analysis.improvement(np.arange(5.0), np.arange(5.0) + 9, "lower")
    assert (estimate.value, estimate.high) == (1.0, 1.0)
    p = estimate.low
    variance = p * (1 - p) * (1 + 4 * (1 - p) / (2 - p) + 4 * p / (1 + p)) / 25
    assert 0.4 < p < 0.8
    assert (1 - p) ** 2 == pytest.approx(2.131450**2 * variance, rel=1e-5)


def test_shared_seeds_narrow_the_interval_of_improvement(generator):
    seeds = generator.normal(size=20)
    scores, reference = seeds + 0.1 * generator.normal(size=(2, 20))
    paired = analysis.improvement(scores, reference, "lower")
    shuffled = analysis.improvement(scores, generator.permutation(reference), "lower")
    assert paired.value == shuffled.value
    assert paired.high - paired.low < 0.6 * (shuffled.high - shuffled.low)


@pytest.mark.parametrize(("better", "diverged"), [("lower", INF), ("higher", -INF), ("lower", -INF), ("higher", INF)])
def test_a_diverged_run_is_worst_and_a_missing_one_is_no_run(better, diverged):
    estimate = analysis.improvement(np.array([diverged, 2.0, NAN]), np.array([1.0, diverged, 2.0]), better)
    first = 0 + 0.5 + 0  # the diverged run ties with the other diverged one only
    second = (0 if better == "lower" else 1) + 1 + 0.5
    assert (estimate.value, estimate.count) == ((first + second) / 6, 2)


def test_improvement_of_one_run_and_of_none():
    one = analysis.improvement(np.array([1.0]), np.array([2.0]), "lower")
    assert (one.value, one.count) == (1.0, 1) and np.isnan(ends(one)).all()
    assert analysis.improvement(np.array([NAN]), np.array([2.0]), "lower").count == 0
    with pytest.raises(ValueError, match="'lower' or 'higher'"):
        analysis.improvement(np.ones(2), np.ones(2), "best")


@pytest.mark.parametrize(("comparisons", "alpha", "seeds"), [(1, 0.05, 6), (8, 0.05, 9), (1, 0.0625, 6), (1, 0.07, 5)])
def test_seeds_to_conclude(comparisons, alpha, seeds):
    """2 / 2^6 = 0.031; 8 * 2 / 2^9 = 0.031 but 8 * 2 / 2^8 = 0.0625; 2 / 2^5 = 0.0625."""
    assert analysis.seeds_to_conclude(comparisons, alpha) == seeds


def test_seeds_for_power_equals_the_t_test_and_its_efficiency(generator):
    differences = generator.normal(0.4, 1, size=20)
    effect = differences.mean() / differences.std(ddof=1)
    pairs = TTestPower().solve_power(effect, power=0.8, alpha=0.05 / 3)
    assert analysis.seeds_for_power(differences, 3) == math.ceil(pairs * math.pi / 3)


def test_seeds_for_power_by_simulation():
    """With as many seeds the signed-rank test shows the difference in about 80 % of 1,000 repetitions."""
    differences = np.array([-0.4, 0.0, 0.6, 1.4, 1.4])  # mean 0.6, deviation 0.812: effect 0.739
    seeds = analysis.seeds_for_power(differences, 1)
    generator = np.random.default_rng(5)
    effect = differences.mean() / differences.std(ddof=1)
    draws = generator.normal(effect, 1, size=(1000, seeds))
    assert 0.77 < np.mean([analysis.wilcoxon(draw, np.zeros(seeds)) < 0.05 for draw in draws]) < 0.86


def test_seeds_for_power_where_the_estimate_is_of_no_use():
    assert analysis.seeds_for_power(np.array([1.0, NAN]), 8) is None
    assert analysis.seeds_for_power(np.array([-1.0, 1.0]), 8) is None
    assert analysis.seeds_for_power(np.array([1.0, -1.0, 1e-6]), 8) is None  # more than 10,000
    assert analysis.seeds_for_power(np.array([2.0, 2.0, 2.0]), 8) == 9
    assert analysis.seeds_for_power(np.array([2.0, 2.0 + 1e-9]), 8) == 9


def test_welch_equals_scipy(generator):
    scores, reference = generator.normal(size=6), generator.normal(1, 3, size=9)
    expected = stats.ttest_ind(scores, reference, equal_var=False).pvalue
    assert analysis.welch(np.append(scores, NAN), reference) == pytest.approx(expected)
    assert math.isnan(analysis.welch(np.ones(1), reference))
    assert math.isnan(analysis.welch(np.ones(3), np.zeros(3)))


def test_mean_ranks_by_hand():
    scores = np.array([[0.1, 5, 7], [0.2, 5, NAN], [0.3, 9, 8]])  # ranks 1 2.5 1, 2 2.5 3, 3 1 2 if the last is "lower"
    ranks = analysis.mean_ranks(scores, ["lower", "higher", "lower"])
    assert ranks == pytest.approx([4.5 / 3, 7.5 / 3, 6 / 3])
    with pytest.raises(ValueError, match="3 tasks"):
        analysis.mean_ranks(scores[:, :2], ["lower"] * 3)


def test_friedman_by_hand_and_as_scipy(generator):
    """All tasks rank three variants alike: statistic N (k - 1) = 8 with two degrees of freedom, so p = exp(-4)."""
    scores = np.array([[1.0, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 6]])
    assert analysis.friedman(scores, ["lower"] * 4) == pytest.approx(math.exp(-4))
    scores = generator.integers(0, 5, size=(5, 7)).astype(float)
    mixed = scores * np.array([1, -1, 1, -1, 1, 1, 1])
    better = ["higher" if column in (1, 3) else "lower" for column in range(7)]
    assert analysis.friedman(mixed, better) == pytest.approx(stats.friedmanchisquare(*scores).pvalue)


def test_friedman_needs_three_variants_and_two_tasks():
    assert math.isnan(analysis.friedman(np.ones((2, 5)), ["lower"] * 5))
    assert math.isnan(analysis.friedman(np.ones((5, 1)), ["lower"]))
    assert analysis.friedman(np.ones((3, 2)), ["lower"] * 2) == 1.0


@pytest.mark.parametrize(("variants", "q"), zip(range(2, 11), DEMSAR, strict=True))
def test_critical_difference_has_demsars_quantiles(variants, q):
    difference = analysis.critical_difference(variants, 14)
    assert difference / math.sqrt(variants * (variants + 1) / (6 * 14)) == pytest.approx(q, abs=0.0011)


def test_critical_difference_of_demsars_example():
    """Four classifiers on 14 data sets: 1.25 at 0.05 (section 3.2.2)."""
    assert analysis.critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


def test_cliques_by_hand_and_by_all_subsets(generator):
    assert analysis.cliques(np.array([3.0, 1.0, 1.5, 2.4, 6.0]), 1.0) == [(1, 2), (2, 3), (3, 0)]
    assert analysis.cliques(np.array([1.0, 3.0]), 1.0) == []
    ranks = generator.uniform(1, 6, size=6)
    subsets = [set(group) for size in range(2, 7) for group in itertools.combinations(range(6), size)]
    close = [group for group in subsets if np.ptp(ranks[list(group)]) <= 1.7]
    largest = [group for group in close if not any(group < other for other in close)]
    groups = [set(group) for group in analysis.cliques(ranks, 1.7)]
    assert len(groups) == len(largest) and all(group in largest for group in groups)
