"""Gates and states of the layers inside models, and the gradients of their states."""

import keras
import numpy as np
import pytest

import variants
from tests.cases import first_quick
from tests.variants.test_parity import ONE_EQUATION
from tests.variants.variant_files import NAMES, maker
from variants.reference import TRACES, reference
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
from variants.trace import Tracer, gate_names

UNITS = 5
# Every equation, and every way in which a gate can be missing; the rest differ by activations and weights alone.
TRACED = [
    *("standard", "full_peephole", "odyssey/coupled_gates", "odyssey/gate_recurrence", "odyssey/no_output_gate"),
    *("janet", "layer_norm", "slstm", "tied_input_gate", "zoneout"),
]


def masked(x, kind="gaps"):
    """Inputs whose masked steps `keras.layers.Masking` finds."""
    return np.where(np.array(MASKS[kind], bool)[..., None], x, 0.0)


def model_of(*layers, masking=False):
    first = [keras.layers.Masking(dtype=PRECISE)] if masking else []
    model = keras.Sequential([keras.Input((None, FEATURES), dtype=PRECISE), *first, *layers])
    return randomize(model)


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("name", first_quick(ONE_EQUATION, 6))
def test_trace_equals_the_reference(name, go_backwards):
    layer = maker(name, UNITS)(return_sequences=True, dtype=PRECISE, go_backwards=go_backwards, name="lstm")
    model = model_of(layer, masking=True)
    x, mask = masked(sequences()), np.array(MASKS["gaps"], bool)
    traced = variants.trace(model, x)["lstm"]
    expected = reference(layer.get_config(), layer.get_weights(), x, mask=mask)
    np.testing.assert_array_equal(traced["mask"], mask)
    for quantity in TRACES:
        values = expected[quantity][:, ::-1] if go_backwards else expected[quantity]
        is_state = quantity.endswith("_state")
        values = values if is_state else np.where(mask[..., None], values, np.nan)
        assert traced[quantity].shape == (BATCH, STEPS, UNITS)
        np.testing.assert_allclose(traced[quantity], values, rtol=ROUND_OFF, atol=ROUND_OFF, err_msg=quantity)


@pytest.mark.parametrize("name", first_quick(NAMES, 8))
def test_hidden_states_are_the_outputs(name):
    model = model_of(maker(name, UNITS)(return_sequences=True, dtype=PRECISE, name="lstm"))
    traced = variants.trace(model, sequences())["lstm"]
    equal(traced["hidden_state"], model(sequences()))
    gate_range = traced["input_gate"] if name not in ("swapped",) else traced["input_gate"] / 2 + 0.5
    assert (gate_range >= 0).all() and (gate_range <= 1).all()


def test_finds_every_layer_of_any_model(tmp_path):
    """Functional, stacked, bidirectional, distributed over time, nested, shared, and loaded from a file."""
    inputs = keras.Input((None, FEATURES))
    shared = variants.PeepholeLSTM(UNITS, return_sequences=True, name="shared")
    x = shared(shared(keras.layers.Dense(UNITS)(inputs)))
    x = keras.layers.Bidirectional(variants.GatedLSTM(UNITS, name="lstm", return_sequences=True), name="both")(x)
    x = keras.layers.LSTM(UNITS, return_sequences=True)(x)
    nested = keras.Sequential([keras.Input((None, UNITS)), variants.SwappedLSTM(UNITS, name="inner")])
    model = keras.Model(inputs, nested(x))
    file = tmp_path / "model.keras"
    model.save(file)
    model = keras.saving.load_model(file)
    x = sequences().astype("float32")
    before = [array(weight) for weight in model.variables]
    traced = variants.trace(model, x)
    assert list(traced) == ["shared", "shared:2", "forward_lstm", "backward_lstm", "inner"]
    equal(traced["inner"]["hidden_state"][:, -1], model(x), 1e-6)
    whole = array(model.get_layer("both").forward_layer(traced["shared:2"]["hidden_state"]))
    equal(traced["forward_lstm"]["hidden_state"], whole, 1e-6)
    for weight, value in zip(model.variables, before, strict=True):
        equal(weight, value, 0)


def test_distributed_over_time():
    model = keras.Sequential(
        [keras.Input((2, STEPS, FEATURES)), keras.layers.TimeDistributed(variants.JANET(UNITS, name="janet"))]
    )
    x = np.stack([sequences(0), sequences(1)], axis=1).astype("float32")
    traced = variants.trace(model, x)
    assert list(traced) == ["janet", "janet:2"]
    for number, values in enumerate(traced.values()):
        equal(values["hidden_state"][:, -1], array(model(x))[:, number], 1e-6)


def test_a_stateful_layer_keeps_its_states():
    layer = variants.StandardLSTM(UNITS, stateful=True)
    model = randomize(keras.Sequential([keras.Input(batch_shape=(BATCH, STEPS, FEATURES)), layer]))
    x = sequences().astype("float32")
    model(x)
    states = [array(state) for state in layer.states]
    traced = variants.trace(model, x)
    for state, before in zip(layer.states, states, strict=True):
        equal(state, before, 0)
    equal(traced[layer.name]["hidden_state"][:, -1], model(x), 1e-6)


@pytest.mark.skipif(PRECISE == "float32", reason="finite differences need float64, which Keras's tanh lacks on JAX")
@pytest.mark.parametrize("name", ["standard", "peephole", "odyssey/gate_recurrence", "odyssey/no_output_gate"])
def test_state_gradients_equal_finite_differences(name):
    layer = randomize(maker(name, UNITS)(dtype="float64", return_state=True))
    inputs = keras.Input((STEPS, FEATURES), dtype="float64")
    model = keras.Model(inputs, layer(inputs)[0])
    x, y = sequences(), np.random.default_rng(8).normal(size=(BATCH, UNITS))
    norms = variants.state_gradients(model, x, y, "mean_squared_error")[layer.name]
    for t in (1, STEPS - 1):
        _, *states = layer(x[:, : t + 1])
        gradient = np.zeros((BATCH, UNITS))
        for index in np.ndindex(BATCH, UNITS):
            losses = []
            for move in (1e-6, -1e-6):
                value = array(states[0]).copy()
                value[index] += move
                losses.append(loss_of_hidden(layer, x, y, t, states, value))
            gradient[index] = (losses[0] - losses[1]) / 2e-6
        np.testing.assert_allclose(norms["hidden_state"][:, t], np.linalg.norm(gradient, axis=-1), rtol=1e-4, atol=1e-8)


def loss_of_hidden(layer, x, y, t, states, hidden):
    """The loss when the hidden state after step t is replaced, the other states kept."""
    output = hidden if t == STEPS - 1 else array(layer(x[:, t + 1 :], initial_state=[hidden, *states[1:]])[0])
    return np.mean((output - y) ** 2)


def test_cell_state_gradient_includes_the_output_of_its_step():
    """At the last step: dLoss/dc = dLoss/dh * o * (1 - tanh(c)^2), and through the peephole of the output gate."""
    layer = maker("peephole", UNITS)(dtype=PRECISE, name="lstm")
    model = model_of(layer)
    x, y = sequences(), np.zeros((BATCH, UNITS), PRECISE)
    gates = {name: value[:, -1] for name, value in variants.trace(model, x)["lstm"].items() if name != "mask"}
    norms = variants.state_gradients(model, x, y, "mean_squared_error")["lstm"]
    o, squashed = gates["output_gate"], np.tanh(gates["cell_state"])
    d_hidden = 2 * gates["hidden_state"] / gates["hidden_state"].size
    d_cell = d_hidden * (o * (1 - squashed**2) + squashed * o * (1 - o) * layer.get_weights()[5])
    np.testing.assert_allclose(norms["hidden_state"][:, -1], np.linalg.norm(d_hidden, axis=-1), rtol=1e-4)
    np.testing.assert_allclose(norms["cell_state"][:, -1], np.linalg.norm(d_cell, axis=-1), rtol=1e-4)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in TRACED else pytest.mark.slow) for n in NAMES])
def test_every_step_has_state_gradients(name):
    model = model_of(
        keras.layers.Bidirectional(maker(name, UNITS)(return_sequences=True, dtype=PRECISE), dtype=PRECISE),
        maker(name, UNITS)(dtype=PRECISE, name="last"),
        masking=True,
    )
    model.compile(loss="mean_squared_error")
    x = masked(sequences(), "right")
    for gradients in variants.state_gradients(model, x, np.ones((BATCH, UNITS), PRECISE)).values():
        for values in gradients.values():
            assert values.shape == (BATCH, STEPS)
            np.testing.assert_array_equal(np.isnan(values), ~np.array(MASKS["right"], bool))
            assert (values[~np.isnan(values)] > 0).all()


@pytest.fixture(scope="module")
def traces():
    """What a tracer, `trace` and `state_gradients` give for one model with many variants, every second one backwards.

    The tracer has been compiled before the weights changed to what they are.
    """
    inputs = keras.layers.Masking()(source := keras.Input((STEPS, FEATURES)))
    arguments = [{"name": f"lstm_{number}", "go_backwards": number % 2 == 1} for number in range(len(TRACED))]
    outputs = [maker(name, UNITS)(**chosen)(inputs) for name, chosen in zip(TRACED, arguments, strict=True)]
    model = keras.Model(source, keras.layers.Concatenate()(outputs))
    model.compile("sgd", "mean_squared_error")
    x, y = masked(sequences()).astype("float32"), np.ones((BATCH, UNITS * len(TRACED)), "float32")
    tracer = Tracer(model)
    tracer(x, y)
    randomize(model)
    return tracer, tracer(x, y), variants.trace(model, x), variants.state_gradients(model, x, y)


@pytest.mark.parametrize("name", TRACED)
def test_tracer_equals_trace_and_state_gradients(name, traces):
    """In the order of reading, for the gates that are learned or coupled."""
    tracer, tracer_arrays, trace_arrays, norms = traces
    number = TRACED.index(name)
    layer = tracer.layers[f"lstm_{number}"]
    assert list(tracer_arrays)[number] == list(trace_arrays)[number] == layer.name
    order = slice(None, None, -1 if layer.go_backwards else 1)
    arrays = tracer_arrays[layer.name]
    expected = {quantity: array[:, order] for quantity, array in trace_arrays[layer.name].items()}
    gates = gate_names(layer.cell)
    assert set(arrays) == {*gates, "cell_state", "mask", "gradient"}
    np.testing.assert_array_equal(arrays["mask"], expected["mask"])
    equal(arrays["cell_state"], expected["cell_state"], 1e-5)
    for gate in gates:
        equal(arrays[gate][arrays["mask"]], expected[gate][arrays["mask"]], 1e-5, gate)
    equal(arrays["gradient"], norms[layer.name]["cell_state"][:, order], 1e-5)


def stacked():
    """A compiled model with random weights."""
    model = model_of(variants.StandardLSTM(UNITS, return_sequences=True), variants.PeepholeLSTM(UNITS, name="second"))
    model.compile("sgd", "mean_squared_error")
    return model


def test_tracer_compiles_once_for_each_shape():
    model = stacked()
    x, y = sequences().astype("float32"), np.ones((BATCH, UNITS), "float32")
    tracer, seconds = Tracer(model), []
    for arrays in [(x, y), (x, y), (x[:, :3], y), (x[:, :3], y)]:
        tracer(*arrays)
        seconds.append(tracer.compile_s)
    compiles = keras.backend.backend() == "tensorflow"
    assert (0 < seconds[0] == seconds[1] < seconds[2] == seconds[3]) if compiles else seconds == [0] * 4


def test_tracer_weighs_the_loss_and_changes_nothing():
    model = stacked()
    x, y = sequences().astype("float32"), np.ones((BATCH, UNITS), "float32")
    before = [array(weight) for weight in model.variables]
    tracer = Tracer(model)
    both, first = tracer(x, y), tracer(x, y, np.array([3.0, 0.0, 0.0], "float32"))
    equal(first["second"]["gradient"][0], 3 * both["second"]["gradient"][0], 1e-5)
    assert not first["second"]["gradient"][1:].any()
    for weight, value in zip(model.variables, before, strict=True):
        equal(weight, value, 0)


def test_tracer_starts_from_zeros():
    layer = variants.StandardLSTM(UNITS, stateful=True)
    model = randomize(keras.Sequential([keras.Input(batch_shape=(BATCH, STEPS, FEATURES)), layer]))
    model.compile("sgd", "mean_squared_error")
    x, y = sequences().astype("float32"), np.ones((BATCH, UNITS), "float32")
    fresh = variants.trace(model, x)[layer.name]["cell_state"]
    model(x)
    carried = [array(state) for state in layer.states]
    equal(Tracer(model)(x, y)[layer.name]["cell_state"], fresh, 1e-6)
    for state, value in zip(layer.states, carried, strict=True):
        equal(state, value, 0)


@pytest.mark.parametrize("name", first_quick(["standard", "odyssey/gate_recurrence", "slstm"]))
def test_pieces_with_the_states_carried_on_equal_one_pass(name):
    """Of two layers, the second with a state of another size; the last piece is shorter."""
    layers = [
        maker(name, units)(return_sequences=True, dtype=PRECISE, name=f"lstm_{units}") for units in (UNITS, UNITS + 1)
    ]
    model, x = model_of(*layers), np.tile(sequences(), (1, 3, 1))
    whole = variants.trace(model, x)
    pieces = list(variants.trace_batches(model, (x[:, start : start + 4] for start in range(0, x.shape[1], 4)), True))
    assert list(pieces[0]) == list(whole) == [f"lstm_{UNITS}", f"lstm_{UNITS + 1}"]
    for layer, arrays in whole.items():
        for quantity, values in arrays.items():
            equal(np.concatenate([piece[layer][quantity] for piece in pieces], axis=1), values, 1e-6)


def test_batches_each_start_anew_unless_states_are_carried():
    model = stacked()
    x = sequences().astype("float32")
    for layers in variants.trace_batches(model, [x, x]):
        for layer, arrays in variants.trace(model, x).items():
            equal(layers[layer]["cell_state"], arrays["cell_state"], 1e-6)


def test_states_are_not_carried_backwards():
    model = model_of(variants.JANET(3, dtype=PRECISE, go_backwards=True, name="janet"))
    with pytest.raises(ValueError, match="`carry` must be False for layers that go backwards, as layer 'janet' does"):
        next(variants.trace_batches(model, [sequences()], carry=True))


def test_bad_input():
    without = keras.Sequential([keras.Input((None, FEATURES)), keras.layers.LSTM(3)])
    with pytest.raises(ValueError, match="`model` calls no layer of `variants`. Received: a model named 'sequential"):
        variants.trace(without, sequences())
    with pytest.raises(ValueError, match="`loss` must be given for a model that is not compiled"):
        variants.state_gradients(model_of(variants.JANET(3, dtype=PRECISE)), sequences(), np.ones((BATCH, 3)))

    with pytest.raises(ValueError, match="`model` must be compiled with a loss"):
        Tracer(model_of(variants.JANET(3, dtype=PRECISE)))(sequences(), np.ones((BATCH, 3)))


class OwnCall(variants.GatedLSTM):
    class cell_class(variants.GatedLSTMCell):  # noqa: N801
        def call(self, inputs, states, training=False):
            return super().call(inputs, states, training)


def test_a_cell_with_a_call_of_its_own():
    """The message comes out as it is, without the arguments that Keras adds."""
    model = model_of(OwnCall(3, name="own", dtype=PRECISE))
    model.compile("sgd", "mean_squared_error")
    x, y = sequences(), np.ones((BATCH, 3), PRECISE)
    for run in (
        lambda: variants.trace(model, x),
        lambda: variants.state_gradients(model, x, y),
        lambda: Tracer(model)(x, y),
    ):
        with pytest.raises(ValueError) as error:
            run()
        assert str(error.value) == "cell_class of layer 'own' has a `call` of its own"
