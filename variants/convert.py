"""Layers from and to `keras.layers.LSTM`, and from TensorFlow Addons' peephole cell."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from variants.blocks import Array, beyond_plain_gates, overridden, own_equation, refuse, single_gate_activation
from variants.layers import GatedLSTM, PeepholeLSTM

_PEEPHOLE_WEIGHTS = ("kernel", "recurrent_kernel", "bias", "input_peephole", "forget_peephole", "output_peephole")


def from_keras(layer: keras.layers.LSTM) -> GatedLSTM:
    """Make the `GatedLSTM` that computes what a `keras.layers.LSTM` computes.

    Keras's `activation` becomes `candidate_activation` and `output_activation`, its `recurrent_activation` becomes
    `gate_activation`. All other arguments are the same; `use_cudnn` has no counterpart and is left out. Dropout
    draws other masks: with `recurrent_dropout`, Keras drops different entries for each gate, `GatedLSTM` the same
    for all.

    Args:
        layer: A `keras.layers.LSTM`, built or not.

    Returns:
        A layer with the same name and, if `layer` is built, the same weights. States of a stateful layer are zero.

    Raises:
        TypeError: if `layer` is not a `keras.layers.LSTM`.
        ValueError: for a subclass that overrides what an LSTM computes.
    """
    if not isinstance(layer, keras.layers.LSTM):
        raise TypeError(f"`layer` must be a keras.layers.LSTM. Received: {layer!r}")
    names = overridden(type(layer), keras.layers.LSTM)
    refuse(layer, "GatedLSTM", [f"{type(layer).__name__} overrides {', '.join(names)}"] if names else [])
    config = layer.get_config()
    del config["activation"], config["recurrent_activation"]
    activations = {
        "gate_activation": layer.recurrent_activation,
        "candidate_activation": layer.activation,
        "output_activation": layer.activation,
    }
    return _with_weights_of(layer, GatedLSTM(**config, **activations))


def to_keras(layer: GatedLSTM) -> keras.layers.LSTM:
    """Make the `keras.layers.LSTM` that computes what a `GatedLSTM` computes: the reverse of `from_keras`.

    Dropout draws other masks: with `recurrent_dropout`, Keras drops different entries for each gate, `GatedLSTM`
    the same for all.

    Args:
        layer: A `GatedLSTM` or a subclass, built or not, whose equation Keras has.

    Returns:
        A layer with the same name and, if `layer` is built, the same weights. States of a stateful layer are zero.

    Raises:
        TypeError: if `layer` is not a `GatedLSTM`.
        ValueError: for switches that Keras does not have (open or coupled gates, peepholes, gate recurrence, a
            shared kernel, gates with different activations, a candidate activation that is not the output
            activation, `chrono_time` of a layer that is not built) and for a subclass with an equation of its own;
            names each of them.
    """
    _check_gated(layer)
    refuse(layer, "keras.layers.LSTM", own_equation(layer))
    refuse(layer, "keras.layers.LSTM", _beyond_keras(layer))
    shared = keras.layers.LSTM(layer.units).get_config()
    config = {name: value for name, value in layer.get_config().items() if name in shared}
    activations = {
        "activation": layer.candidate_activation,
        "recurrent_activation": single_gate_activation(layer.cell),
    }
    return _with_weights_of(layer, keras.layers.LSTM(**config, **activations))


def _check_gated(layer: Any) -> None:
    if not isinstance(layer, GatedLSTM):
        raise TypeError(f"`layer` must be a GatedLSTM. Received: {layer!r}")


def _with_weights_of(source: Any, target: Any) -> Any:
    if source.built:
        target.build_from_config(source.get_build_config())
        target.set_weights(source.get_weights())
    return target


def _beyond_keras(layer: GatedLSTM) -> Iterator[str]:
    yield from beyond_plain_gates(layer)
    config = layer.get_config()
    if single_gate_activation(layer.cell) is None:
        yield f"gate_activation={config['gate_activation']!r} (its gates share one activation)"
    if layer.chrono_time and not layer.built:
        yield f"chrono_time={layer.chrono_time!r} (its biases start otherwise; build the layer before)"
    if layer.candidate_activation != layer.output_activation:
        chosen = ", ".join(f"{name}={config[name]!r}" for name in ("candidate_activation", "output_activation"))
        yield f"{chosen} (its candidate and output share one activation)"


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
    return _built(PeepholeLSTM(units, use_bias=use_bias, **arguments), features, arrays)


def _built(layer: GatedLSTM, features: int, weights: Sequence[Array]) -> Any:
    layer.build((None, None, features))
    expected = [tuple(weight.shape) for weight in layer.weights]
    received = [weight.shape for weight in weights]
    if expected != received:
        named = ", ".join(f"{weight.name} {tuple(weight.shape)}" for weight in layer.weights)
        raise ValueError(
            f"`weights` do not fit: {type(layer).__name__} with {features} features, {layer.units} units and these "
            f"arguments has the weights {named}. Received: the shapes {received}"
        )
    layer.set_weights(weights)
    return layer
