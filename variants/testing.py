"""The contract of every layer of this library, as checks that anyone can run on a layer of their own.

Each check takes `make`, a function that builds a fresh layer from the arguments of `GatedLSTM` (units are already
chosen), for example `functools.partial(GatedLSTM, 5, peephole="full")`, and raises `AssertionError` if the layer
breaks the contract:

    for check in CHECKS:
        check(functools.partial(MyLSTM, 5))
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

Array = np.ndarray
Make = Callable[..., Any]

BATCH, STEPS, FEATURES = 3, 6, 4
MASKS = {
    "left": [[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]],
    "right": [[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]],
    "gaps": [[1, 0, 1, 0, 0, 1], [1, 1, 0, 1, 1, 1], [0, 1, 1, 0, 1, 0]],
    "whole rows": [[0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]],
}


def sequences(seed: int = 0) -> Array:
    """Random inputs `(batch, time, features)` in float64."""
    return np.random.default_rng(seed).normal(size=(BATCH, STEPS, FEATURES))


def randomize(layer: Any, seed: int = 1, scale: float = 0.5) -> Any:
    """Build a layer if needed and fill all weights, biases too, with random numbers."""
    if not layer.built:
        layer.build((BATCH, STEPS, FEATURES))
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(scale=scale, size=weight.shape) for weight in layer.get_weights()])
    return layer


def random_states(layer: Any, seed: int = 2) -> list[Array]:
    """Random states that are not zero, one for each state of the layer."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(BATCH, size)) for size in layer.cell.state_size]


def check_config(make: Make) -> None:
    """A layer made from a layer's config, through JSON, has the same config and computes the same."""
    layer = randomize(make(dtype="float64", return_sequences=True, dropout=0.1, name="first"))
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    again.build((BATCH, STEPS, FEATURES))
    again.set_weights(layer.get_weights())
    assert again.get_config() == layer.get_config()
    _equal(again(sequences()), layer(sequences()))


def check_save_and_load(make: Make) -> None:
    """A `.keras` file gives the model back without `custom_objects`."""
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), make()])
    randomize(model.layers[0])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        model.save(file)
        loaded = keras.saving.load_model(file)
    _equal(loaded(sequences()), model(sequences()), 1e-6)


def check_cell_in_rnn(make: Make) -> None:
    """`keras.layers.RNN(cell)` computes what the layer computes."""
    layer = randomize(make(dtype="float64", return_sequences=True))
    wrapped = keras.layers.RNN(layer.cell, return_sequences=True, dtype="float64")
    _equal(wrapped(sequences()), layer(sequences()))


def check_stacked_cells(make: Make) -> None:
    """The cell works in `keras.layers.RNN` over several cells."""
    cells = [make(dtype="float64").cell, make(dtype="float64").cell]
    layer = keras.layers.RNN(cells, dtype="float64")
    assert np.isfinite(ops.convert_to_numpy(layer(sequences()))).all()


def check_initial_and_returned_states(make: Make) -> None:
    """Two halves, the states handed on, equal the whole; states that are not zero matter."""
    layer = randomize(make(dtype="float64", return_sequences=True, return_state=True))
    x, states = sequences(), random_states(layer)
    whole, *final = layer(x, initial_state=states)
    first, *between = layer(x[:, :2], initial_state=states)
    second, *last = layer(x[:, 2:], initial_state=between)
    _equal(np.concatenate([first, second], axis=1), whole)
    for a, b in zip(last, final, strict=True):
        _equal(a, b)
    assert not np.allclose(whole, layer(x)[0])


def check_masks(make: Make) -> None:
    """Masked steps change nothing: as if they had been cut out, for masks left, right, with gaps, whole rows."""
    layer = randomize(make(dtype="float64", return_state=True))
    x = sequences()
    for name, rows in MASKS.items():
        mask = np.array(rows, bool)
        garbage = np.where(mask[..., None], x, 1e3)
        output = ops.convert_to_numpy(layer(garbage, mask=mask)[0])
        for row in range(BATCH):
            kept = x[row, mask[row]][None]
            expected = layer(kept)[0][0] if mask[row].any() else np.zeros(output.shape[1])
            _equal(output[row], expected, what=f"mask {name}, row {row}")


def check_mask_is_passed_on(make: Make) -> None:
    """Behind a layer that returns sequences the next layer still sees the mask."""
    first, second = randomize(make(return_sequences=True)), make()
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), keras.layers.Masking(), first, second])
    randomize(second)
    x = sequences().astype("float32")
    x[:, 3:] = 0
    _equal(model(x), second(first(x[:, :3])), 1e-6)


def check_go_backwards(make: Make) -> None:
    """`go_backwards` reads the reversed sequence."""
    layer = randomize(make(dtype="float64", return_sequences=True))
    backwards = make(dtype="float64", return_sequences=True, go_backwards=True)
    backwards.build((BATCH, STEPS, FEATURES))
    backwards.set_weights(layer.get_weights())
    _equal(backwards(sequences()), layer(sequences()[:, ::-1]))


def check_bidirectional(make: Make) -> None:
    """`keras.layers.Bidirectional` gives the layer forwards beside the layer backwards."""
    both = keras.layers.Bidirectional(make(dtype="float64"), dtype="float64")
    both.build((BATCH, STEPS, FEATURES))
    x = sequences()
    forward, backward = both.forward_layer, both.backward_layer
    _equal(both(x), np.concatenate([forward(x), backward(x)], axis=-1))


def check_stateful(make: Make) -> None:
    """A stateful layer goes on where the last batch ended, until it is reset."""
    layer = make(stateful=True, return_sequences=True)
    keras.Sequential([keras.Input(batch_shape=(BATCH, 3, FEATURES)), layer])
    randomize(layer)
    plain = make(return_sequences=True)
    plain.build((BATCH, STEPS, FEATURES))
    plain.set_weights(layer.get_weights())
    x = sequences().astype("float32")
    halves = [ops.convert_to_numpy(layer(x[:, :3])), ops.convert_to_numpy(layer(x[:, 3:]))]
    _equal(np.concatenate(halves, axis=1), plain(x), 1e-6)
    layer.reset_state()
    _equal(layer(x[:, :3]), halves[0], 1e-6)


def check_unrolled(make: Make) -> None:
    """`unroll` changes nothing but the graph."""
    layer = randomize(make(dtype="float64", unroll=True))
    rolled = make(dtype="float64")
    rolled.build((BATCH, STEPS, FEATURES))
    rolled.set_weights(layer.get_weights())
    _equal(layer(sequences()), rolled(sequences()))


def check_dropout(make: Make) -> None:
    """Dropout of inputs and of the recurrence each act in training and in training only."""
    plain = randomize(make())
    x = sequences().astype("float32")
    for rates in ({"dropout": 0.5}, {"recurrent_dropout": 0.5}):
        layer = make(**rates, seed=3)
        layer.build((BATCH, STEPS, FEATURES))
        layer.set_weights(plain.get_weights())
        _equal(layer(x, training=False), plain(x), 1e-6)
        first = layer(x, training=True)
        assert not np.allclose(first, plain(x)), f"{rates} does nothing"
        assert not np.allclose(first, layer(x, training=True)), f"{rates}: the mask is always the same"


def check_dropout_mask(make: Make) -> None:
    """A dropout mask is drawn once per sequence: constant inputs stay constant over the steps."""
    layer = randomize(make(dropout=0.5, seed=4, unroll=True))
    seen: list[Array] = []
    product = layer.cell.input_product

    def spy(inputs: Any) -> Any:
        seen.append(ops.convert_to_numpy(inputs))
        return product(inputs)

    layer.cell.input_product = spy
    layer(np.ones((BATCH, STEPS, FEATURES), "float32"), training=True)
    assert len(seen) == STEPS and 0 < np.mean(seen[0] == 0) < 1
    for inputs in seen:
        _equal(inputs, seen[0])


def check_mixed_precision(make: Make) -> None:
    """Under mixed policies the output has the compute type and is near the float32 one; weights stay float32."""
    exact = randomize(make())
    for policy, tolerance in {"mixed_float16": 5e-2, "mixed_bfloat16": 2e-1}.items():
        layer = make(dtype=policy)
        layer.build((BATCH, STEPS, FEATURES))
        layer.set_weights(exact.get_weights())
        output = layer(sequences())
        assert keras.backend.standardize_dtype(output.dtype) == policy.removeprefix("mixed_")
        assert all(weight.dtype == "float32" for weight in layer.weights)
        _equal(ops.cast(output, "float32"), exact(sequences()), tolerance)


def check_dynamic_time(make: Make) -> None:
    """One model reads sequences of any length."""
    model = keras.Sequential([keras.Input((None, FEATURES)), randomize(make())])
    x = sequences().astype("float32")
    for steps in (1, 2, STEPS):
        assert model.predict(x[:, :steps], verbose=0).shape == model(x[:, :steps]).shape


def check_training_step(make: Make) -> None:
    """A compiled training step is finite and the same with and without `jit_compile`."""
    losses = []
    weights = randomize(make()).get_weights()
    for jit_compile in (False, True):
        model = keras.Sequential([keras.Input((STEPS, FEATURES)), make()])
        model.layers[0].set_weights(weights)
        model.compile("sgd", "mse", jit_compile=jit_compile)
        target = np.zeros((BATCH, model.output_shape[-1]))
        losses.append([float(model.train_on_batch(sequences(), target)) for _ in range(2)])
    assert np.isfinite(losses).all()
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def check_gradients(make: Make) -> None:
    """Every entry of every weight has a gradient, and it equals central finite differences, in float64."""
    layer = make(dtype="float64", return_sequences=True)
    model = keras.Sequential([keras.Input((STEPS, FEATURES), dtype="float64"), layer])
    randomize(layer)
    x = sequences()
    direction = np.random.default_rng(5).normal(size=model.output_shape[1:])
    direction = np.repeat(direction[None], BATCH, axis=0)
    gradients = training_gradients(model, x, direction)
    for number, (weight, gradient) in enumerate(zip(layer.weights, gradients, strict=True)):
        unreached = np.argwhere(gradient == 0)
        assert len(unreached) == 0, f"no gradient reaches {weight.path} at {unreached[0]}"
        for index in _some_indices(gradient):
            expected = _difference(model, x, direction, number, index)
            np.testing.assert_allclose(gradient[index], expected, rtol=1e-5, atol=1e-7, err_msg=weight.path)


class Projection(keras.losses.Loss):
    """Sum of the outputs times the targets, so that the gradient of the output is the target."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.sum(y_true * y_pred, axis=-1)


def training_gradients(model: Any, x: Array, direction: Array) -> list[Array]:
    """The gradient that training uses for each weight: what one step of SGD with learning rate 1 takes away."""
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(1.0), Projection(reduction="sum", dtype="float64"), jit_compile=False)
    model.train_on_batch(x, direction)
    after = model.get_weights()
    model.set_weights(before)
    return [old - new for old, new in zip(before, after, strict=True)]


def _some_indices(gradient: Array, count: int = 6) -> list[tuple[int, ...]]:
    flat = np.random.default_rng(6).choice(gradient.size, size=min(count, gradient.size), replace=False)
    return [tuple(int(k) for k in np.unravel_index(each, gradient.shape)) for each in flat]


def _difference(model: Any, x: Array, direction: Array, number: int, index: tuple[int, ...]) -> float:
    values = []
    original = model.get_weights()
    for step in (1e-6, -1e-6):
        moved = [weight.copy() for weight in original]
        moved[number][index] += step
        model.set_weights(moved)
        values.append(float(np.sum(ops.convert_to_numpy(model(x)) * direction)))
    model.set_weights(original)
    return (values[0] - values[1]) / 2e-6


def _equal(actual: Any, expected: Any, tolerance: float = 1e-12, what: str = "") -> None:
    actual, expected = (ops.convert_to_numpy(each) for each in (actual, expected))
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance, err_msg=what)


CHECKS: tuple[Callable[[Make], None], ...] = (
    check_config,
    check_save_and_load,
    check_cell_in_rnn,
    check_stacked_cells,
    check_initial_and_returned_states,
    check_masks,
    check_mask_is_passed_on,
    check_go_backwards,
    check_bidirectional,
    check_stateful,
    check_unrolled,
    check_dropout,
    check_dropout_mask,
    check_mixed_precision,
    check_dynamic_time,
    check_training_step,
    check_gradients,
)
