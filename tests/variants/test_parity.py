"""The numbers of every variant against three independent implementations."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import variants
from tests.variants import variant_files
from variants.reference import reference
from variants.testing.common import (
    BATCH,
    FEATURES,
    PRECISE,
    STARTS_WITH_ZEROS,
    STEPS,
    array,
    equal,
    random_states,
    randomize,
    sequences,
)

UNITS = 5
ONNX_ACTIVATIONS = {"sigmoid": "Sigmoid", "tanh": "Tanh", "linear": "Affine"}
# What the ONNX operator cannot represent: another activation for one gate, matrices on the cell state, gates
# fed back. Their oracles are the NumPy reference and finite differences.
NOT_IN_ONNX = {*variant_files.SPECIAL[:2], "full_peephole", "odyssey/gate_recurrence"}
# The others have equations of their own, which test_cells.py tests.
ONE_EQUATION = [name for name in variant_files.NAMES if variant_files.settings(name).layer == "GatedLSTM"]


def random_layer(name, **arguments):
    return randomize(variant_files.maker(name, UNITS)(return_sequences=True, return_state=True, **arguments))


@pytest.mark.parametrize("name", [*ONE_EQUATION, *variant_files.ONE_SWITCH])
def test_equals_the_numpy_reference(name):
    layer = random_layer(name, dtype=PRECISE)
    x, states = sequences(), random_states(layer)
    mask = np.random.default_rng(7).random((BATCH, STEPS)) > 0.3
    mask[:, 0] |= not STARTS_WITH_ZEROS
    output, *final = layer(x, initial_state=states, mask=mask)
    expected = reference(layer.get_config(), layer.get_weights(), x, states, mask)
    equal(output, expected["output"])
    equal(final[0], expected["hidden_state"][:, -1])
    equal(final[1], expected["cell_state"][:, -1])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (variants.StandardLSTM(UNITS, return_sequences=True), keras.layers.LSTM(UNITS, return_sequences=True)),
        (
            variants.SwappedLSTM(UNITS, return_sequences=True),
            keras.layers.LSTM(UNITS, activation="sigmoid", recurrent_activation="tanh", return_sequences=True),
        ),
        (
            variants.GatedLSTM(UNITS, use_bias=False, gate_activation="hard_sigmoid", return_sequences=True),
            keras.layers.LSTM(UNITS, use_bias=False, recurrent_activation="hard_sigmoid", return_sequences=True),
        ),
    ],
    ids=["standard", "swapped", "hard_sigmoid without bias"],
)
def test_equals_keras(ours, theirs):
    theirs.build((BATCH, STEPS, FEATURES))
    randomize(ours)
    theirs.set_weights(ours.get_weights())
    x, states = sequences().astype("float32"), [s.astype("float32") for s in random_states(ours)]
    equal(ours(x, initial_state=states), theirs(x, initial_state=states), 2e-6)


def test_starts_from_the_weights_of_keras():
    def build(layer_class):
        keras.utils.set_random_seed(11)
        layer = layer_class(UNITS)
        layer.build((BATCH, STEPS, FEATURES))
        return layer.get_weights()

    for ours, theirs in zip(build(variants.StandardLSTM), build(keras.layers.LSTM), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", [name for name in ONE_EQUATION if name not in NOT_IN_ONNX])
def test_equals_onnx_runtime(name):
    layer = random_layer(name)
    x, states = sequences(), random_states(layer)
    expected = run_onnx(layer.get_config(), layer.get_weights(), x, states)
    output, _, cell = layer(x.astype("float32"), initial_state=states)
    equal(output, expected[0], 5e-6)
    equal(cell, expected[1], 5e-6)


def with_matrices(config, weights):
    """The same weights, with a recurrent matrix where the gates see one unit each, or none."""
    kernel, *rest = weights
    if config["recurrence"] == "full":
        return weights
    seen = rest.pop(0) if config["recurrence"] == "diagonal" else np.zeros(kernel.shape[-1])
    return [kernel, np.hstack([np.diag(block) for block in seen.reshape(-1, UNITS)]), *rest]


def run_onnx(config, weights, x, states):
    """ONNX Runtime's LSTM: gates in the order i, o, f, c; an open gate is one whose bias saturates it."""
    blocks = {"input": "input_gate", "output": "output_gate", "forget": "forget_gate", "candidate": None}
    learned = [b for b in ("input", "forget", "candidate", "output") if config.get(blocks[b], "learned") == "learned"]
    shared = config["shared_kernel"]

    def rows(matrix, is_shared=False):
        parts = {b: matrix[..., k * UNITS : (k + 1) * UNITS].T for k, b in enumerate(learned)}
        return {b: matrix.T for b in learned} if is_shared else parts

    weights = with_matrices(config, weights)
    kernel, recurrent, bias = rows(weights[0], shared), rows(weights[1], shared), rows(weights[2])
    gates = [b for b in learned if b != "candidate"]
    peepholes = dict(zip(gates, weights[3:], strict=True)) if config["peephole"] == "diagonal" else {}
    open_bias = np.full(UNITS, 1e4, "float32")

    def stacked(parts, missing):
        return np.concatenate([parts.get(b, missing) for b in blocks])[None].astype("float32")

    values = {
        "X": x.transpose(1, 0, 2).astype("float32"),
        "W": stacked(kernel, np.zeros((UNITS, FEATURES))),
        "R": stacked(recurrent, np.zeros((UNITS, UNITS))),
        "B": np.concatenate([stacked(bias, open_bias), np.zeros((1, 4 * UNITS), "float32")], axis=1),
        "initial_h": states[0][None].astype("float32"),
        "initial_c": states[1][None].astype("float32"),
        "P": np.concatenate([peepholes.get(g, np.zeros(UNITS)) for g in ("input", "output", "forget")])[None].astype(
            "float32"
        ),
    }
    names = ["gate_activation", "candidate_activation", "output_activation"]
    node = helper.make_node(
        "LSTM",
        ["X", "W", "R", "B", "", "initial_h", "initial_c", "P"],
        ["Y", "", "Y_c"],
        hidden_size=UNITS,
        activations=[ONNX_ACTIVATIONS[config[name]] for name in names],
        activation_alpha=[1.0] * 3,
        activation_beta=[0.0] * 3,
        input_forget=int(config["forget_gate"] == "coupled"),
    )
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, v.shape) for name, v in values.items()]
    shapes = {"Y": (STEPS, 1, BATCH, UNITS), "Y_c": (1, BATCH, UNITS)}
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    model = helper.make_model(
        helper.make_graph([node], "lstm", inputs, outputs), opset_imports=[helper.make_opsetid("", 21)], ir_version=10
    )
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    y, cell = session.run(None, values)
    return y[:, 0].transpose(1, 0, 2), cell[0]


def test_the_reference_sees_a_wrong_gate():
    layer = random_layer("peephole", dtype=PRECISE)
    x, states = sequences(), random_states(layer)
    output = array(layer(x, initial_state=states)[0])
    weights = layer.get_weights()
    for swapped in ([0, 1, 2, 4, 3, 5], [0, 1, 2, 3, 5, 4]):
        wrong = reference(layer.get_config(), [weights[k] for k in swapped], x, states)
        assert np.abs(wrong["output"] - output).max() > 1e-3
