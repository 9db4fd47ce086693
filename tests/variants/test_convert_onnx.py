"""ONNX files against ONNX Runtime, and what is refused."""

import sys

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from tests.cases import first_quick
from tests.variants import variant_files
from tests.variants.test_parity import NOT_IN_ONNX, ONE_EQUATION
from variants import GatedLSTM, GatedLSTMCell, PeepholeLSTM, StandardLSTM
from variants.convert.onnx import to_onnx
from variants.convert.onnx_operator import FUNCTIONS
from variants.testing.common import FEATURES, randomize

UNITS, TOKENS = 5, 11
SIZES = [(3, 6), (2, 9), (1, 1)]
WRITTEN = [name for name in ONE_EQUATION if name not in NOT_IN_ONNX]
USES = {
    "sequences": {"return_sequences": True},
    "last step": {},
    "backwards": {"return_sequences": True, "go_backwards": True},
    "backwards, last step": {"go_backwards": True},
    "bidirectional": {"return_sequences": True},
    "bidirectional, last step": {},
}
L = keras.layers


def wrapped(layer, use):
    return L.Bidirectional(layer) if "bidirectional" in use else layer


def sequential(*layers, inputs=None):
    inputs = keras.Input((None, FEATURES)) if inputs is None else inputs
    return randomize(keras.Sequential([inputs, *layers]))


def batches(dtype="float32"):
    rng = np.random.default_rng(3)
    for batch, steps in SIZES:
        if np.dtype(dtype).kind == "i":
            yield rng.integers(0, TOKENS, (batch, steps)).astype(dtype)
        else:
            yield rng.normal(size=(batch, steps, FEATURES)).astype(dtype)


def errors(model, file, dtype="float32"):
    """Pairs of what ONNX Runtime and Keras compute, for batches of different sizes and lengths."""
    to_onnx(model, file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for x in batches(dtype):
        yield session.run(None, {"input": x})[0], keras.ops.convert_to_numpy(model(x))


def check(model, file, dtype="float32"):
    for actual, expected in errors(model, file, dtype):
        np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=3e-6)
    return onnx.load(file)


def operators(file):
    return [node.op_type for node in file.graph.node]


def written(name, use):
    """Every variant in one use, and one of them in all uses; the rest is slow."""
    marks = [] if use == "bidirectional" or name == "peephole" else [pytest.mark.slow]
    return pytest.param(name, use, marks=marks)


@pytest.mark.parametrize(("name", "use"), [written(name, use) for name in WRITTEN for use in USES])
def test_equals_onnx_runtime(name, use, tmp_path):
    layer = wrapped(variant_files.maker(name, UNITS)(**USES[use]), use)
    file = check(sequential(layer), tmp_path / "model.onnx")
    assert operators(file).count("LSTM") == 1
    assert not {"Loop", "Scan", "If"} & set(operators(file))


@pytest.mark.parametrize("use", first_quick(USES, 2))
def test_a_layer_alone(use, tmp_path):
    for layer in (StandardLSTM(UNITS, **USES[use]), L.LSTM(UNITS, **USES[use]), PeepholeLSTM(UNITS, use_bias=False)):
        check(randomize(wrapped(layer, use)), tmp_path / "model.onnx")


@pytest.mark.parametrize("merge_mode", first_quick(["concat", "sum", "mul", "ave"]))
def test_merge_modes(merge_mode, tmp_path):
    for every_step in (True, False):
        one = L.Bidirectional(PeepholeLSTM(UNITS, return_sequences=every_step), merge_mode=merge_mode)
        check(sequential(one), tmp_path / "model.onnx")


def test_two_different_directions(tmp_path):
    forward = PeepholeLSTM(UNITS, gate_activation="hard_sigmoid", candidate_activation="leaky_relu")
    backward = L.LSTM(UNITS, activation="softsign", go_backwards=True)
    check(sequential(L.Bidirectional(forward, backward_layer=backward)), tmp_path / "model.onnx")


def test_a_stack(tmp_path):
    model = sequential(
        L.Bidirectional(PeepholeLSTM(4, return_sequences=True)),
        L.SpatialDropout1D(0.5),
        GatedLSTM(6, forget_gate="coupled", go_backwards=True, return_sequences=True, dropout=0.5),
        L.TimeDistributed(L.Dense(3, activation="elu")),
        keras.Sequential([L.LSTM(2, return_sequences=True), L.Dropout(0.5)]),
        L.Activation("softplus"),
        L.Dense(1, use_bias=False),
    )
    assert operators(check(model, tmp_path / "model.onnx")).count("LSTM") == 3


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_tokens_to_probabilities(dtype, tmp_path):
    inputs = x = keras.Input((None,), dtype=dtype)
    for layer in (L.Embedding(TOKENS, FEATURES), PeepholeLSTM(UNITS, return_sequences=True), StandardLSTM(UNITS)):
        x = layer(x)
    model = keras.Model(inputs, L.Dense(TOKENS, activation="softmax")(x))
    file = check(randomize(model), tmp_path / "model.onnx", dtype)
    assert file.graph.input[0].type.tensor_type.elem_type == getattr(onnx.TensorProto, dtype.upper())


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(activation.__name__ for activation in FUNCTIONS))
def test_activations(name, tmp_path):
    """In each of the three places beside ones with other parameters, where gates are open too, and in `Dense`."""
    others = {"gate_activation": "hard_sigmoid", "candidate_activation": "leaky_relu", "output_activation": "linear"}
    for place in others:
        layer = PeepholeLSTM(UNITS, input_gate="open", **{**others, place: name})
        model = randomize(keras.Sequential([keras.Input((None, FEATURES)), layer, L.Dense(2, name)]), scale=0.15)
        check(model, tmp_path / "model.onnx")
    activation = keras.activations.get(name)
    np.testing.assert_allclose(activation(np.float32(FUNCTIONS[activation].one_at)), 1, rtol=1e-6)


def test_no_gate_at_all(tmp_path):
    check(sequential(GatedLSTM(UNITS, **{f"{g}_gate": "open" for g in ("input", "forget", "output")})), tmp_path / "m")


def test_the_file(tmp_path):
    model = sequential(L.LSTM(UNITS, return_sequences=True, dtype="mixed_bfloat16"), L.Dense(2, dtype="float64"))
    to_onnx(model, tmp_path / "model.onnx")
    file = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(file, full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (source,), (target,) = session.get_inputs(), session.get_outputs()
    assert (file.producer_name, file.opset_import[0].version) == ("gatelab", 18)
    assert (source.name, source.type, source.shape) == ("input", "tensor(float)", ["batch", "time", FEATURES])
    assert (target.name, target.type, target.shape) == ("output", "tensor(float)", ["batch", "time", 2])
    types = {constant.data_type for constant in file.graph.initializer if "shape" not in constant.name}
    assert types == {onnx.TensorProto.FLOAT}


class LeakyCell(GatedLSTMCell):
    def activations(self, sums, states):
        return super().activations(0.5 * sums, states)


class LeakyLSTM(GatedLSTM):
    cell_class = LeakyCell


class NamedLSTM(GatedLSTM):
    """Another name is not another equation."""

    def describe(self):
        return self.name


def functional(connect):
    inputs = keras.Input((None, FEATURES))
    return keras.Model(inputs, connect(inputs))


def shared(inputs):
    layer = StandardLSTM(FEATURES, return_sequences=True)
    return layer(layer(inputs))


def handed_over(inputs):
    state = L.LSTM(2)(inputs)
    return L.LSTM(2, name="second")(inputs, initial_state=[state, state])


def quantized():
    model = keras.Sequential([keras.Input((None, FEATURES)), L.Dense(2)])
    model.layers[0].quantize("int8")
    return model


def two_ways(forward, backward):
    return L.Bidirectional(forward, backward_layer=backward)


REFUSED = {
    "gate recurrence": (lambda: GatedLSTM(4, gate_recurrence=True, name="fgr"), "'fgr': gate_recurrence=True"),
    "full peephole": (lambda: GatedLSTM(4, peephole="full"), "peephole='full' .its peepholes are one weight"),
    "per gate": (lambda: GatedLSTM(4, gate_activation={"forget": "relu"}), "gate_activation={'forget': 'relu'}"),
    "activation": (lambda: GatedLSTM(4, candidate_activation="gelu"), "candidate_activation='gelu' .it knows elu"),
    "stateful": (lambda: sequential(L.LSTM(4, stateful=True), inputs=keras.Input(batch_shape=(1, 2, 4))), "stateful"),
    "return_state": (lambda: GatedLSTM(4, return_state=True), "return_state=True .the model must have one output"),
    "own equation": (lambda: LeakyLSTM(4), "LeakyCell has an equation of its own .it overrides activations"),
    "masking": (lambda: sequential(L.Masking()), "Masking .no step can be masked"),
    "mask_zero": (
        lambda: sequential(L.Embedding(3, 2, mask_zero=True), inputs=keras.Input((None,))),
        "mask_zero=True",
    ),
    "another layer": (lambda: sequential(L.Conv1D(2, 2)), "Conv1D .written are recurrent layers and Dense, Embedding"),
    "an operation": (lambda: functional(lambda x: StandardLSTM(4)(x * 2)), "'multiply': Multiply"),
    "dense activation": (lambda: sequential(L.Dense(2, "gelu")), "activation='gelu' .written are elu"),
    "time distributed": (lambda: sequential(L.TimeDistributed(L.Masking())), "layer=Masking .TimeDistributed is"),
    "quantized": (quantized, "quantization_mode='int8'"),
    "called twice": (lambda: functional(shared), "not a chain .* called twice or on several tensors: standard_lstm"),
    "state handed over": (lambda: functional(handed_over), "not a chain .* on several tensors: second"),
    "two outputs": (lambda: functional(lambda x: [L.LSTM(4)(x), L.Dense(2)(x)]), "Received: 1 inputs, 2 outputs"),
    "merge_mode": (lambda: L.Bidirectional(StandardLSTM(4), merge_mode=None), "merge_mode=None"),
    "bidirectional": (lambda: L.Bidirectional(L.GRU(4)), "layer=GRU .it must be a GatedLSTM"),
    "units": (lambda: two_ways(StandardLSTM(4), StandardLSTM(3, go_backwards=True)), "units=4 and 3 backwards"),
    "order": (lambda: two_ways(StandardLSTM(4, go_backwards=True), StandardLSTM(4)), "go_backwards=True .its first"),
    "coupled": (
        lambda: two_ways(GatedLSTM(4, forget_gate="coupled"), StandardLSTM(4, go_backwards=True)),
        "forget_gate='coupled' and 'learned' backwards",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case, tmp_path):
    make, message = REFUSED[case]
    model = make()
    if not model.built:
        model.build((None, None, FEATURES))
    with pytest.raises(ValueError, match=message):
        to_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", [StandardLSTM(4), L.Bidirectional(L.LSTM(4)), keras.Sequential([L.LSTM(4)])])
def test_refuses_what_is_not_built(model, tmp_path):
    with pytest.raises(ValueError, match="has no weights yet"):
        to_onnx(model, tmp_path / "model.onnx")


def test_refuses_what_is_no_model(tmp_path):
    with pytest.raises(TypeError, match="must be a keras.Model or a recurrent layer. Received: 3"):
        to_onnx(3, tmp_path / "model.onnx")


def test_a_subclass_with_the_same_equation(tmp_path):
    check(sequential(NamedLSTM(UNITS)), tmp_path / "model.onnx")


def test_without_the_package_onnx(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install gatelab\[onnx\]"):
        to_onnx(randomize(StandardLSTM(4)), tmp_path / "model.onnx")
