import math
import statistics

import numpy as np

from experiments.analysis import spread


def test_spread_equals_the_standard_library():
    scores = [0.5, 0.25, 1.5, 0.125]
    found = spread(np.array(scores))
    assert math.isclose(found.mean, statistics.mean(scores))
    assert math.isclose(found.deviation, statistics.stdev(scores))
    assert found.count == 4


def test_spread_counts_finite_scores_only():
    found = spread(np.array([1.0, np.nan, 3.0]))
    assert (found.mean, found.count) == (2.0, 2)


def test_one_score_has_no_spread_and_none_has_no_mean():
    assert math.isnan(spread(np.array([1.0])).deviation)
    assert math.isnan(spread(np.array([np.nan])).mean)
