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


STRAIGHT_THROUGH = {"binary": binary}
