"""Linear regression on held-out blocks, from moments: what a set of columns explains of others."""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

Array = np.ndarray

PENALTIES = 10.0 ** np.arange(-6, 3)  # of standardised features, beside a mean squared error
CONSTANT = 1e-9  # share of a column's mean square below which its variance is rounding


class Moments:
    """Sums of squares and products of columns over the rows of each block, added up as the rows come.

    They are all that linear regression needs to know, so that rows need not stay in memory.

    Args:
        blocks: Number of blocks.
        columns: Number of columns.
    """

    def __init__(self, blocks: int, columns: int) -> None:
        self.sums = np.zeros((blocks, columns + 1, columns + 1))  # the first column is 1

    def add(self, rows: Array, block: Array) -> None:
        """Add rows.

        Args:
            rows: `(rows, columns)`.
            block: `(rows,)`, which block each belongs to.
        """
        rows = np.column_stack([np.ones(len(rows)), rows])
        for number in np.unique(block):
            part = rows[block == number]
            self.sums[number] += part.T @ part


class _Regression:
    """Moments of the rows that a regression is fitted to, about their means."""

    def __init__(self, sums: Array, features: Array, targets: Array) -> None:
        self.features, self.targets = features, targets
        self.count = sums[0, 0]
        self.means = sums[0] / self.count
        self.covariance = sums / self.count - np.outer(self.means, self.means)
        variance = self.covariance.diagonal()
        self.deviation = np.sqrt(np.where(variance > CONSTANT * sums.diagonal() / self.count, variance, np.inf))

    def errors(self, sums: Array, weights: Array) -> Array:
        """Squared errors `(..., targets)` in other rows of weights `(..., features, targets)`, summed."""
        about = sums - np.outer(self.means, sums[0]) - np.outer(sums[0], self.means)
        about += sums[0, 0] * np.outer(self.means, self.means)
        inner, outer = about[np.ix_(self.features, self.features)], about[np.ix_(self.features, self.targets)]
        squares = about[self.targets, self.targets]
        return squares + (weights * (inner @ weights - 2 * outer)).sum(axis=-2)

    def ridge(self) -> Array:
        """Weights `(penalties, features, targets)` of ridge regression on standardised features."""
        scale = self.deviation[self.features]
        correlation = self.covariance[np.ix_(self.features, self.features)] / np.outer(scale, scale)
        values, vectors = np.linalg.eigh(correlation)
        along = vectors.T @ (self.covariance[np.ix_(self.features, self.targets)] / scale[:, None])
        shrunk = along / (np.maximum(values, 0)[:, None] + PENALTIES[:, None, None])
        return vectors @ shrunk / scale[:, None]

    def best_feature(self) -> Array:
        """Weights `(features, targets)`, all 0 but that of the feature with the greatest squared correlation."""
        scale = self.deviation[self.features][:, None]
        products = self.covariance[np.ix_(self.features, self.targets)] / scale
        best = np.abs(products).argmax(axis=0)
        weights = np.zeros(products.shape)
        places = best, np.arange(len(self.targets))
        weights[places] = (products / scale)[places]
        return weights


def explained(moments: Moments, features: Sequence[int], targets: Sequence[int]) -> Array:
    """Compute which share of the variance of each target ridge regression explains in blocks that it has not seen.

    Each block is held out once: the weights, the means and the penalty come from the other blocks, the penalty of each
    target by holding out each of those in turn. R2 = 1 - sum of squared errors / sum of squared differences from the
    mean of the other blocks, the sums over all blocks (the out-of-sample R2 of Campbell and Thompson 2008): 1 is
    everything, 0 what the mean alone gives, below 0 worse than that. Ridge: Hoerl and Kennard 1970. Whole blocks are
    held out, since rows that are neighbours in time resemble each other (Roberts et al. 2017).

    Args:
        moments: Of three blocks at least that have rows.
        features: Columns to predict from.
        targets: Columns to predict.

    Returns:
        `(targets,)`, NaN for a constant one.
    """
    blocks, at = _blocks(moments), (np.array(features) + 1, np.array(targets) + 1)
    every = np.arange(len(at[1]))
    tries = np.zeros((len(blocks), len(PENALTIES), len(every)))  # errors within the blocks that are fitted to
    for first, second in combinations(range(len(blocks)), 2):
        fit = _Regression(np.delete(blocks, (first, second), axis=0).sum(axis=0), *at)
        weights = fit.ridge()
        tries[first] += fit.errors(blocks[second], weights)
        tries[second] += fit.errors(blocks[first], weights)
    return _score(blocks, at, lambda fit, number: fit.ridge()[tries[number].argmin(axis=0), :, every].T)


def explained_by_one(moments: Moments, features: Sequence[int], targets: Sequence[int]) -> Array:
    """Compute `explained` by the one feature with the greatest squared correlation in the other blocks.

    It is chosen without the block in which it is measured, so that the best of many does not flatter itself.
    """
    at = np.array(features) + 1, np.array(targets) + 1
    return _score(_blocks(moments), at, lambda fit, number: fit.best_feature())


def _blocks(moments: Moments) -> Array:
    blocks = moments.sums[moments.sums[:, 0, 0] > 0]
    if len(blocks) < 3:
        raise ValueError(f"`moments` must have rows in three blocks at least. Received: {len(blocks)}")
    return blocks


def _score(blocks: Array, at: tuple[Array, Array], weights: Callable[[_Regression, int], Array]) -> Array:
    """Errors of weights that are fitted to the other blocks, as a share of those of the mean, from 1."""
    errors, squares = np.zeros(len(at[1])), np.zeros(len(at[1]))
    for number, held_out in enumerate(blocks):
        fit = _Regression(np.delete(blocks, number, axis=0).sum(axis=0), *at)
        errors += fit.errors(held_out, weights(fit, number))
        squares += fit.errors(held_out, np.zeros((len(at[0]), len(at[1]))))
    total = blocks.sum(axis=0)
    constant = np.isinf(_Regression(total, *at).deviation[at[1]])
    return np.where(constant, np.nan, 1 - errors / np.where(constant, 1, squares))
