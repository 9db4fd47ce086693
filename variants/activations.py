"""Activations that Keras does not have."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="gatelab")
def binary(x: Any) -> Any:
    """Make a gate a true on/off switch: 1 where x > 0, else 0, trained straight-through.

    The gradient is that of the sigmoid, since the step's own is zero everywhere: the straight-through estimator of
    Bengio, Leonard and Courville 2013, "Estimating or propagating gradients through stochastic neurons" (section 5).

    Args:
        x: Tensor of pre-activations.
    """
    soft = ops.sigmoid(x)
    hard = ops.cast(x > 0, soft.dtype)
    return soft + ops.stop_gradient(hard - soft)


@keras.saving.register_keras_serializable(package="gatelab")
def centered_sigmoid(x: Any) -> Any:
    """Shift the sigmoid so that it has both signs: sigmoid(x) - 1/2 = tanh(x / 2) / 2.

    Same slope and same width of range as the sigmoid, so that a comparison of the two as candidates says what the
    sign alone is worth.

    Args:
        x: Tensor of pre-activations.
    """
    return ops.sigmoid(x) - 0.5


OWN = {"binary": binary, "centered_sigmoid": centered_sigmoid}
STRAIGHT_THROUGH = {binary}  # whose gradient is not that of the function
