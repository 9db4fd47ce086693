"""Clamped gates: against an LSTM in NumPy that is written down here, in all kinds of models, and what is refused."""

import keras
import numpy as np
import pytest

import variants
from tests.cases import first_quick
from tests.variants.test_trace import TRACED
from tests.variants.variant_files import maker
from variants.clamp import clampable
from variants.testing.common import (
    BATCH,
    FEATURES,
    MASKS,
    PRECISE,
    ROUND_OFF,
    STEPS,
    array,
    equal,
    randomize,
    sequences,
)

UNITS = 5
GATES = ("input_gate", "forget_gate", "output_gate", "candidate", "cell_state")
MASK = np.array(MASKS["gaps"], bool)
VALUES = np.linspace(-0.5, 1.5, UNITS)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def lstm(layer, x, mask=None, clamps=None, backwards=False):
    """The equation of an LSTM, with diagonal peepholes and coupled gates or without, one step at a time.

    `clamps` has, by quantity, an array `(batch, time, units)` that takes its place, NaN where it does not. Returns the
    quantities as they were used, `(batch, time, units)`, and the last hidden state.
    """
    coupled = layer.forget_gate == "coupled"
    blocks = ["input", *([] if coupled else ["forget"]), "candidate", "output"]
    weights, recurrent, bias, *peepholes = (w.astype("float64") for w in layer.get_weights())
    names = [block for block in blocks if block != "candidate"]
    peephole = dict(zip(names, peepholes, strict=True)) if peepholes else dict.fromkeys(names, 0.0)
    h = c = np.zeros((len(x), layer.units))
    used = {gate: np.full((*x.shape[:2], layer.units), np.nan) for gate in (*GATES, "hidden_state")}
    for t in reversed(range(x.shape[1])) if backwards else range(x.shape[1]):

        def put(gate, value, t=t):
            replaced = value if gate not in (clamps or {}) else clamps[gate][:, t]
            used[gate][:, t] = np.where(np.isnan(replaced), value, replaced)
            return used[gate][:, t]

        a = dict(zip(blocks, np.split(x[:, t] @ weights + h @ recurrent + bias, len(blocks), axis=1), strict=True))
        i = put("input_gate", sigmoid(a["input"] + peephole["input"] * c))
        f = put("forget_gate", 1 - i if coupled else sigmoid(a["forget"] + peephole["forget"] * c))
        new_c = put("cell_state", f * c + i * put("candidate", np.tanh(a["candidate"])))
        o = put("output_gate", sigmoid(a["output"] + peephole["output"] * new_c))
        new_h = o * np.tanh(new_c)
        valid = np.ones((len(x), 1), bool) if mask is None else mask[:, t, None]
        h, c = np.where(valid, new_h, h), np.where(valid, new_c, c)
        used["hidden_state"][:, t] = h
    return used, h


def numbers(values, units=slice(None)):
    """The clamp of these units to these values at every step."""
    clamp = np.full((BATCH, STEPS, UNITS), np.nan)
    clamp[..., units] = np.broadcast_to(values, UNITS)[units]
    return clamp


def masked_model(name="peephole", **arguments):
    """A model of a layer `lstm` with random weights whose inputs are masked."""
    layer = maker(name, UNITS)(dtype=PRECISE, name="lstm", **arguments)
    masking = keras.layers.Masking(dtype=PRECISE)
    return randomize(keras.Sequential([keras.Input((None, FEATURES), dtype=PRECISE), masking, layer])), layer


def inputs():
    return np.where(MASK[..., None], sequences(), 0.0).astype(PRECISE)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", first_quick(["peephole", "odyssey/coupled_gates"]))
def test_numbers_equal_the_equation(name, backwards):
    model, layer = masked_model(name, go_backwards=backwards)
    cases = [(0, None, slice(None)), (0.3, 2, [2]), (1, [4, 1], [1, 4]), (VALUES, None, slice(None))]
    for number, gate in enumerate((*GATES, *GATES)):
        value, unit, units = cases[number % len(cases)]
        expected = lstm(layer, inputs(), MASK, {gate: numbers(value, units)}, backwards)[1]
        equal(variants.clamped(model, "lstm", gate, value, unit)(inputs()), expected, what=f"{gate} {value} {unit}")
        assert np.abs(array(model(inputs())) - expected).max() > 1e-3


BOTH_WAYS = [(gate, number % 2 == 1) for number, gate in enumerate(GATES)]


@pytest.mark.parametrize(("gate", "backwards"), BOTH_WAYS)
def test_a_mean_is_that_of_the_unmasked_steps_of_the_reference(gate, backwards):
    model, layer = masked_model(go_backwards=backwards)
    mean = lstm(layer, inputs(), MASK, backwards=backwards)[0][gate][MASK].mean(axis=0)
    clamped = variants.clamped(model, "lstm", gate, "mean", unit=[0, 3], x=inputs())
    x = sequences(5)
    expected = lstm(layer, x, None, {gate: numbers(mean, [0, 3])}, backwards)[1]
    equal(clamped(x), expected)
    many = np.tile(inputs(), (25, 1, 1))  # traced in two parts
    equal(variants.clamped(model, "lstm", gate, "mean", unit=[0, 3], x=many)(x), expected)


@pytest.mark.parametrize(("gate", "backwards"), BOTH_WAYS)
def test_shuffled_steps_are_those_of_the_unclamped_layer_in_another_order(gate, backwards):
    model, layer = masked_model(go_backwards=backwards)
    units = [0, 1, 4]
    before = lstm(layer, inputs(), MASK, backwards=backwards)[0][gate]
    clamped = variants.clamped(model, "lstm", gate, "shuffled", unit=units, seed=3)
    after = variants.trace(clamped, inputs())["lstm"][gate]
    moved = 0
    for row in range(BATCH):
        old, new = before[row][MASK[row]][:, units], after[row][MASK[row]][:, units]
        order = [int(np.abs(old - values).sum(axis=1).argmin()) for values in new]
        equal(new, old[order])  # one order for all units
        assert sorted(order) == list(range(len(old)))
        moved += order != sorted(order)
    assert moved
    clamps = {gate: np.where(MASK[..., None], numbers(0, units) + after, np.nan)}
    expected = lstm(layer, inputs(), MASK, clamps, backwards)[1]
    equal(clamped(inputs()), expected)
    equal(clamped(inputs()), expected)  # the same orders again
    other = variants.clamped(model, "lstm", gate, "shuffled", unit=units, seed=4)
    assert np.abs(array(other(inputs())) - expected).max() > 1e-6


@pytest.mark.parametrize("name", TRACED)
def test_every_layer_computes_its_equation_with_what_is_clamped(name):
    """Each gate in one unit. By the trace: it has its value, and the cell state follows from gates and candidate."""
    model, layer = masked_model(name, return_sequences=True)
    gates, clamped = clampable(layer.cell), model
    for unit, gate in enumerate(gates):
        clamped = variants.clamped(clamped, "lstm", gate, 0.25 + unit, unit)
    traced = variants.trace(clamped, inputs())["lstm"]
    for unit, gate in enumerate(gates):
        equal(traced[gate][MASK][:, unit], np.full(MASK.sum(), 0.25 + unit))
    c, kept = np.zeros((BATCH, UNITS)), layer.zoneout_cell if name == "zoneout" else 0.0
    for t in range(STEPS) if name != "slstm" else ():
        i, f, z = (traced[quantity][:, t] for quantity in ("input_gate", "forget_gate", "candidate"))
        new = (1 - kept) * (f * c + i * z) + kept * c
        if "cell_state" in gates:
            new[:, gates.index("cell_state")] = 0.25 + gates.index("cell_state")
        c = np.where(MASK[:, t, None], new, c)
        equal(traced["cell_state"][:, t], c, 2 * ROUND_OFF)
    outputs, read = array(clamped(inputs())), np.cumsum(MASK, axis=1) > 0
    equal(outputs[read], traced["hidden_state"][read])
    assert np.abs(outputs - array(model(inputs()))).max() > 1e-3


def test_what_reads_a_gate_reads_the_clamp():
    """A coupled forget gate reads the input gate, and not the other way round; a gate recurrence reads all gates."""
    model, _ = masked_model("odyssey/coupled_gates")
    traced = variants.trace(variants.clamped(model, "lstm", "input", 0.25), inputs())["lstm"]
    equal(traced["forget_gate"][MASK], np.full((MASK.sum(), UNITS), 0.75))
    traced = variants.trace(variants.clamped(model, "lstm", "forget", 0.25), inputs())["lstm"]
    free = variants.trace(model, inputs())["lstm"]["input_gate"]
    equal(traced["input_gate"][:, :2][MASK[:, :2]][0], free[:, :2][MASK[:, :2]][0])
    assert np.ptp(traced["input_gate"][MASK]) > 0.1

    model, layer = masked_model("odyssey/gate_recurrence", return_state=True)
    *_, gates = variants.clamped(model, "lstm", "input", 0.25)(inputs())
    equal(array(gates)[:, :UNITS], np.full((BATCH, UNITS), 0.25))


def test_open_gates_and_gates_without_a_value_of_their_own_are_refused():
    model, _ = masked_model("odyssey/no_input_gate")
    with pytest.raises(ValueError, match="must be one of forget_gate, output_gate, candidate, cell_state, forget, out"):
        variants.clamped(model, "lstm", "input_gate", 0)
    with pytest.raises(ValueError, match="Received: gate='input', which is open"):
        variants.clamped(model, "lstm", "input", 0)
    model, _ = masked_model("slstm")
    with pytest.raises(ValueError, match=r"gate='forget', which is divided by exp\(m'\), which changes"):
        variants.clamped(model, "lstm", "forget", 0)
    model, _ = masked_model("zoneout")
    with pytest.raises(ValueError, match="gate='cell_state', which is mixed with the one before"):
        variants.clamped(model, "lstm", "cell_state", 0)
    allowed = {name: clampable(maker(name, UNITS)().cell) for name in ("janet", "tied_input_gate", "slstm")}
    assert allowed["janet"] == ["input_gate", "forget_gate", "candidate", "cell_state"]
    assert allowed["tied_input_gate"] == list(GATES)
    assert allowed["slstm"] == ["output_gate", "candidate"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(layer="LSTM"), "`layer` must be the name of one layer of `variants`: lstm. Received: layer='LSTM'"),
        (dict(gate="inputs"), "must be one of input_gate, .*cell_state, input, .* gate='inputs', which is none"),
        (dict(gate="hidden_state"), "gate='hidden_state', which is none"),
        (dict(value="median"), "`value` must be a number, 5 numbers .*'mean' or 'shuffled'. Received: value='median'"),
        (dict(value=float("nan")), "Received: value=nan"),
        (dict(value=True), "Received: value=True"),
        (dict(value=[0, 1]), r"Received: value=\[0, 1\]"),
        (dict(value=None), "Received: value=None"),
        (dict(unit=5), "`unit` of layer 'lstm' must be a number, or a list of numbers, from 0 to 4. Received: unit=5"),
        (dict(unit=-1), "Received: unit=-1"),
        (dict(unit="0"), "Received: unit='0'"),
        (dict(unit=[0, 1.5]), r"Received: unit=\[0, 1.5\]"),
        (dict(unit=True), "Received: unit=True"),
        (dict(unit=[]), r"`unit` must name a unit; None is all of them. Received: unit=\[\]"),
        (dict(value="mean"), "`x` must be given for value='mean', and for no other. Received: value='mean', no x"),
        (dict(x=1), "`x` must be given for value='mean', and for no other. Received: value=0, an x"),
        (dict(seed=1), "`seed` must be given for value='shuffled' only. Received: value=0, seed=1"),
        (dict(value="shuffled", seed=-1), r"`seed` must be an integer from 0 to .* Received: seed=-1"),
    ],
)
def test_mistakes(arguments, message):
    model, _ = masked_model()
    with pytest.raises(ValueError, match=message):
        variants.clamped(model, **{"layer": "lstm", "gate": "input_gate", "value": 0, **arguments})


def test_models_without_such_a_layer_are_refused():
    plain = keras.Sequential([keras.Input((None, FEATURES)), keras.layers.LSTM(3, name="lstm")])
    with pytest.raises(ValueError, match="none: the model has no such layer. Received: layer='lstm'"):
        variants.clamped(plain, "lstm", "input", 0)
    halves = [keras.Sequential([variants.GatedLSTM(3, return_sequences=True, name="lstm")]) for _ in range(2)]
    with pytest.raises(ValueError, match="layer='lstm', which 2 layers are called"):
        variants.clamped(keras.Sequential([keras.Input((None, FEATURES)), *halves]), "lstm", "input", 0)
    empty = np.zeros((2, 4, FEATURES), PRECISE)
    with pytest.raises(ValueError, match="`x` must have steps that layer 'lstm' reads. Received: an x with none"):
        variants.clamped(masked_model()[0], "lstm", "input", "mean", x=empty)


class SilentCell(variants.GatedLSTMCell):
    """A cell whose equation lets nobody intervene."""

    def activations(self, sums, states):
        z = keras.ops.tanh(self.by_block(sums)["candidate"])
        c = states[1] + z
        return {**dict.fromkeys(GATES[:3], 1), "candidate": z, "cell_state": c, "hidden_state": c}


class SilentLSTM(variants.GatedLSTM):
    cell_class = SilentCell


class TwoWays(keras.Model):
    """A model that calls one of its layers only."""

    def __init__(self):
        super().__init__()
        self.first = variants.GatedLSTM(UNITS, name="first")
        self.second = variants.GatedLSTM(UNITS, name="second")

    def build(self, input_shape):
        self.first.build(input_shape["x"])
        self.second.build(input_shape["x"])

    def call(self, inputs):
        return self.first(inputs["x"])


def test_a_clamp_that_is_not_reached_is_an_error():
    model = keras.Sequential([keras.Input((None, FEATURES)), SilentLSTM(UNITS, name="lstm")])
    with pytest.raises(ValueError, match="passes its candidate through `self.intervene`. Received: layer='lstm'"):
        variants.clamped(model, "lstm", "candidate", 0)(sequences().astype("float32"))
    model, x = TwoWays(), {"x": sequences().astype("float32")}
    model(x)
    equal(variants.clamped(model, "first", "output", 0)(x), np.zeros((BATCH, UNITS)))
    with pytest.raises(ValueError, match="`layer` must be one that the model calls"):
        variants.clamped(model, "second", "output", 0)(x)


@pytest.mark.slow
def test_every_layer_of_any_model(tmp_path):
    """Stacked, bidirectional, distributed over time, nested, shared, and loaded from a file."""
    source = keras.Input((None, FEATURES))
    shared = variants.PeepholeLSTM(FEATURES, return_sequences=True, name="shared")
    both = keras.layers.Bidirectional(variants.GatedLSTM(UNITS, name="lstm", return_sequences=True), name="both")
    nested = keras.Sequential([keras.Input((None, 2 * UNITS)), variants.SwappedLSTM(UNITS, name="inner")])
    model = randomize(keras.Model(source, nested(both(shared(shared(source))))))
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    x = sequences().astype("float32")

    twice = variants.trace(variants.clamped(model, "shared", "input", 0.5), x)
    assert all((twice[name]["input_gate"] == 0.5).all() for name in ("shared", "shared:2"))
    assert (variants.trace(model, x)["shared"]["input_gate"] != 0.5).all()

    free, one = (variants.trace(m, x) for m in (model, variants.clamped(model, "backward_lstm", "output", 0)))
    equal(one["forward_lstm"]["hidden_state"], free["forward_lstm"]["hidden_state"], 0)
    assert not one["backward_lstm"]["hidden_state"].any()

    clamped = variants.clamped(model, "inner", "cell_state", "mean", x=x)
    equal(clamped(x), variants.trace(clamped, x)["inner"]["hidden_state"][:, -1], 1e-6)
    mean = free["inner"]["cell_state"].mean(axis=(0, 1))
    equal(variants.trace(clamped, x)["inner"]["cell_state"], np.broadcast_to(mean, (BATCH, STEPS, UNITS)), 1e-6)

    video = keras.Sequential(
        [keras.Input((2, STEPS, FEATURES)), keras.layers.TimeDistributed(variants.JANET(UNITS, name="janet"))]
    )
    x = np.stack([sequences(0), sequences(1)], axis=1).astype("float32")
    equal(variants.clamped(video, "janet", "candidate", 0)(x), np.zeros((BATCH, 2, UNITS)))


def test_clamps_add_up():
    """The second one is applied to what the first one leaves, and its mean and its steps are those of that model."""
    model, layer = masked_model()
    one = variants.clamped(model, "lstm", "input", 0.2, unit=0)
    both = variants.clamped(variants.clamped(one, "lstm", "forget", "mean", x=inputs()), "lstm", "input", 0.9, unit=1)
    clamps = {"input_gate": numbers(0.2, [0])}
    mean = lstm(layer, inputs(), MASK, clamps)[0]["forget_gate"][MASK].mean(axis=0)
    clamps["input_gate"][..., 1] = 0.9
    equal(both(inputs()), lstm(layer, inputs(), MASK, {**clamps, "forget_gate": numbers(mean)})[1])
    last = variants.clamped(variants.clamped(one, "lstm", "input", "shuffled"), "lstm", "input", 0.9, unit=1)
    gates = variants.trace(last, inputs())["lstm"]["input_gate"][MASK]
    equal(gates[:, :2], np.broadcast_to([0.2, 0.9], (MASK.sum(), 2)))


def test_the_model_lends_its_weights_and_stays_as_it_is():
    model = keras.Sequential([keras.Input((None, FEATURES)), variants.GatedLSTM(UNITS, name="lstm")])
    x, y = sequences().astype("float32"), np.ones((BATCH, UNITS), "float32")
    before, clamped = array(model(x)), variants.clamped(model, "lstm", "output", 1)
    equal(clamped(x), np.tanh(variants.trace(clamped, x)["lstm"]["cell_state"][:, -1]), 1e-6)
    equal(model(x), before, 0)
    model.compile("sgd", "mean_squared_error")
    clamped.compile(loss="mean_squared_error")
    first = clamped.evaluate(x, y, verbose=0)
    equal(clamped.predict(x, verbose=0), clamped(x), 1e-6)
    equal(first, np.mean((array(clamped(x)) - y) ** 2), 1e-6)
    model.fit(x, y, epochs=3, verbose=0)
    assert clamped.evaluate(x, y, verbose=0) < first
    assert clamped.get_layer("lstm") is model.layers[0] and len(clamped.weights) == len(model.weights)
    with pytest.raises(ValueError, match="A clamped model cannot be trained: train 'sequential"):
        clamped.fit(x, y, verbose=0)
    with pytest.raises(NotImplementedError, match="A clamped model cannot be saved: save 'sequential"):
        clamped.get_config()


def test_stateful_layers_carry_their_states():
    layer = variants.GatedLSTM(UNITS, stateful=True, name="lstm")
    model = randomize(keras.Sequential([keras.Input(batch_shape=(BATCH, None, FEATURES)), layer]))
    x = sequences().astype("float32")
    clamped = variants.clamped(model, "lstm", "forget", "mean", x=x)
    whole = array(clamped(x))
    layer.reset_state()
    clamped(x[:, :2])
    equal(clamped(x[:, 2:]), whole, 1e-6)


@pytest.mark.parametrize("forget", [0, 1])
def test_gradients_flow_through_what_is_not_clamped(forget):
    """With all gates clamped, c' = f c + i z: the gradient of c is that of its step with f = 1, and none with f = 0."""
    model = keras.Sequential([keras.Input((None, FEATURES)), variants.GatedLSTM(UNITS, name="lstm")])
    x, y = sequences().astype("float32"), np.ones((BATCH, UNITS), "float32")
    for gate, value in {"forget": forget, "input": 0.1, "candidate": 0.5, "output": 1}.items():
        model = variants.clamped(model, "lstm", gate, value)
    norms = variants.state_gradients(model, x, y, "mean_squared_error")["lstm"]["cell_state"]
    assert (norms[:, -1] > 0.01).all()
    equal(norms[:, :-1], forget * np.repeat(norms[:, -1:], STEPS - 1, axis=1), 1e-6)
