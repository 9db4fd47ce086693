"""Regression on held-out blocks: against scikit-learn, and where the answer is known."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from experiments.analysis import Moments, explained, explained_by_one
from experiments.analysis.ridge import PENALTIES

BLOCKS = 4


def moments_of(features, targets, blocks=BLOCKS, pieces=7):
    """Moments of contiguous blocks, added up in pieces; and the columns of features and of targets."""
    columns = np.column_stack([features, targets])
    block = np.arange(len(columns)) * blocks // len(columns)
    moments = Moments(blocks, columns.shape[1])
    for rows in np.array_split(np.arange(len(columns)), pieces):
        moments.add(columns[rows], block[rows])
    count = features.shape[1]
    return moments, range(count), range(count, columns.shape[1])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def fitted(penalty, features, target):
    """Ridge regression by scikit-learn, whose penalty goes with the sum of the squared errors, ours with their mean."""
    return make_pipeline(StandardScaler(), Ridge(penalty * len(target))).fit(features, target)


def test_equals_scikit_learn():
    """Also where features have other scales and means, and one is constant."""
    features = normal(203, 6) * [1, 10, 0.1, 1, 1, 0] + [0, 5, 1, -3, 0, 2]
    targets = features[:, :2] @ normal(2, 2) + normal(203, 2, seed=1) + 4
    values = explained(*moments_of(features, targets))
    block = np.arange(203) * BLOCKS // 203
    for target, value in zip(targets.T, values, strict=True):
        predicted, means = np.empty(203), np.empty(203)
        for test in (block == number for number in range(BLOCKS)):
            x, y, groups = features[~test], target[~test], block[~test]

            def lost(penalty, x=x, y=y, groups=groups):
                held_outs = [groups == number for number in set(groups)]
                models = [fitted(penalty, x[~held_out], y[~held_out]) for held_out in held_outs]
                return sum(((m.predict(x[h]) - y[h]) ** 2).sum() for m, h in zip(models, held_outs, strict=True))

            predicted[test] = fitted(min(PENALTIES, key=lost), x, y).predict(features[test])
            means[test] = y.mean()
        expected = 1 - ((predicted - target) ** 2).sum() / ((means - target) ** 2).sum()
        assert value == pytest.approx(expected, abs=1e-8)


def test_what_two_features_hold_together():
    """Their sum is the target, and the rest of each is much larger: one alone says little."""
    target, other = normal(2000, 1), 5 * normal(2000, 1, seed=1)
    features = np.column_stack([target + other, -other, normal(2000, 3, seed=2)])
    assert explained(*moments_of(features, target)) == pytest.approx(1, abs=1e-6)
    assert explained_by_one(*moments_of(features, target))[0] < 0.1


def test_one_feature_is_measured_where_it_was_not_chosen():
    target = normal(2000, 1)
    assert explained_by_one(*moments_of(np.column_stack([normal(2000, 9, seed=1), 3 - 2 * target]), target))[
        0
    ] == pytest.approx(1)
    many = normal(100, 300, seed=2)  # the best of them has a squared correlation of 0.1 within these rows
    assert explained_by_one(*moments_of(many, target[:100]))[0] < 0.02


@pytest.mark.parametrize("rows", [150, pytest.param(20_000, marks=pytest.mark.slow)])
def test_nothing_is_found_in_noise(rows):
    """Nor with as many features as would explain most of 150 rows that they are fitted to."""
    features, target = normal(rows, 100), normal(rows, 5, seed=1)
    residuals = target - features @ np.linalg.lstsq(features, target, rcond=None)[0]
    assert rows > 150 or 1 - residuals.var() / target.var() > 0.5
    assert np.abs(explained(*moments_of(features, target))).max() < 0.05


def test_a_target_that_is_0_or_1():
    state = np.repeat(np.random.default_rng(0).integers(0, 2, 100), 20)[:, None]
    features = np.column_stack([state + 0.1 * normal(2000, 1), normal(2000, 5, seed=1)])
    assert explained(*moments_of(features, state))[0] == pytest.approx(1 - 0.01 / 0.25, abs=0.01)


def test_a_constant_target_and_too_few_blocks():
    moments, features, targets = moments_of(normal(90, 2), np.full((90, 1), 0.1))
    assert np.isnan(explained(moments, features, targets)).all()
    assert np.isnan(explained_by_one(moments, features, targets)).all()
    moments, features, targets = moments_of(normal(90, 2), normal(90, 1), blocks=2)
    with pytest.raises(ValueError, match="`moments` must have rows in three blocks at least. Received: 2"):
        explained(moments, features, targets)
