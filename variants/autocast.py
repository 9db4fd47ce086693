"""What runs the steps of a cell computes in the types of the cell, which may differ from those of its layer."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def in_types_of_cell(layer: Any, loop: Callable[..., Any], sequences: Any, initial_state: Any) -> Any:
    """Call `loop(sequences, initial_state)` as Keras calls the cell of a layer, once for all steps.

    Policies may be set layer by layer, by a `DTypePolicyMap` or after construction. The states are in the type of the
    cell already.
    """
    cell = layer.cell
    if _types(cell) == _types(layer):
        return loop(sequences, initial_state)
    sequences = ops.cast(sequences, cell.compute_dtype)
    return _LikeCell(cell, lambda states: loop(sequences, states))(initial_state)


def _types(layer: Any) -> tuple[Any, ...]:
    return layer.compute_dtype, layer.variable_dtype, layer.autocast


class _LikeCell(keras.layers.Layer):
    """A function for which variables have the type that they have in the `call` of a cell."""

    def __init__(self, cell: Any, function: Callable[[Any], Any]) -> None:
        policy = cell.dtype_policy
        if isinstance(policy, keras.dtype_policies.DTypePolicyMap):  # goes by the path, which is not that of the cell
            policy = policy[cell.path] if cell.path else policy.default_policy
        super().__init__(dtype=policy, autocast=cell.autocast)
        self.function = function
        self.built = True

    def call(self, states: Any) -> Any:
        return self.function(states)
