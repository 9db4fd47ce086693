"""Gradients, against finite differences and autodiff of Keras's loop, and training steps with and without compiling."""

import math
import unittest
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from variants.testing import common
from variants.testing.common import Array, Make, array, equal, random_states, randomize, sequences, sequential

# Step of the finite differences, and the relative and absolute error that they may have.
DIFFERENCE = (1e-6, 1e-5, 1e-7) if common.PRECISE == "float64" else (1e-2, 1e-3, 2e-4)


class Projection(keras.losses.Loss):
    """Sum of the outputs times the targets, so that the gradient of the output is the target."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.sum(y_true * y_pred, axis=-1)


def training_gradients(model: Any, x: Any, direction: Array, **options: Any) -> tuple[float, list[Array]]:
    """Compute the projection of the output on a direction, and its gradient for each trainable weight, in training.

    The gradient is what one step of SGD with learning rate 1 takes away, so it is the one that training uses. The
    options, such as `run_eagerly`, are those of `compile`; without any, nothing is compiled by XLA.
    """
    before = model.get_weights()
    loss = Projection(reduction="sum", dtype=common.PRECISE)
    model.compile(keras.optimizers.SGD(1.0), loss, **{"jit_compile": False, **options})
    projection = float(model.train_on_batch(x, direction))
    after = model.get_weights()
    model.set_weights(before)
    return projection, [old - new for old, new in zip(before, after, strict=True)]


def check_gradients(make: Make) -> None:
    """Every entry of every weight has a gradient, and along random directions it equals central finite differences.

    From initial states that are not zero. Where training follows another gradient on purpose (`exact_gradient` of
    the cell is False), every weight has one, and that is all.
    """
    layer = common.without_noise(make(dtype=common.PRECISE, return_sequences=True))
    states = [keras.Input((size,), dtype=common.PRECISE) for size in layer.cell.state_size]
    inputs = keras.Input((common.STEPS, common.FEATURES), dtype=common.PRECISE)
    model = keras.Model([inputs, *states], layer(inputs, initial_state=states))
    randomize(layer)
    x = [sequences(), *(np.abs(state) for state in random_states(layer))]
    direction = _direction(model.output_shape[1:])
    backend = keras.backend.backend()  # JAX without jit compiles every operation by itself
    _, gradients = training_gradients(model, x, direction, jit_compile=backend == "jax")
    step, relative, absolute = DIFFERENCE
    for number, (weight, gradient) in enumerate(zip(layer.weights, gradients, strict=True)):
        if not layer.cell.exact_gradient:
            assert gradient.any(), f"no gradient reaches {weight.path}"
            continue
        unreached = np.argwhere(gradient == 0)
        assert len(unreached) == 0, f"no gradient reaches {weight.path} at {unreached[0]}"
        for move in _moves(gradient.shape):
            expected = _difference(model, x, direction, number, step * move) / (2 * step)
            np.testing.assert_allclose(
                np.sum(gradient * move), expected, rtol=relative, atol=absolute, err_msg=weight.path
            )


def _direction(shape: tuple[int, ...]) -> Array:
    direction = np.random.default_rng(5).normal(size=shape).astype(common.PRECISE)
    return np.repeat(direction[None], common.BATCH, axis=0)


def _moves(shape: tuple[int, ...], count: int = 2) -> list[Array]:
    moves = np.random.default_rng(6).normal(size=(count, *shape))
    return [move / np.linalg.norm(move) for move in moves]


def _difference(model: Any, x: Any, direction: Array, number: int, move: Array) -> float:
    """The projection of the output after a move of one weight, less that after the opposite move."""
    original = model.get_weights()
    values = []
    for weight in (original[number] + move, original[number] - move):
        model.set_weights([*original[:number], weight, *original[number + 1 :]])
        values.append(float(np.sum(array(model.predict_on_batch(x)).astype("float64") * direction)))
    model.set_weights(original)
    return values[0] - values[1]


def check_fast_loop(make: Make) -> None:
    """The fast loop has the outputs and the gradients of Keras's loop under autodiff, to round-off.

    For weights, inputs and initial states, with a mask, compiled or not; backwards, with both dropouts, and for the
    last output alone too.
    """
    reason = make().loop
    if reason != "fast":
        raise unittest.SkipTest(f"there is no fast loop: {reason}")
    further = {"return_sequences": False, "go_backwards": True, "dropout": 0.3, "seed": 7}
    if common.sees_the_hidden_state(make()):
        further["recurrent_dropout"] = 0.3
    x = keras.Input((common.STEPS, common.FEATURES), dtype=common.PRECISE)
    mask = keras.Input((common.STEPS,), dtype="bool")
    pairs = [
        [_branch(make, x, mask, fast_loop=fast, **arguments) for fast in (True, False)]
        for arguments in ({"return_sequences": True}, further)
    ]
    gradients = _gradients([branch for pair in pairs for branch in pair], run_eagerly=True)
    for fast, plain in pairs:
        _all_equal(gradients[fast], gradients[plain], plain.name)
    fast, plain = pairs[0]
    _all_equal(_gradients([fast], jit_compile=True)[fast], gradients[plain], "with jit_compile=True")


def _gradients(branches: list[Any], **options: Any) -> dict[Any, dict[str, Array]]:
    """The gradients of models of the same inputs, by model and weight, from one training step for all of them."""
    model = keras.Model(branches[0].inputs, ops.concatenate([branch.output for branch in branches], axis=-1))
    direction = np.concatenate([_direction(branch.output_shape[1:]) for branch in branches], axis=-1)
    inputs = [sequences(), np.array(common.MASKS["gaps"], bool)]
    _, gradients = training_gradients(model, inputs, direction, **options)
    by_weight = {id(weight): gradient for weight, gradient in zip(model.weights, gradients, strict=True)}
    return {branch: {weight.path: by_weight[id(weight)] for weight in branch.weights} for branch in branches}


def _all_equal(actual: dict[str, Array], expected: dict[str, Array], what: str) -> None:
    for (path, ours), theirs in zip(actual.items(), expected.values(), strict=True):
        equal(ours, theirs, 10 * common.ROUND_OFF, f"{path} {what}")


def _branch(make: Make, x: Any, mask: Any, **arguments: Any) -> Any:
    """A model in which inputs and initial states come from weights, and outputs go to one: their gradients tell all."""
    layer = common.without_noise(make(dtype=common.PRECISE, return_state=True, **arguments))
    dense = partial(keras.layers.Dense, dtype=common.PRECISE, use_bias=False)
    inputs = dense(common.FEATURES, name=f"{layer.name}_inputs")(x)
    states = [
        dense(size, activation="tanh", name=f"{layer.name}_state_{number}")(x[:, 0])
        for number, size in enumerate(layer.cell.state_size)
    ]
    outputs, *final = layer(inputs, initial_state=states, mask=mask)
    flat = ops.concatenate([ops.reshape(outputs, (-1, math.prod(outputs.shape[1:]))), *final], axis=-1)
    scale = keras.layers.EinsumDense("bi,i->bi", flat.shape[-1], name=f"{layer.name}_outputs", dtype=common.PRECISE)
    return randomize(keras.Model([x, mask], scale(flat)))


def check_training(make: Make, jit_compile: bool) -> None:
    """Training steps with and without `jit_compile` compute the loss of the layer and lower it."""
    layer = common.without_noise(randomize(make()))
    model = sequential(layer)
    x = sequences().astype("float32")
    target = np.zeros((common.BATCH, model.output_shape[-1]), "float32")
    model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=jit_compile)
    for _ in range(2):
        expected = float(np.mean(array(model(x)) ** 2))
        np.testing.assert_allclose(float(model.train_on_batch(x, target)), expected, rtol=1e-5)
    assert float(np.mean(array(model(x)) ** 2)) < expected


TRAINING_CHECKS: dict[str, common.Check] = {
    "jit off": partial(check_training, jit_compile=False),
    "jit on": partial(check_training, jit_compile=True),
    "gradients": check_gradients,
    "fast loop": check_fast_loop,
}
