"""Training: gradients against finite differences and against autodiff of Keras's loop, with and without compiling."""

from typing import Any

import keras
import numpy as np
from keras import ops

from variants.testing.common import (
    BATCH,
    FEATURES,
    MASKS,
    PRECISE,
    ROUND_OFF,
    STEPS,
    Array,
    Check,
    Make,
    array,
    equal,
    random_states,
    randomize,
    sequences,
    without_noise,
)

# Step of the finite differences, and the relative and absolute error that they may have.
DIFFERENCE = (1e-6, 1e-5, 1e-7) if PRECISE == "float64" else (1e-2, 5e-2, 1e-2)


class Projection(keras.losses.Loss):
    """Sum of the outputs times the targets, so that the gradient of the output is the target."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.sum(y_true * y_pred, axis=-1)


def training_gradients(model: Any, x: Any, direction: Array, jit_compile: bool = False) -> tuple[float, list[Array]]:
    """The projection of the output on a direction, and its gradient for each trainable weight, in training.

    The gradient is what one step of SGD with learning rate 1 takes away, so it is the one that training uses.
    """
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(1.0), Projection(reduction="sum", dtype=PRECISE), jit_compile=jit_compile)
    loss = float(model.train_on_batch(x, direction))
    after = model.get_weights()
    model.set_weights(before)
    return loss, [old - new for old, new in zip(before, after, strict=True)]


def check_gradients(make: Make) -> None:
    """Every entry of every weight has a gradient, and it equals central finite differences.

    From initial states that are not zero. Where training follows another gradient on purpose (`exact_gradient` of
    the cell is False), every weight has one, and that is all.
    """
    layer = without_noise(make(dtype=PRECISE, return_sequences=True))
    states = [keras.Input((size,), dtype=PRECISE) for size in layer.cell.state_size]
    inputs = keras.Input((STEPS, FEATURES), dtype=PRECISE)
    model = keras.Model([inputs, *states], layer(inputs, initial_state=states))
    randomize(layer)
    x = [sequences(), *(np.abs(state) for state in random_states(layer))]
    direction = _direction(model.output_shape[1:])
    _, gradients = training_gradients(model, x, direction)
    step, relative, absolute = DIFFERENCE
    for number, (weight, gradient) in enumerate(zip(layer.weights, gradients, strict=True)):
        if not layer.cell.exact_gradient:
            assert gradient.any(), f"no gradient reaches {weight.path}"
            continue
        unreached = np.argwhere(gradient == 0)
        assert len(unreached) == 0, f"no gradient reaches {weight.path} at {unreached[0]}"
        for index in _some_indices(gradient):
            expected = _difference(model, x, direction, number, index, step)
            np.testing.assert_allclose(
                gradient[index], expected, rtol=relative, atol=absolute, err_msg=f"{weight.path} at {index}"
            )


def _direction(shape: tuple[int, ...]) -> Array:
    direction = np.random.default_rng(5).normal(size=shape).astype(PRECISE)
    return np.repeat(direction[None], BATCH, axis=0)


def _some_indices(gradient: Array, count: int = 6) -> list[tuple[int, ...]]:
    flat = np.random.default_rng(6).choice(gradient.size, size=min(count, gradient.size), replace=False)
    return [tuple(int(k) for k in np.unravel_index(each, gradient.shape)) for each in flat]


def _difference(model: Any, x: Any, direction: Array, number: int, index: tuple[int, ...], step: float) -> float:
    values = []
    original = model.get_weights()
    for move in (step, -step):
        moved = [weight.copy() for weight in original]
        moved[number][index] += move
        model.set_weights(moved)
        values.append(float(np.sum(array(model(x)).astype("float64") * direction)))
    model.set_weights(original)
    return (values[0] - values[1]) / (2 * step)


def check_fast_loop(make: Make) -> None:
    """The fast loop has the outputs and the gradients of Keras's loop under autodiff, to round-off.

    For weights, inputs and initial states, with a mask, compiled or not; backwards and with both dropouts too.
    """
    further = {"go_backwards": True, "dropout": 0.3, "recurrent_dropout": 0.3, "seed": 7}
    for arguments, options in (({}, (False, True)), (further, (False,))):
        plain = _loss_and_gradients(make, jit_compile=False, fast_loop=False, **arguments)
        for jit_compile in options:
            fast = _loss_and_gradients(make, jit_compile=jit_compile, fast_loop=True, **arguments)
            for name, expected in plain.items():
                equal(fast[name], expected, 10 * ROUND_OFF, f"{name}, {arguments}, jit_compile={jit_compile}")


def _loss_and_gradients(make: Make, jit_compile: bool, **arguments: Any) -> dict[str, Any]:
    """Loss and gradients of a model in which inputs and initial states come from weights, so that they have some."""
    layer = without_noise(make(dtype=PRECISE, return_sequences=True, return_state=True, **arguments))
    x = keras.Input((STEPS, FEATURES), dtype=PRECISE)
    mask = keras.Input((STEPS,), dtype="bool")
    dense = {"dtype": PRECISE, "use_bias": False}
    inputs = keras.layers.Dense(FEATURES, name="inputs", **dense)(x)
    states = [
        keras.layers.Dense(size, activation="tanh", name=f"state_{number}", **dense)(x[:, 0])
        for number, size in enumerate(layer.cell.state_size)
    ]
    outputs, *final = layer(inputs, initial_state=states, mask=mask)
    flat = ops.reshape(outputs, (-1, STEPS * layer.units))
    model = keras.Model([x, mask], ops.concatenate([flat, *final], axis=-1))
    randomize(model)
    given = [sequences(), np.array(MASKS["gaps"], bool)]
    loss, gradients = training_gradients(model, given, _direction(model.output_shape[1:]), jit_compile)
    return {"loss": loss} | {w.path.split("/", 1)[-1]: g for w, g in zip(model.weights, gradients, strict=True)}


def _check_training(make: Make, jit_compile: bool) -> None:
    """Two compiled training steps, whose second loss is that of the weights that the gradient led to."""
    layer = without_noise(randomize(make()))
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), layer])
    x = sequences().astype("float32")
    target = np.zeros((BATCH, model.output_shape[-1]), "float32")
    model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=jit_compile)
    for _ in range(2):
        expected = float(np.mean(array(model(x)) ** 2))
        np.testing.assert_allclose(float(model.train_on_batch(x, target)), expected, rtol=1e-5)
    assert float(np.mean(array(model(x)) ** 2)) < expected


def check_jit_off(make: Make) -> None:
    """A training step without `jit_compile` computes the loss of the layer and lowers it."""
    _check_training(make, jit_compile=False)


def check_jit_on(make: Make) -> None:
    """A training step with `jit_compile` computes the loss of the layer and lowers it."""
    _check_training(make, jit_compile=True)


TRAINING_CHECKS: dict[str, Check] = {
    "jit off": check_jit_off,
    "jit on": check_jit_on,
    "gradients": check_gradients,
    "fast loop": check_fast_loop,
}
