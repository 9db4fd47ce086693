"""Layers from and to `keras.layers.LSTM`."""

from collections.abc import Iterator
from typing import Any

import keras

from variants.convert.blocks import PLAIN_GATES, overridden, refuse, refuse_beyond, settings, shared_activation
from variants.initializers import BlockInitializer
from variants.layers import GatedLSTM


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
    if names := overridden(type(layer), keras.layers.LSTM):
        refuse(layer, "GatedLSTM", f"{type(layer).__name__} overrides {', '.join(names)}")
    config = layer.get_config()
    del config["activation"], config["recurrent_activation"]
    activations = {
        "gate_activation": layer.recurrent_activation,
        "candidate_activation": layer.activation,
        "output_activation": layer.activation,
    }
    return _with_weights(layer, GatedLSTM(**config, **activations))


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
            activation) and for a subclass with an equation of its own; names each of them.
    """
    if not isinstance(layer, GatedLSTM):
        raise TypeError(f"`layer` must be a GatedLSTM. Received: {layer!r}")
    refuse_beyond(layer, "keras.layers.LSTM", PLAIN_GATES, _different_activations(layer))
    shared = keras.layers.LSTM(layer.units).get_config()
    config = {name: value for name, value in layer.get_config().items() if name in shared}
    if isinstance(layer.bias_initializer, BlockInitializer):
        config["unit_forget_bias"] = False  # it has no effect here, and would change the biases there
    config["activation"] = layer.candidate_activation
    config["recurrent_activation"] = shared_activation(layer.cell)
    return _with_weights(layer, keras.layers.LSTM(**config))


def _with_weights(source: Any, target: Any) -> Any:
    if source.built:
        target.build_from_config(source.get_build_config())
        target.set_weights(source.get_weights())
    return target


def _different_activations(layer: GatedLSTM) -> Iterator[str]:
    if shared_activation(layer.cell) is None:
        yield f"{settings(layer, 'gate_activation')} (its gates share one activation)"
    if layer.candidate_activation != layer.output_activation:
        both = settings(layer, "candidate_activation", "output_activation")
        yield f"{both} (its candidate and output share one activation)"
