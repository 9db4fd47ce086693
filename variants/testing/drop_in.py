"""A layer stands wherever `keras.layers.LSTM` stands: in wrappers, models and files."""

import json
import tempfile
import unittest
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from variants.testing import common
from variants.testing.common import Make, all_equal, array, equal, randomize, same_weights, sequences, sequential
from variants.testing.training import training_gradients


def check_config(make: Make) -> None:
    """A layer made from a layer's config, through JSON, has the same config and computes the same."""
    layer = randomize(make(dtype=common.PRECISE, return_sequences=True, dropout=0.1, name="first"))
    config = json.loads(json.dumps(layer.get_config()))
    again = same_weights(type(layer).from_config(config), layer)
    assert again.get_config() == layer.get_config()
    equal(again(sequences()), layer(sequences()))


def check_save_and_load(make: Make) -> None:
    """A `.keras` file gives the model back without `custom_objects`."""
    model = sequential(make())
    randomize(model.layers[0])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        model.save(file)
        loaded = keras.saving.load_model(file)
    equal(loaded(sequences()), model(sequences()), 1e-6)


def check_saved_model(make: Make) -> None:
    """`model.export` writes a SavedModel that computes the same, for any batch size and length."""
    if keras.backend.backend() != "tensorflow":
        raise unittest.SkipTest("a SavedModel is written by the TensorFlow backend")
    model = sequential(make(), steps=None)
    randomize(model.layers[0])
    x = sequences().astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        loaded = keras.layers.TFSMLayer(folder, call_endpoint="serve")
        for part in (x, x[:1, :2]):
            equal(loaded(part), model(part), 1e-6)


def check_cell_in_rnn(make: Make) -> None:
    """`keras.layers.RNN(cell)` computes what the layer computes."""
    layer = randomize(make(dtype=common.PRECISE, return_sequences=True))
    wrapped = keras.layers.RNN(layer.cell, return_sequences=True, dtype=common.PRECISE)
    equal(wrapped(sequences()), layer(sequences()))


def check_stacked_cells(make: Make) -> None:
    """`keras.layers.RNN` over several cells computes what stacked layers compute."""
    layers = [randomize(make(return_sequences=True))]
    x = sequences().astype("float32")
    between = layers[0](x)
    layers.append(make(return_sequences=True))
    layers[1].build(between.shape)
    stacked = keras.layers.RNN([layer.cell for layer in layers], return_sequences=True)
    equal(stacked(x), layers[1](between), 1e-6)


def check_stacked(make: Make) -> None:
    """Two layers in a Sequential model are one after the other."""
    model = sequential(make(return_sequences=True), make())
    x = sequences().astype("float32")
    first, second = model.layers
    randomize(first)
    equal(model(x), second(first(x)), 1e-6)


def check_bidirectional(make: Make) -> None:
    """`keras.layers.Bidirectional` gives the layer forwards beside the layer backwards, for every step.

    With a mask, masked steps put out zeros, in training too.
    """
    both = keras.layers.Bidirectional(make(dtype=common.PRECISE, return_sequences=True), dtype=common.PRECISE)
    both.build(common.SHAPE)
    for layer in (both.forward_layer, both.backward_layer):
        common.without_noise(layer)
    x, mask = sequences(), np.array(common.MASKS["gaps"], bool)
    backward = array(both.backward_layer(x))[:, ::-1]
    equal(both(x), np.concatenate([array(both.forward_layer(x)), backward], axis=-1))
    masked = array(both(x, mask=mask))
    assert not masked[~mask].any() and masked[mask].any()
    equal(both(x, mask=mask, training=True), masked)


def check_time_distributed(make: Make) -> None:
    """`keras.layers.TimeDistributed` applies the layer to each of several sequences."""
    layer = randomize(make())
    x = np.stack([sequences(0), sequences(1)], axis=1).astype("float32")
    output = array(keras.layers.TimeDistributed(layer)(x))
    for number in range(2):
        equal(output[:, number], layer(x[:, number]), 1e-6)


def check_stateful(make: Make) -> None:
    """A stateful layer goes on where the last batch ended, until it is reset."""
    layer = make(stateful=True, return_sequences=True)
    keras.Sequential([keras.Input(batch_shape=(common.BATCH, 3, common.FEATURES)), layer])
    plain = same_weights(make(return_sequences=True), randomize(layer))
    x = sequences().astype("float32")
    halves = [array(layer(x[:, :3])), array(layer(x[:, 3:]))]
    equal(np.concatenate(halves, axis=1), plain(x), 1e-6)
    layer.reset_state()
    equal(layer(x[:, :3]), halves[0], 1e-6)


def check_dynamic_time(make: Make) -> None:
    """One model reads sequences of any length, in batches of any size."""
    model = sequential(randomize(make()), steps=None)
    x = sequences().astype("float32")
    for batch, steps in ((1, 1), (common.BATCH, 2), (2, common.STEPS)):
        part = x[:batch, :steps]
        equal(model.predict(part, verbose=0), model(part), 1e-6)


def check_mixed(make: Make, policy: str, tolerance: float) -> None:
    """Under a mixed policy output, in its type, and gradients are near those of float32; weights stay float32."""
    exact = common.without_noise(randomize(make()))
    layer = common.without_noise(same_weights(make(dtype=policy), exact))
    output: Any = layer(sequences())
    assert keras.backend.standardize_dtype(output.dtype) == policy.removeprefix("mixed_")
    assert all(keras.backend.standardize_dtype(weight.dtype) == "float32" for weight in layer.weights)
    equal(keras.ops.cast(output, "float32"), exact(sequences()), tolerance)
    all_equal(_gradients(layer), _gradients(exact), tolerance)


def _gradients(layer: Any) -> list[np.ndarray]:
    model = sequential(layer)
    direction = np.ones((common.BATCH, layer.units), "float32") / common.BATCH
    return training_gradients(model, sequences(), direction, run_eagerly=True)[1]


DROP_IN_CHECKS: dict[str, common.Check] = {
    "config": check_config,
    "save and load": check_save_and_load,
    "SavedModel": check_saved_model,
    "RNN(cell)": check_cell_in_rnn,
    "StackedRNNCells": check_stacked_cells,
    "stacked": check_stacked,
    "Bidirectional": check_bidirectional,
    "TimeDistributed": check_time_distributed,
    "stateful": check_stateful,
    "dynamic time": check_dynamic_time,
    "mixed_float16": partial(check_mixed, policy="mixed_float16", tolerance=5e-2),
    "mixed_bfloat16": partial(check_mixed, policy="mixed_bfloat16", tolerance=2e-1),
}
