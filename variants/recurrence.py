"""How gates and candidate see the hidden state: through matrices, one weight per unit, or not at all."""

from typing import Any

import keras
from keras import ops


def kernel_shape(recurrence: str, units: int, columns: int) -> tuple[int, ...] | None:
    """Give the shape of the recurrent kernel for a number of columns; None if there is no recurrence."""
    return {"full": (units, columns), "diagonal": (columns,), "none": None}[recurrence]


def kernel_initializer(recurrence: str, initializer: Any) -> Any:
    """Give what the recurrent kernel starts from: for one weight per unit, where none is orthogonal, -1 to 1 evenly."""
    if recurrence == "diagonal" and isinstance(initializer, keras.initializers.Orthogonal):
        return keras.initializers.RandomUniform(-1, 1, seed=initializer.seed)
    return initializer


def hidden_product(recurrence: str, hidden: Any, kernel: Any, blocks: int) -> Any:
    """Compute what the sums owe to the hidden state: h U, u * h, or zeros.

    Args:
        recurrence: `"full"`, `"diagonal"` or `"none"`.
        hidden: `(..., units)`, for any number of steps.
        kernel: The variable, of which every block has its own columns or all share the same; None without recurrence.
        blocks: How many blocks have sums of their own, 1 if they share one.

    Returns a tensor `(..., blocks * units)`.
    """
    units = hidden.shape[-1]
    if recurrence == "full":
        product = ops.tensordot(hidden, kernel.value, 1)
        return product if kernel.shape[-1] == blocks * units else ops.concatenate([product] * blocks, axis=-1)
    if recurrence == "none":
        return ops.concatenate([ops.zeros_like(hidden)] * blocks, axis=-1)
    if kernel.shape[-1] == units:
        return ops.concatenate([hidden * kernel.value] * blocks, axis=-1)
    return ops.concatenate([hidden] * blocks, axis=-1) * kernel.value
