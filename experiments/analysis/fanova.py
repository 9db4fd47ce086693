"""The leaves of a regression tree as boxes in the unit cube, and exact averages over some of its dimensions.

F. Hutter, H. Hoos, K. Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML 2014,
algorithms 1 and 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Boxes:
    """A function that is constant on boxes which fill the unit cube.

    Attributes:
        low, high: Bounds of each box, `(boxes, dimensions)`: low < x <= high, as trees of scikit-learn split.
        value: Value of each box, `(boxes,)`.
    """

    low: np.ndarray
    high: np.ndarray
    value: np.ndarray

    @property
    def mean(self) -> float:
        """Average over the cube."""
        return float((self.high - self.low).prod(1) @ self.value)

    @property
    def variance(self) -> float:
        """Variance over the cube."""
        return float((self.high - self.low).prod(1) @ (self.value - self.mean) ** 2)

    def marginal(self, dimensions: Sequence[int], points: Sequence[np.ndarray]) -> np.ndarray:
        """Averages over all other dimensions, at each combination of the points of one or two dimensions.

        Returns:
            `(points,)` for one dimension, `(first points, second points)` for two.
        """
        others = np.delete(self.high - self.low, list(dimensions), axis=1).prod(1) * self.value
        inside = [
            ((self.low[:, n] < values[:, None]) & (values[:, None] <= self.high[:, n])).astype("float64")
            for n, values in zip(dimensions, points, strict=True)
        ]
        return inside[0] @ others if len(inside) == 1 else (inside[0] * others) @ inside[1].T

    def variance_share(self, dimensions: Sequence[int]) -> float:
        """Variance of the average over all other dimensions, as a share of the variance over the cube."""
        edges = [np.unique([*self.low[:, n], 1.0]) for n in dimensions]
        averages = self.marginal(dimensions, [(ends[1:] + ends[:-1]) / 2 for ends in edges])
        widths = [np.diff(ends) for ends in edges]
        sizes = widths[0] if len(widths) == 1 else np.outer(*widths)
        return float((sizes * (averages - self.mean) ** 2).sum()) / self.variance


def leaves(tree: Any) -> Boxes:
    """The leaves of a tree of scikit-learn (`DecisionTreeRegressor.tree_`) whose features are from 0 to 1."""
    low, high = np.zeros((tree.node_count, tree.n_features)), np.ones((tree.node_count, tree.n_features))
    for node in np.flatnonzero(tree.feature >= 0):  # parents have lower numbers than their children
        left, right, feature = tree.children_left[node], tree.children_right[node], tree.feature[node]
        for child in (left, right):
            low[child], high[child] = low[node], high[node]
        high[left, feature] = low[right, feature] = tree.threshold[node]
    leaf = tree.feature < 0
    return Boxes(low[leaf], high[leaf], tree.value[leaf, 0, 0])
