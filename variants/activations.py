"""Activations: those that Keras does not have, and all by name, by gate and in configs."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

Activation = Callable[[Any], Any]


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

    Same slope and same width of range as the sigmoid. As a candidate it differs from it in three ways at once: it
    has both signs, it writes nothing at rest, and it writes at most half as much.

    Args:
        x: Tensor of pre-activations.
    """
    return ops.sigmoid(x) - 0.5


@keras.saving.register_keras_serializable(package="gatelab")
def bipolar_sigmoid(x: Any) -> Any:
    """Scale and shift the sigmoid to the range of tanh: 2 sigmoid(x) - 1 = tanh(x / 2).

    Half the slope of tanh, and nothing else, is different from it.

    Args:
        x: Tensor of pre-activations.
    """
    return 2 * ops.sigmoid(x) - 1


@keras.saving.register_keras_serializable(package="gatelab")
def shifted_tanh(x: Any) -> Any:
    """Shift tanh up by the 1/2 that a sigmoid has at rest: tanh(x) + 1/2.

    As a candidate it still has both signs, and writes 1/2 at rest as the sigmoid does.

    Args:
        x: Tensor of pre-activations.
    """
    return ops.tanh(x) + 0.5


OWN = {function.__name__: function for function in (binary, centered_sigmoid, bipolar_sigmoid, shifted_tanh)}
STRAIGHT_THROUGH = {binary}  # whose gradient is not that of the function


def get_activation(argument: str, value: Any) -> Activation:
    """Look up an activation of Keras or of this module by name or serialized form; a callable is itself.

    Raises:
        ValueError: names the argument and the value if Keras does not know it.
    """
    if isinstance(value, str) and value in OWN:
        return OWN[value]
    try:
        return keras.activations.get(value)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"`{argument}` must be the name of a Keras activation (sigmoid, tanh, linear, hard_sigmoid, ...), "
            f"{', '.join(OWN)} or a callable. Received: {argument}={value!r}"
        ) from error


def activate(activation: Activation, values: Any) -> Any:
    """Apply an activation and keep the type of the values, which Keras's tanh does not on JAX in float64."""
    return ops.cast(activation(values), values.dtype)


def get_gate_activations(value: Any, gates: tuple[str, ...]) -> dict[str, Activation]:
    """Look up the activation of each learned gate, from one activation for all or from a dict by gate.

    Gates that a dict does not name keep the sigmoid.

    Raises:
        ValueError: if the dict names a gate that does not exist or is not learned.
    """
    if not is_per_gate(value):
        activation = get_activation("gate_activation", value)
        return {gate: activation for gate in gates}
    unknown = [key for key in value if key not in gates]
    if unknown:
        raise ValueError(
            f"`gate_activation` has keys for gates that are not learned here: {', '.join(map(str, unknown))}. "
            f"Allowed keys: {', '.join(gates) or 'none'}. Received: gate_activation={dict(value)!r}"
        )
    return {gate: get_activation(f"gate_activation[{gate!r}]", value.get(gate, "sigmoid")) for gate in gates}


def is_per_gate(value: Any) -> bool:
    """Whether a value is a dict by gate, not a single activation, whose serialized form is a dict too."""
    return isinstance(value, Mapping) and "class_name" not in value


def serialize_activation(value: Any) -> Any:
    """Make the form of an activation, or of a dict of activations by gate, that a config stores."""
    if is_per_gate(value):
        return {gate: serialize_activation(activation) for gate, activation in value.items()}
    activation = get_activation("activation", value)
    own_names = {function: name for name, function in OWN.items()}
    return own_names.get(activation) or keras.activations.serialize(activation)
