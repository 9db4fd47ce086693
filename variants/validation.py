"""Errors for bad input of recurrent layers: they name the argument, what was received and what is allowed."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from variants.initializers import BlockInitializer, ChronoInitializer

Shape = tuple[int | None, ...]


def check_sequences(shape: Shape, stateful: bool) -> None:
    """Refuse inputs that a layer cannot be built for.

    Raises:
        ValueError: for a rank that is not 3, an unknown number of features, or a stateful layer without batch size.
    """
    if len(shape) != 3:
        raise ValueError(f"`sequences` must have the shape (batch, time, features). Received: shape {tuple(shape)}")
    if shape[-1] is None:
        raise ValueError(
            "`sequences` must have a known number of features, the last of (batch, time, features). "
            f"Received: shape {tuple(shape)}"
        )
    if stateful and shape[0] is None:
        raise ValueError(
            "`stateful=True` needs a known batch size, as from `keras.Input(batch_shape=(batch, time, features))`. "
            f"Received: shape {tuple(shape)}"
        )


def check_states(states: Any, sizes: Sequence[int], batch: int | None) -> None:
    """Refuse initial states of another number or shape than the layer has.

    Args:
        states: The states.
        sizes: The sizes of the layer's states.
        batch: The number of sequences, if known.

    Raises:
        ValueError: for anything but a list or tuple of one tensor `(batch, size)` for each state.
    """
    is_list = isinstance(states, list | tuple)
    shapes = [tuple(state.shape) if hasattr(state, "shape") else None for state in states] if is_list else []
    fits = is_list and len(shapes) == len(sizes)
    if not (fits and all(_fits(shape, (batch, size)) for shape, size in zip(shapes, sizes, strict=True))):
        allowed = ", ".join(f"({'batch' if batch is None else batch}, {size})" for size in sizes)
        received = ", ".join(map(_described, states)) or "none" if is_list else _no_list(states)
        raise ValueError(
            f"`initial_state` must be a list of {len(sizes)} tensors of the shapes {allowed}. Received: {received}"
        )


def _no_list(state: Any) -> str:
    return f"no list but {'one tensor, ' if hasattr(state, 'shape') else ''}{_described(state)}"


def _described(state: Any) -> str:
    return str(tuple(state.shape)) if hasattr(state, "shape") else f"a {type(state).__name__}, which is no tensor"


def check_mask(mask: Any, sequences: Any) -> None:
    """Refuse a mask that does not have a value for each step.

    Raises:
        ValueError: for a mask whose shape is neither `(batch, time)` nor `(batch, time, 1)`.
    """
    steps = tuple(sequences.shape[:2])
    shape = tuple(mask.shape)
    if not (_fits(shape, steps) or _fits(shape, (*steps, 1))):
        raise ValueError(f"`mask` must have the shape (batch, time), here {steps}. Received: shape {shape}")


def check_weights(weights: Sequence[Any], layer: Any) -> None:
    """Refuse weights of another number or shape than the layer has.

    Raises:
        ValueError: names the weights that the layer has, with their shapes.
    """
    expected = [tuple(weight.shape) for weight in layer.weights]
    received = [np.shape(weight) for weight in weights]
    if expected != received:
        names = ", ".join(f"{weight.name} {tuple(weight.shape)}" for weight in layer.weights)
        raise ValueError(f"`weights` of {layer.name!r} must be {names or 'none'}. Received: the shapes {received}")


def check_numbers(units: Any, rates: dict[str, Any]) -> None:
    """Refuse a width that is no positive integer, and rates outside of [0, 1].

    Raises:
        ValueError: names the argument.
    """
    if isinstance(units, bool) or not hasattr(units, "__index__") or units < 1:
        raise ValueError(f"`units` must be a positive integer. Received: units={units!r}")
    for name, rate in rates.items():
        if not isinstance(rate, Real) or not 0 <= float(rate) <= 1:
            raise ValueError(f"`{name}` must be a number between 0 and 1. Received: {name}={rate!r}")


def check_recurrent_dropout(recurrence: str, rate: float) -> None:
    """Refuse to drop what no gate sees.

    Raises:
        ValueError: for a rate without recurrence.
    """
    if recurrence == "none" and rate:
        raise ValueError(
            "`recurrent_dropout` drops units of the hidden state that gates and candidate see, and with "
            f"recurrence='none' they see none. Received: recurrent_dropout={rate!r}"
        )


def check_implementation(implementation: Any, rates: dict[str, Any]) -> None:
    """Refuse what `keras.layers.LSTMCell` computes in another way: with 1 a dropout mask for each gate.

    Raises:
        ValueError: names the values that are allowed.
    """
    if implementation not in (1, 2) or implementation == 1 and any(rates.values()):
        rate = "".join(f", {name}={rate!r}" for name, rate in rates.items() if rate)
        raise ValueError(
            "`implementation` must be 2, or 1 without dropout: in these layers all gates share one dropout mask, and "
            f"implementation=1 of Keras has one for each. Received: implementation={implementation!r}{rate}"
        )


def check_initializers(cell: Any) -> None:
    """Refuse initializers of weights that a cell does not have.

    Raises:
        ValueError: for a `ChronoInitializer` or `GateBiases` without biases, a `ChronoInitializer` without those of an
            input or a forget gate, and for a `peephole_initializer` without peepholes.
    """
    biases = cell.bias_initializer
    if isinstance(biases, BlockInitializer) and not cell.use_bias:
        name = type(biases).__name__
        raise ValueError(f"`bias_initializer={name}(...)` sets biases. Received: use_bias=False")
    if isinstance(biases, ChronoInitializer) and not {"input", "forget"} & set(cell.blocks):
        raise ValueError(
            "`bias_initializer=ChronoInitializer(...)` sets the biases of the input and the forget gate, and "
            f"neither has one here. Received: input_gate={cell.input_gate!r}, forget_gate={cell.forget_gate!r}"
        )
    if cell.peephole_initializer is not None and cell.peephole == "none":
        raise ValueError(
            "`peephole_initializer` needs peepholes. Allowed with: peephole='diagonal' or peephole='full'. "
            "Received: peephole='none'"
        )


def _fits(shape: Shape | None, allowed: Shape) -> bool:
    """Whether two shapes can be the same, given that some dimensions are not known yet."""
    return (
        shape is not None
        and len(shape) == len(allowed)
        and all(a is None or b is None or a == b for a, b in zip(shape, allowed, strict=True))
    )
