"""The expected best of n draws, against the mean over all sets of n draws."""

from itertools import combinations

import numpy as np
import pytest

from experiments import analysis

SCORES = np.array([0.9, 0.2, 0.5, 0.5, 1.4, 0.31])


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_the_expected_best_is_the_mean_over_all_sets_of_draws(better):
    best = min if better == "lower" else max
    budget = analysis.expected_best(SCORES, better)
    for size in range(1, 7):
        values = [best(chosen) for chosen in combinations(SCORES, size)]
        assert budget.expected[size - 1] == pytest.approx(np.mean(values))
        inverted = np.quantile(values, (0.1, 0.9), method="inverted_cdf")
        if better == "lower":
            assert (budget.low[size - 1], budget.high[size - 1]) == pytest.approx(tuple(inverted))
        assert budget.low[size - 1] <= budget.expected[size - 1] <= budget.high[size - 1] or size == 6


def test_a_diverged_draw_is_as_bad_as_the_worst_and_a_missing_one_is_none():
    budget = analysis.expected_best(np.array([1.0, np.inf, 3.0, np.nan]), "lower")
    assert budget.expected.tolist() == pytest.approx([7 / 3, 5 / 3, 1])
    assert np.isnan(analysis.expected_best(np.array([np.inf, np.inf]), "lower").expected).all()


def test_hundreds_of_draws_are_no_problem():
    scores = np.random.default_rng(0).uniform(size=600)
    budget = analysis.expected_best(scores, "lower")
    assert budget.expected[9] == pytest.approx(1 / 11, abs=0.02), "of 10 uniform numbers the least is 1/11"
    assert (np.diff(budget.expected) <= 1e-12).all()
    assert budget.expected[-1] == pytest.approx(scores.min())
