"""Layers from the weights of TensorFlow Addons' peephole cell."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from variants.layers import PeepholeLSTM

_PEEPHOLE_WEIGHTS = ("kernel", "recurrent_kernel", "bias", "input_peephole", "forget_peephole", "output_peephole")


def from_tensorflow_addons(weights: Sequence[Any], **arguments: Any) -> PeepholeLSTM:
    """Make a `PeepholeLSTM` from the weights of TensorFlow Addons' `PeepholeLSTMCell`.

    The equation is the same, the output gate sees the new cell state in both. Addons' `activation` is
    `candidate_activation` and `output_activation` here, its `recurrent_activation` is `gate_activation`; mind that
    `hard_sigmoid` was clip(0.2 x + 0.5) in Keras 2 and is clip(x / 6 + 0.5) in Keras 3.

    Args:
        weights: `get_weights()` of the cell or of an RNN layer around it, 6 arrays: kernel `(features, 4 * units)`
            and recurrent_kernel `(units, 4 * units)` with columns in the order i, f, z, o, bias `(4 * units,)`,
            and the peepholes of the input, forget and output gate, `(units,)` each. 5 arrays, without the bias, for
            a cell with `use_bias=False`.
        **arguments: Arguments of `PeepholeLSTM`, such as `return_sequences`, except `units` and `use_bias`.

    Returns:
        A built layer with these weights.

    Raises:
        ValueError: for a wrong number of weights or a wrong shape.
    """
    arrays = [np.asarray(weight) for weight in weights]
    use_bias = len(arrays) != 5
    names = [name for name in _PEEPHOLE_WEIGHTS if use_bias or name != "bias"]
    if len(arrays) != len(names):
        raise ValueError(
            f"`weights` must be the 6 arrays {', '.join(_PEEPHOLE_WEIGHTS)}, or 5 without the bias. "
            f"Received: {len(arrays)} arrays of the shapes {[array.shape for array in arrays]}"
        )
    features, units = (np.atleast_1d(array).shape[0] for array in arrays[:2])
    layer = PeepholeLSTM(units, use_bias=use_bias, **arguments)
    layer.build((None, None, features))
    expected = [tuple(weight.shape) for weight in layer.weights]
    received = [array.shape for array in arrays]
    if expected != received:
        own = ", ".join(f"{weight.name} {tuple(weight.shape)}" for weight in layer.weights)
        raise ValueError(
            f"`weights` do not fit: {type(layer).__name__} with {features} features, {layer.units} units and these "
            f"arguments has the weights {own}. Received: the shapes {received}"
        )
    layer.set_weights(arrays)
    return layer
