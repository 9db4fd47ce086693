"""Intervals hold the truth and equal variants are not said to differ, where that is known: `benchmarks.coverage`."""

import numpy as np
import pytest

from benchmarks.coverage import DISTRIBUTIONS, equal_variants, family, over_tasks, power

few_or_many = pytest.mark.parametrize("repetitions", [150, pytest.param(2000, marks=pytest.mark.slow)])


def error(repetitions):
    """Three standard errors of a share near 5 %."""
    return 3 * np.sqrt(0.05 * 0.95 / repetitions)


@few_or_many
@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_alarms_are_rare_and_intervals_cover(name, correlation, seeds, repetitions):
    entry = np.random.default_rng(1), name, seeds, correlation, repetitions
    alarms, covers, improves, median, _ = equal_variants(*entry)
    assert alarms <= 0.05 + error(repetitions)
    assert min(covers, improves, median) >= 0.9375 - error(repetitions)
    assert seeds == 5 or max(covers, improves, median) <= 0.96 + error(repetitions)


@few_or_many
def test_five_seeds_show_two_deviations_in_two_of_three_studies(repetitions):
    share, ranks, _ = power(np.random.default_rng(0), "normal", 5, 0.0, repetitions, shift=2.0)
    assert share >= 0.65 - error(repetitions) and ranks == 0


@pytest.mark.slow
def test_holm_keeps_false_alarms_below_alpha():
    assert family(np.random.default_rng(0), 1000, seeds=6) <= 0.05 + error(1000)


@few_or_many
@pytest.mark.parametrize("name", ["normal", "log-normal"])
def test_intervals_over_tasks_cover(name, repetitions):
    aggregate, profile = over_tasks(np.random.default_rng(1), name, 10, repetitions, resamples=300)
    assert abs(aggregate - 0.95) <= 0.02 + error(repetitions) and profile >= 0.94 - error(repetitions)
