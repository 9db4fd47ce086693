"""Each estimator and test against an independent computation: by hand, by explicit loops, by enumeration, by SciPy."""

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower

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


def test_one_score_has_no_interval_and_none_no_value():
    one, none = analysis.mean(np.array([4.0, NAN])), analysis.mean(np.array([NAN, INF]))
    assert (one.value, one.count, none.count) == (4.0, 1, 0)
    assert np.isnan([*ends(one), none.value, *ends(none)]).all()
    assert math.isnan(analysis.deviation(np.array([4.0])))


def test_the_median_of_five_spans_them_and_of_four_has_no_interval():
    five = analysis.median(np.array([3.0, 1, 2, 5, 4, NAN]), "lower")
    assert (five.value, *ends(five), five.count) == (3.0, 1.0, 5.0, 5)
    four = analysis.median(np.array([3.0, 1, 2, 4]), "lower")
    assert four.value == 2.5 and np.isnan(ends(four)).all()
    assert analysis.median(np.array([NAN]), "lower").count == 0


@pytest.mark.parametrize("count", [8, 10, 13, 20, 40])
def test_the_interval_of_the_median_lies_between_those_of_order_statistics(generator, count):
    """Of ranks k and k + 1 from each end, whose coverages by the binomial distribution are on both sides of 95 %."""
    scores = np.sort(generator.normal(size=count))
    coverage = [1 - 2 * stats.binom.cdf(k - 1, count, 0.5) for k in range(1, count // 2)]
    rank = max(k for k, value in enumerate(coverage, 1) if value >= 0.95)
    low, high = ends(analysis.median(scores, "lower"))
    assert scores[rank - 1] <= low <= scores[rank] and scores[-rank - 1] <= high <= scores[-rank]


@pytest.mark.parametrize(("better", "worst"), [("lower", INF), ("higher", -INF), ("lower", -INF)])
def test_a_diverged_run_is_the_worst_in_the_median(better, worst):
    estimate = analysis.median(np.array([worst, 1.0, 2.0, 3.0, 4.0]), better)
    bad = INF if better == "lower" else -INF
    assert estimate.value == (3.0 if better == "lower" else 2.0) and bad in ends(estimate)
    assert analysis.median(np.array([worst, worst, 1.0]), better).value == bad


def test_scores_of_other_seeds_are_refused():
    with pytest.raises(ValueError, match="same seeds"):
        analysis.compare(np.zeros(3), np.zeros(4), "lower")


def rank_sums(scores, reference):
    """Two-sided p by going through all splits of the pooled ranks."""
    ranks = stats.rankdata(np.concatenate([scores, reference]))
    count = len(scores)
    sums = np.array([sum(split) for split in itertools.combinations(ranks, count)])
    there = ranks[:count].sum()
    return min(1.0, 2 * min(np.mean(sums <= there + 1e-9), np.mean(sums >= there - 1e-9)))


@pytest.mark.parametrize("counts", [(3, 3), (5, 5), (4, 7), (6, 6)])
def test_independent_runs_equal_enumeration_with_and_without_ties(generator, counts):
    most = max(counts)
    for scores in (generator.normal(size=(2, most)), generator.integers(0, 4, size=(2, most)).astype(float)):
        one, other = (np.append(group[:n], [NAN] * (most - n)) for group, n in zip(scores, counts, strict=True))
        one, other = generator.permutation(one), generator.permutation(other)
        result = analysis.compare(one, other, "lower", comparisons=1000)  # too few to be pairs
        groups = one[~np.isnan(one)], other[~np.isnan(other)]
        assert not result.paired and result.p == pytest.approx(rank_sums(*groups))
        assert result.difference.value == pytest.approx(np.median(np.subtract.outer(*groups)))


@pytest.mark.parametrize("count", [5, 12, 20, 40])
def test_independent_runs_equal_scipy(generator, count):
    scores, reference = generator.normal(size=(2, count)) + [[0.4], [0]]
    p = analysis.independent(scores, reference, "lower")
    method = "exact" if 2 * count <= 60 else "asymptotic"
    assert p == pytest.approx(stats.mannwhitneyu(scores, reference, method=method).pvalue)


def test_the_interval_of_independent_runs_is_that_of_the_tables(generator):
    """Of 10 and 10 runs the ends are the 24th of 100 differences from each side: 2 P(U <= 23) = 0.043."""
    scores, reference = generator.normal(size=(2, 10))
    result = analysis.compare(scores, reference, "lower", comparisons=10**6)
    differences = np.sort(np.subtract.outer(scores, reference).ravel())
    assert ends(result.difference) == pytest.approx((differences[23], differences[-24]))


def signs(pairs):
    """Two-sided p by going through all signs of the ranks, ranks of zeros left out (Pratt 1959)."""
    ranks = stats.rankdata(np.abs(pairs))[pairs != 0]
    there = ranks[pairs[pairs != 0] > 0].sum()
    sums = np.array([np.dot(chosen, ranks) for chosen in itertools.product((0, 1), repeat=len(ranks))])
    return min(1.0, 2 * min(np.mean(sums <= there + 1e-9), np.mean(sums >= there - 1e-9)))


@pytest.mark.parametrize("count", range(6, 11))
def test_pairs_equal_enumeration_with_and_without_ties(generator, count):
    for pairs in (generator.normal(0.5, size=count), generator.choice([-2, -1, 0, 1, 2, 3.0], size=count)):
        result = analysis.compare(pairs, np.zeros(count), "lower", resampled=True)
        assert result.paired and result.p == pytest.approx(signs(pairs))
        walsh = [(one + other) / 2 for k, one in enumerate(pairs) for other in pairs[k:]]
        assert result.difference.value == pytest.approx(np.median(walsh))


def test_pairs_equal_scipy_where_there_are_many(generator):
    scores, reference = generator.normal(size=(2, 80)) + [[0.3], [0]]
    expected = stats.wilcoxon(scores, reference, method="asymptotic", correction=True).pvalue
    assert analysis.compare(scores, reference, "lower", resampled=True).p == pytest.approx(expected)


def test_pairs_see_ties_that_rounding_of_binary_fractions_hides():
    up, down = np.array([0.2, 0.2, 0.9, 0.8, 0.1, 0.1]), np.array([0.3, 0.1, 0.7, 0.5, 0.1, 0.1])
    result = analysis.compare(up, down, "lower", resampled=True)
    assert result.p == pytest.approx(signs(np.array([-1.0, 1, 2, 3, 0, 0])))


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=9),
    st.sampled_from(["lower", "higher"]),
    st.booleans(),
    st.integers(0, 3),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_effect_interval_direction_and_p_never_contradict_each_other(pairs, better, resampled, diverged):
    """Ties, diverged runs, either direction: the interval holds 0 if p >= 0.05, and else leaves it on one side."""
    scores, reference = np.array(pairs, "float64").T
    scores[:diverged] = INF
    result = analysis.compare(scores, reference, better, resampled)
    low, high = ends(result.difference)
    assert low <= result.difference.value <= high
    if result.p >= 0.05:
        assert low <= 0 <= high
        return
    lower = result.better == (better == "lower")
    assert (high <= 0 and result.difference.value <= 0) if lower else (low >= 0 and result.difference.value >= 0)


@given(
    st.lists(st.tuples(*[st.sampled_from([0.0, 1.0, 2.5, 4.0, INF, NAN])] * 2), min_size=3, max_size=9),
    st.sampled_from(["lower", "higher"]),
    st.booleans(),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_exchanging_the_two_turns_the_result_round(pairs, better, paired):
    """Also if runs of the reference diverged: they are its loss, as those of the variant are its own."""
    scores, reference = np.array(pairs).T
    one, other = (analysis.compare(*rows, better, paired=paired) for rows in [(scores, reference), (reference, scores)])
    np.testing.assert_allclose(one.p, other.p, rtol=1e-9)
    assert one.better is (None if other.better is None else not other.better)
    np.testing.assert_allclose(
        [one.difference.value, *ends(one.difference)],
        [-other.difference.value, -other.difference.high, -other.difference.low],
    )
    np.testing.assert_allclose(one.improvement.value, 1 - other.improvement.value)


@pytest.mark.parametrize("paired", [False, True])
def test_a_reference_that_always_diverged_is_worse(paired):
    result = analysis.compare(np.arange(6.0), np.full(6, INF), "lower", paired=paired)
    assert result.better and result.difference.value == -INF
    assert result.p == pytest.approx(2 / (2**6 if paired else math.comb(12, 6)))


@pytest.mark.parametrize("paired", [False, True])
def test_the_p_value_alone_is_that_of_the_comparison(generator, paired):
    scores, reference = np.round(generator.normal(size=(2, 9)), 1)
    scores[[2, 5]], reference[4] = (NAN, INF), NAN
    expected = analysis.compare(scores, reference, "higher", paired=paired)
    assert expected.paired == paired and analysis.p_value(scores, reference, "higher", paired) == expected.p
    assert math.isnan(analysis.p_value(np.full(2, NAN), np.ones(2), "lower", paired))


@pytest.mark.parametrize("alpha", [0.01, 0.2])
@pytest.mark.parametrize("paired", [False, True])
def test_intervals_of_any_level_hold_what_the_test_of_that_level_does_not_refuse(generator, paired, alpha):
    scores, reference = generator.normal(size=(2, 11)) + [[0.5], [0]]
    low, high = ends(analysis.compare(scores, reference, "lower", paired=paired, alpha=alpha).difference)
    step = 1e-6
    for shift, refused in [(low - step, True), (low + step, False), (high - step, False), (high + step, True)]:
        assert (analysis.p_value(scores - shift, reference, "lower", paired) < alpha) == refused


def test_the_direction_is_that_of_the_test_and_not_of_the_mean(generator):
    """19 of 20 seeds are better by 0.05, one is worse by 20: the mean says worse."""
    reference = generator.normal(1, 0.5, size=20)
    scores = reference - 0.05
    scores[3] = reference[3] + 20
    result = analysis.compare(scores, reference, "lower", resampled=True)
    assert scores.mean() > reference.mean() and result.p < 0.001 and result.better


def test_diverged_trials_count_in_the_verdict(generator):
    """5 of 12 diverge and 7 are a little better: not better."""
    reference = generator.normal(1, 0.05, size=12)
    scores = reference - 0.02
    scores[:5] = INF
    for resampled in (False, True):
        result = analysis.compare(scores, reference, "lower", resampled)
        assert result.p > 0.05 and result.difference.high == INF


def test_five_seeds_can_decide(generator):
    result = analysis.compare(np.arange(5.0), np.arange(5.0) + 10, "lower")
    assert result.p == pytest.approx(2 / math.comb(10, 5)) and result.better and result.difference.high < 0


def test_the_ratio_is_the_shift_of_logarithms(generator):
    scores, reference = np.exp(generator.normal(size=(2, 9)) + [[1.0], [0.0]])
    result = analysis.compare(scores, reference, "lower", comparisons=1000)
    logarithms = analysis.compare(np.log(scores), np.log(reference), "lower", comparisons=1000)
    shift = logarithms.difference
    assert (result.ratio.value, *ends(result.ratio)) == pytest.approx(np.exp([shift.value, *ends(shift)]))
    assert result.p == logarithms.p
    assert math.isnan(analysis.compare(scores - 1, reference, "lower").ratio.value)
    assert math.isnan(analysis.compare(scores, reference, "higher").ratio.value)


def test_correlated_seeds_are_compared_pair_by_pair(generator):
    seeds = generator.normal(size=12)
    scores, reference = seeds + 0.1 * generator.normal(size=(2, 12)) + [[0.2], [0]]
    result = analysis.compare(scores, reference, "lower")
    assert result.paired and result.correlation == pytest.approx(stats.spearmanr(scores, reference).statistic)
    assert result.p < 0.01 < analysis.independent(scores, reference, "lower")
    assert not analysis.compare(scores[:5], reference[:5], "lower").paired  # 5 pairs cannot conclude


def test_a_row_without_scores_is_compared_with_nothing():
    result = analysis.compare(np.array([NAN, 1]), np.array([NAN, NAN]), "lower")
    assert math.isnan(result.p) and result.better is None and result.difference.count == 0


@pytest.mark.parametrize(("counts", "p"), [((5, 10, 0, 10), 0.0325077399), ((10, 10, 10, 10), 1.0)])
def test_rates_by_fishers_exact_test(counts, p):
    """5 of 10 against 0 of 10: twice the 252 ways of 15504 to have all five on one side."""
    assert analysis.rates(*counts) == pytest.approx(p)
    assert math.isnan(analysis.rates(0, 0, 1, 2))


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


@pytest.mark.parametrize(("comparisons", "runs"), [(1, 4), (2, 5), (6, 5), (7, 6), (18, 6)])
def test_runs_to_conclude(comparisons, runs):
    """2 / 70 = 0.029; 6 * 2 / 252 = 0.048 but 7 * 2 / 252 = 0.056; 18 * 2 / 924 = 0.039."""
    assert analysis.runs_to_conclude(comparisons) == runs


def test_what_a_number_of_runs_shows_and_how_many_a_difference_needs(generator):
    size = analysis.detectable(10, 3)
    assert size == pytest.approx(TTestIndPower().solve_power(None, 10 * 3 / math.pi, 0.05 / 3, 0.8))
    assert analysis.seeds_for_effect(size * 0.2, 0.2, 3) == 10 and analysis.seeds_for_effect(0.99 * size, 1.0, 3) == 11
    assert analysis.detectable(3) == INF
    assert analysis.seeds_for_effect(0.1, NAN) is analysis.seeds_for_effect(1e-9, 1.0) is None
    assert analysis.seeds_for_effect(1.0, 0.0, 8) == 6


def test_what_is_detectable_is_shown_in_about_four_of_five_studies():
    generator = np.random.default_rng(5)
    scores, reference = generator.normal(size=(2, 1000, 10))
    shifted = scores - analysis.detectable(10)
    alarms = [analysis.independent(*pair, "lower") < 0.05 for pair in zip(shifted, reference, strict=True)]
    assert 0.74 < np.mean(alarms) < 0.84


def test_the_upper_limit_of_a_deviation_is_above_it_in_four_of_five_studies():
    groups = np.random.default_rng(6).normal(size=(2000, 2, 5))
    assert 0.77 < np.mean([analysis.upper_deviation(*pair) > 1 for pair in groups]) < 0.83
    assert math.isnan(analysis.upper_deviation(np.array([1.0]), np.array([2.0, INF])))


def test_mean_ranks_by_hand():
    scores = np.array([[0.1, 5, 7], [0.2, 5, NAN], [0.3, 9, 8]])  # ranks 1 2.5 1, 2 2.5 3, 3 1 2 if the last is "lower"
    ranks = analysis.mean_ranks(scores, ["lower", "higher", "lower"])
    assert ranks == pytest.approx([4.5 / 3, 7.5 / 3, 6 / 3])
    with pytest.raises(ValueError, match="3 tasks"):
        analysis.mean_ranks(scores[:, :2], ["lower"] * 3)


def test_friedman_in_the_form_of_iman_and_davenport(generator):
    """All tasks rank three variants alike: 3! of 3!^4 orders do, the smallest p there is."""
    scores = np.array([[1.0, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 6]])
    assert analysis.friedman(scores, ["lower"] * 4) == pytest.approx(1 / 216) == analysis.least_friedman(3, 4)
    scores = generator.integers(0, 5, size=(5, 7)).astype(float)
    mixed = scores * np.array([1, -1, 1, -1, 1, 1, 1])
    better = ["higher" if column in (1, 3) else "lower" for column in range(7)]
    statistic = stats.friedmanchisquare(*scores).statistic
    value = 6 * statistic / (7 * 4 - statistic)
    assert analysis.friedman(mixed, better) == pytest.approx(stats.f.sf(value, 4, 24))


def test_two_tasks_cannot_show_that_three_variants_differ():
    assert analysis.friedman(np.array([[1.0, 1], [2, 2], [3, 3]]), ["lower"] * 2) == pytest.approx(1 / 6)


def test_over_tasks_six_can_show_that_a_variant_is_better():
    p, estimate = analysis.over_tasks(np.array([0.9, 0.8, 0.7, 0.9, 0.6, 0.95]))
    assert p == 2 / 2**6 and estimate.low > 0.5 and estimate.count == 6
    assert analysis.over_tasks(np.array([0.9, 0.8, 0.7, 0.9, 0.6]))[0] > 0.05


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


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_loss_is_how_much_worse_pairs_are(generator, better):
    reference = generator.normal(size=9)
    worse = generator.uniform(0.1, 1, size=9)
    scores = reference + (worse if better == "lower" else -worse)
    walsh = [(a + b) / 2 for a, b in itertools.combinations_with_replacement(worse, 2)]
    loss = analysis.loss(scores, reference, better)
    assert loss.value == pytest.approx(statistics.median(walsh)) and loss.count == 9
    assert worse.min() < loss.low < loss.value < loss.high < worse.max()
    diverged = np.full(9, INF if better == "lower" else -INF)
    assert analysis.loss(diverged, reference, better).value == INF
    assert ends(analysis.loss(scores[:3], reference[:3], better)) == (-INF, INF)
