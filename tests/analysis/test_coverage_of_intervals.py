"""Intervals hold the truth in 93 to 97 % of 1,000 repetitions, where it is known: normal scores, 5 and 10 seeds."""

import numpy as np
import pytest

from benchmarks.coverage import DISTRIBUTIONS, covered, estimators, false_alarms

REPETITIONS = 1000
CENTRES = {"mean": 0.0, "IQM": 0.0, "difference": 0.5, "aggregate": 0.9}  # by symmetry
COLUMNS = [*CENTRES, "improvement", "same, paired"]


@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("column", COLUMNS)
def test_intervals_of_normal_scores_cover(column, seeds):
    make = estimators(resamples=300)[column]
    truth, estimate = make(np.random.default_rng(1), DISTRIBUTIONS["normal"], seeds)
    assert truth == pytest.approx(CENTRES.get(column, 0.760250), abs=1e-4)  # P(N(-1, 1) < N(0, 1)) = Phi(1 / sqrt(2))
    assert 0.93 <= covered(truth, estimate, REPETITIONS) <= 0.97


def test_holm_keeps_false_alarms_below_alpha():
    assert false_alarms(np.random.default_rng(0), REPETITIONS) <= 0.05
