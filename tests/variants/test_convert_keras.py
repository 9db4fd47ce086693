"""Layers from and to `keras.layers.LSTM`, and from TensorFlow Addons."""

import keras
import numpy as np
import pytest

from variants import ChronoInitializer, GatedLSTM, GatedLSTMCell, PeepholeLSTM, binary
from variants.convert import from_keras, from_tensorflow_addons, to_keras
from variants.reference import ACTIVATIONS, reference
from variants.testing.common import BATCH, FEATURES, STEPS, randomize, sequences

UNITS = 5
L = keras.layers
CONFIGURED = {
    "use_bias": False,
    "kernel_initializer": keras.initializers.RandomNormal(stddev=0.3, seed=1),
    "recurrent_initializer": "he_normal",
    "bias_initializer": "ones",
    "unit_forget_bias": False,
    "kernel_regularizer": "l1",
    "recurrent_regularizer": "l2",
    "bias_regularizer": "l1",
    "activity_regularizer": "l2",
    "kernel_constraint": "max_norm",
    "recurrent_constraint": "unit_norm",
    "bias_constraint": "non_neg",
    "dropout": 0.1,
    "recurrent_dropout": 0.2,
    "seed": 5,
    "return_sequences": True,
    "return_state": True,
    "go_backwards": True,
    "stateful": True,
    "unroll": True,
    "dtype": "mixed_bfloat16",
    "trainable": False,
    "name": "configured",
}


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"recurrent_activation": binary},
        {"activation": "softsign", "recurrent_activation": "hard_sigmoid", "use_bias": False, "go_backwards": True},
    ],
)
def test_keras_both_ways(arguments):
    theirs = randomize(L.LSTM(UNITS, **arguments))
    ours = from_keras(theirs)
    x = sequences().astype("float32")
    mask = np.random.default_rng(7).random((BATCH, STEPS)) > 0.3
    for again in (ours, to_keras(ours)):
        assert again.name == theirs.name
        close(again(x, mask=mask), theirs(x, mask=mask))


@pytest.mark.parametrize("built", [False, True])
def test_keras_keeps_every_argument(built):
    arguments = {"activation": "relu", "recurrent_activation": "hard_sigmoid", **CONFIGURED}
    theirs = L.LSTM(UNITS, **arguments)
    if built:
        theirs.build((BATCH, STEPS, FEATURES))
    ours = from_keras(theirs)
    again = to_keras(ours)
    assert again.get_config() == theirs.get_config()
    assert {name: ours.get_config()[name] for name in CONFIGURED} == {n: theirs.get_config()[n] for n in CONFIGURED}
    assert ours.built == again.built == built
    for weight, same in zip(theirs.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)


def test_keras_has_a_dict_of_equal_activations():
    gates = dict.fromkeys(("input", "forget", "output"), "tanh")
    assert to_keras(GatedLSTM(4, gate_activation=gates)).recurrent_activation == keras.activations.tanh


def test_keras_starts_from_the_same_biases():
    ours = GatedLSTM(UNITS, bias_initializer=ChronoInitializer(20, seed=3))
    theirs = to_keras(ours)
    for layer in (ours, theirs):
        layer.build((BATCH, STEPS, FEATURES))
    close(ours.get_weights()[2], theirs.get_weights()[2])


class OtherKeras(L.LSTM):
    def call(self, sequences, initial_state=None, mask=None, training=False):
        return super().call(-sequences, initial_state=initial_state, mask=mask, training=training)


class OtherCell(GatedLSTMCell):
    def step(self, *arguments, **keywords):
        return super().step(*arguments, **keywords)


class OtherLSTM(GatedLSTM):
    cell_class = OtherCell


def test_keras_refuses():
    with pytest.raises(TypeError, match="must be a keras.layers.LSTM. Received: <GRU"):
        from_keras(L.GRU(3))
    with pytest.raises(TypeError, match="must be a GatedLSTM. Received: <LSTM"):
        to_keras(L.LSTM(3))
    with pytest.raises(ValueError, match="OtherKeras overrides call"):
        from_keras(OtherKeras(3))
    with pytest.raises(ValueError, match="layer 'x': OtherCell has an equation of its own .it overrides step"):
        to_keras(OtherLSTM(3, name="x"))
    with pytest.raises(ValueError, match="candidate_activation='relu', output_activation='tanh' .its candidate and"):
        to_keras(GatedLSTM(3, candidate_activation="relu"))


def addons_weights(use_bias=True):
    """In the order of `PeepholeLSTMCell`: kernel, recurrent kernel, bias, then peepholes of i, f, o."""
    rng = np.random.default_rng(4)
    shapes = [(FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), *[(4 * UNITS,)] * use_bias, *[(UNITS,)] * 3]
    return [rng.normal(size=shape) for shape in shapes]


def addons(weights, x, use_bias=True):
    """The last hidden state, in the terms of the source of `PeepholeLSTMCell` and of Keras 2's `LSTMCell`."""
    kernel, recurrent, *rest = weights
    bias, peepholes = (rest[0], rest[1:]) if use_bias else (0, rest)
    h = c = np.zeros((len(x), UNITS))
    for step in range(x.shape[1]):
        i, f, z, o = np.split(x[:, step] @ kernel + h @ recurrent + bias, 4, axis=1)
        i, f = ACTIVATIONS["sigmoid"](i + peepholes[0] * c), ACTIVATIONS["sigmoid"](f + peepholes[1] * c)
        c = f * c + i * np.tanh(z)
        h = ACTIVATIONS["sigmoid"](o + peepholes[2] * c) * np.tanh(c)
    return h


@pytest.mark.parametrize("use_bias", [True, False])
def test_tensorflow_addons(use_bias):
    weights = addons_weights(use_bias)
    layer = from_tensorflow_addons(weights, dtype="float64", name="mine")
    assert (type(layer), layer.name, layer.units, layer.use_bias) == (PeepholeLSTM, "mine", UNITS, use_bias)
    expected = addons(weights, sequences(), use_bias)
    np.testing.assert_allclose(layer(sequences()), expected, rtol=1e-12, atol=1e-12)
    again = reference(layer.get_config(), weights, sequences())["hidden_state"][:, -1]
    np.testing.assert_allclose(expected, again, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("weights", "arguments", "message"),
    [
        (addons_weights()[:3], {}, r"6 arrays kernel, .*, or 5 without the bias. Received: 3 arrays of .*\(4, 20\)"),
        ([w.T for w in addons_weights()], {}, r"PeepholeLSTM with 20 features, 20 units .* \(20, 80\).*\(20, 4\)"),
        (addons_weights(), {"input_gate": "open"}, r"has the weights kernel \(4, 15\), .* Received: the shapes"),
        (addons_weights(), {"peephole": "full"}, r"input_peephole \(5, 5\)"),
    ],
)
def test_tensorflow_addons_refuses(weights, arguments, message):
    with pytest.raises(ValueError, match=message):
        from_tensorflow_addons(weights, **arguments)
