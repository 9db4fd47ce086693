"""What the checks share: inputs, masks, random weights, comparison."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

Array = np.ndarray
Make = Callable[..., Any]
Check = Callable[[Make], None]

SHAPE = BATCH, STEPS, FEATURES = 3, 6, 4
MASKS = {
    "left": [[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]],
    "right": [[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]],
    "gaps": [[1, 0, 1, 0, 0, 1], [1, 1, 0, 1, 1, 1], [0, 1, 1, 0, 1, 0]],
    "whole rows": [[0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]],
}

# The most precise type in which Keras computes: on JAX and torch, products of float64 tensors are in float32.
PRECISE = keras.backend.result_type("float64", "float64")
ROUND_OFF = 1e-12 if PRECISE == "float64" else 2e-5

# What a layer puts out before the first step that is not masked: zeros, on JAX the initial state, as Keras does there.
STARTS_WITH_ZEROS = keras.backend.backend() != "jax"


def sequences(seed: int = 0) -> Array:
    """Random inputs `(batch, time, features)` in the type `PRECISE`."""
    return np.random.default_rng(seed).normal(size=SHAPE).astype(PRECISE)


def randomize(layer: Any, seed: int = 1, scale: float = 0.5) -> Any:
    """Build a layer if needed and fill all weights, biases too, with random numbers."""
    if not layer.built:
        layer.build(SHAPE)
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(scale=scale, size=weight.shape) for weight in layer.get_weights()])
    return layer


def same_weights(layer: Any, other: Any) -> Any:
    """Build a layer and give it the weights of another."""
    layer.build(SHAPE)
    layer.set_weights(other.get_weights())
    return layer


def sequential(*layers: Any, steps: int | None = STEPS) -> Any:
    """A model of layers one after the other."""
    return keras.Sequential([keras.Input((steps, FEATURES)), *layers])


def random_states(layer: Any, seed: int = 2) -> list[Array]:
    """Random states that are not zero, one for each state of the layer."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(BATCH, size)).astype(PRECISE) for size in layer.cell.state_size]


def without_noise(layer: Any) -> Any:
    """Take away the random numbers that the cell draws in training, so that training computes what testing does."""
    layer.cell.noise = lambda shape: None
    return layer


def array(tensor: Any) -> Array:
    """A tensor of any backend as a NumPy array."""
    return np.asarray(ops.convert_to_numpy(tensor))


def equal(actual: Any, expected: Any, tolerance: float = ROUND_OFF, what: str = "") -> None:
    """Assert that two tensors agree, absolutely and relatively."""
    np.testing.assert_allclose(array(actual), array(expected), rtol=tolerance, atol=tolerance, err_msg=what)


def all_equal(actual: Iterable[Any], expected: Iterable[Any], tolerance: float = ROUND_OFF, what: str = "") -> None:
    """Assert that tensors agree, each with its counterpart."""
    for ours, theirs in zip(actual, expected, strict=True):
        equal(ours, theirs, tolerance, what)


def sees_the_hidden_state(layer: Any) -> bool:
    """Whether a step depends on the hidden state before it."""
    return getattr(layer, "recurrence", "full") != "none"
