"""Numbers that other projects have published for their LSTMs: Keras and TensorFlow Addons; and the cases of ONNX."""

import keras
import numpy as np
import pytest
from onnx.backend.test.case.node.lstm import LSTMHelper

import variants
from variants import PeepholeLSTM, StandardLSTM


def constant(layer_class, units, **arguments):
    """Weights of 0.01, 0.02 and 0.03, as in the tests of Keras."""
    weights = {"kernel": 0.01, "recurrent": 0.02, "bias": 0.03}
    starts = {f"{name}_initializer": keras.initializers.Constant(value) for name, value in weights.items()}
    return layer_class(units, **starts, **arguments)


def counting(*shape):
    return np.arange(np.prod(shape)).reshape(shape).astype("float32")


def near(actual, expected):
    np.testing.assert_allclose(keras.ops.convert_to_numpy(actual), expected, rtol=1e-5, atol=1e-5)


# keras/src/layers/rnn/lstm_test.py, test_correctness: the last output of each sequence, the same for all units.
KERAS = {
    "plain": ({}, [0.6288687, 0.86899155, 0.9460773]),
    "backwards": ({"go_backwards": True}, [0.35622165, 0.74789524, 0.8872726]),
    "unrolled": ({"unroll": True}, [0.6288687, 0.86899155, 0.9460773]),
    "forget bias of 0.03": ({"unit_forget_bias": False}, [0.57019705, 0.8661914, 0.9459622]),
    "without biases": ({"use_bias": False}, [0.54986924, 0.86226785, 0.9443936]),
}


@pytest.mark.parametrize("case", KERAS)
@pytest.mark.parametrize("training", [False, True])
def test_keras(case, training):
    arguments, expected = KERAS[case]
    output = constant(StandardLSTM, 3, **arguments)(counting(3, 6, 4), training=training)
    near(output, np.repeat(expected, 3).reshape(3, 3))


def test_keras_carries_states_from_batch_to_batch():
    """Of the same file, test_statefulness."""
    layer = constant(StandardLSTM, 4, stateful=True)
    for _ in range(2):
        layer(counting(2, 3, 4))
        near(layer(counting(2, 3, 4)), np.repeat([0.3124785, 0.6863672], 4).reshape(2, 4))
        layer.reset_state()


@pytest.mark.parametrize(
    ("backwards", "expected"),
    [
        (False, [[0.20574439, 0.3558822], [0.64930826, 0.66276]]),
        (True, [[0.13281618, 0.2790356], [0.5839337, 0.5992567]]),
    ],
)
def test_keras_starts_from_initial_states(backwards, expected):
    """Of the same file, test_pass_initial_state."""
    layer = constant(StandardLSTM, 2, go_backwards=backwards)
    near(layer(counting(2, 4, 3), initial_state=[counting(2, 2)] * 2), expected)


@pytest.mark.parametrize("zeros", [False, True])
def test_keras_masks_steps(zeros):
    """Of the same file, test_masking: outputs repeat, or are zeros."""
    mask = np.array([[True, True, True, False], [True, True, False, False]])
    layer = constant(StandardLSTM, 2, return_sequences=True, zero_output_for_mask=zeros)
    first = [0.01588910, 0.05552048, 0.11755939, 0.0 if zeros else 0.11755939]
    second = [0.14185596, 0.28556206, *[0.0 if zeros else 0.28556206] * 2]
    near(layer(counting(2, 4, 3), mask=mask), np.repeat([first, second], 2).reshape(2, 4, 2))


def test_keras_masks_steps_backwards():
    mask = np.array([[False, True, True, True], [False, False, True, True]])
    layer = constant(StandardLSTM, 2, go_backwards=True)
    near(layer(counting(2, 4, 3), mask=mask), [[0.15341201] * 2, [0.3844719] * 2])


def test_peepholes_of_tensorflow_addons():
    """tensorflow_addons/rnn/tests/peephole_lstm_cell_test.py: one step; the last input is zeros."""
    inputs = np.eye(5, 4, dtype="float32")[1:]
    cell = variants.PeepholeLSTMCell(5, kernel_initializer="ones")
    output, _ = cell(inputs, [np.zeros((4, 5), "float32")] * 2)
    near(output, [[0.417551] * 5] * 3 + [[0.0] * 5])


# onnx/backend/test/case/node/lstm.py: inputs, width, number that all weights have, biases and peepholes.
ONNX = {
    "defaults": (counting(1, 3, 2) + 1, 3, 0.1, 0.0, None),
    "initial bias": (counting(1, 3, 3) + 1, 4, 0.1, 0.1, None),
    "peepholes": (counting(1, 2, 4) + 1, 3, 0.1, 0.0, 0.1),
    "batchwise": (counting(3, 1, 2) + 1, 7, 0.3, 0.0, None),
    "further steps": (counting(5, 2, 2) / 5, 3, 0.3, 0.2, 0.4),
}


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("case", ONNX)
def test_onnx(case, direction):
    x, units, weight, bias, peephole = ONNX[case]  # time first
    directions = 1 + (direction == "bidirectional")
    width = 4 * units
    tensors = {
        "X": x,
        "W": np.full((directions, width, x.shape[2]), weight, "float32"),
        "R": np.full((directions, width, units), weight, "float32"),
        "B": np.concatenate([np.full((directions, width), bias), np.zeros((directions, width))], 1),
    }
    if peephole:
        tensors["P"] = np.full((directions, 3 * units), peephole, "float32")
    expected, *_ = LSTMHelper(**tensors, direction=direction).step()
    kind = PeepholeLSTM if peephole else StandardLSTM
    layer = kind(units, return_sequences=True, go_backwards=direction == "reverse", name="lstm")
    if direction == "bidirectional":
        layer = keras.layers.Bidirectional(layer)
    layer.build((None, None, x.shape[2]))
    layer.set_weights([np.full(array.shape, value(array, weight, bias, peephole)) for array in layer.weights])
    output = keras.ops.convert_to_numpy(layer(x.transpose(1, 0, 2))).transpose(1, 0, 2)
    if direction == "reverse":
        output = output[::-1]  # ONNX has the outputs in the order of the inputs
    near(output, np.concatenate([expected[:, number] for number in range(directions)], axis=-1))


def value(array, weight, bias, peephole):
    """The number that all entries of a weight have."""
    return peephole if "peephole" in array.name else bias if array.name == "bias" else weight
