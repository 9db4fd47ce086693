"""The cells with equations of their own, and the switches that change the training only, against NumPy."""

from functools import partial

import keras
import numpy as np
import pytest

import variants
from variants.testing import CHECKS, training_gradients
from variants.testing.common import (
    BATCH,
    FEATURES,
    PRECISE,
    ROUND_OFF,
    STEPS,
    array,
    equal,
    random_states,
    randomize,
    sequences,
)

UNITS = 5


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def blocks(matrix, count=4):
    return np.split(matrix, count, axis=-1)


def run(layer, step, states):
    """The hidden states of a layer beside those that a NumPy step computes from its weights."""
    x = sequences()
    output = layer(x, initial_state=states)
    states, expected = [np.asarray(state, "float64") for state in states], []
    for t in range(STEPS):
        states = step(x[:, t].astype("float64"), *states)
        expected.append(states[0])
    equal(output, np.stack(expected, axis=1), 10 * ROUND_OFF)


def make(layer_class, **arguments):
    return randomize(layer_class(UNITS, return_sequences=True, dtype=PRECISE, **arguments))


def test_layer_norm():
    layer = make(variants.LayerNormLSTM, epsilon=1e-3)
    w, u, b, gain_x, gain_h, gain_c, shift_c = layer.get_weights()

    def norm(a):
        return (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + 1e-3)

    def step(x, h, c):
        i, f, z, o = blocks(norm(x @ w) * gain_x + norm(h @ u) * gain_h + b)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
        return sigmoid(o) * np.tanh(norm(c) * gain_c + shift_c), c

    run(layer, step, random_states(layer))


def test_janet():
    layer = make(variants.JANET, beta=0.7)
    w, u, b = layer.get_weights()
    assert w.shape == (FEATURES, 2 * UNITS)

    def step(x, h, c):
        f, z = blocks(x @ w + h @ u + b, 2)
        c = sigmoid(f) * c + (1 - sigmoid(f - 0.7)) * np.tanh(z)
        return c, c

    run(layer, step, random_states(layer))


def test_tied_input_gate():
    layer = make(variants.TiedInputGateLSTM, candidate_activation="softsign")
    w, u, b = layer.get_weights()
    assert w.shape == (FEATURES, 3 * UNITS)

    def step(x, h, c):
        f, z, o = blocks(x @ w + h @ u + b, 3)
        c = sigmoid(f) * c + sigmoid(z) * z / (1 + np.abs(z))
        return sigmoid(o) * np.tanh(c), c

    run(layer, step, random_states(layer))


def test_tied_input_gate_with_open_gates():
    layer = make(variants.TiedInputGateLSTM, forget_gate="open", output_gate="open")
    w, u, b = layer.get_weights()

    def step(x, h, c):
        z = x @ w + h @ u + b
        c = c + sigmoid(z) * np.tanh(z)
        return np.tanh(c), c

    run(layer, step, random_states(layer))


@pytest.mark.parametrize("forget", ["sigmoid", "exponential"])
def test_slstm(forget):
    """Against the gates as they are, without a stabiliser."""
    layer = make(variants.SLSTM, forget_activation=forget)
    w, u, b = layer.get_weights()

    def step(x, h, c, n, m):
        i, f, z, o = blocks(x @ w + h @ u + b)
        f = sigmoid(f) if forget == "sigmoid" else np.exp(f)
        c, n = f * c + np.exp(i) * np.tanh(z), f * n + np.exp(i)
        return sigmoid(o) * c / n, c, n, m

    zeros = np.zeros((BATCH, UNITS))
    run(layer, step, [random_states(layer)[0], zeros, zeros, zeros])
    run(layer, step, [random_states(layer)[0], np.abs(random_states(layer)[1]), np.ones_like(zeros), zeros])


def test_slstm_does_not_overflow():
    layer = variants.SLSTM(UNITS, return_sequences=True)
    layer.build((BATCH, STEPS, FEATURES))
    w, u, b = layer.get_weights()
    layer.set_weights([w * 1e4, u, b])
    assert np.isfinite(array(layer(sequences().astype("float32")))).all()


def zoneout_step(layer, keep_h, keep_c):
    w, u, b = layer.get_weights()

    def step(x, h, c):
        i, f, z, o = blocks(x @ w + h @ u + b)
        new = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
        d_h, d_c = keep_h(), keep_c()
        return d_h * h + (1 - d_h) * sigmoid(o) * np.tanh(new), d_c * c + (1 - d_c) * new

    return step


def test_zoneout_expects_outside_training():
    layer = make(variants.ZoneoutLSTM, zoneout_hidden=0.1, zoneout_cell=0.4)
    run(layer, zoneout_step(layer, lambda: 0.1, lambda: 0.4), random_states(layer))


@pytest.mark.parametrize("fast_loop", [True, False])
def test_zoneout_keeps_states_in_training(fast_loop):
    layer = make(variants.ZoneoutLSTM, zoneout_hidden=0.5, zoneout_cell=0.5, fast_loop=fast_loop, seed=3)
    draws, noise = [], layer.cell.noise

    def spy(shape):
        draws.append(noise(shape))
        return draws[-1]

    layer.cell.noise = spy
    if not fast_loop and keras.backend.backend() == "jax":
        pytest.skip("Keras's loop on JAX compiles the step, and the spy sees no numbers")
    states = random_states(layer)
    output = layer(sequences(), initial_state=states, training=True)
    # Keras's loop takes a step more at the start, to see the shapes.
    keep = array(draws[0]) if fast_loop else np.stack([array(draw) for draw in draws[-STEPS:]])
    assert keep.shape == (STEPS, BATCH, 2 * UNITS) and set(np.unique(keep)) == {0, 1}
    assert (keep[0] != keep[1]).any()
    hidden, cell = map(iter, np.split(keep, 2, axis=-1))
    step, expected = zoneout_step(layer, lambda: next(hidden), lambda: next(cell)), []
    for t in range(STEPS):
        states = step(sequences()[:, t], *states)
        expected.append(states[0])
    equal(output, np.stack(expected, axis=1), 10 * ROUND_OFF)


class WeightsEverywhereCell(variants.GatedLSTMCell):
    """Reads weights of its own in `combine`, `activations` and `step`, and the recurrent kernel in a step too."""

    def build(self, input_shape):
        super().build(input_shape)
        for name in ("scale", "shift", "leak"):
            setattr(self, name, self.add_weight(shape=(1,), name=name, initializer="ones"))

    def combine(self, input_product, recurrent_product):
        return input_product + recurrent_product * self.scale.value

    def activations(self, sums, states):
        values = super().activations(sums, states)
        return {**values, "hidden_state": values["hidden_state"] + self.shift.value}

    def step(self, sums, states, noise=None):
        hidden, (_, *rest) = super().step(sums, states, noise)
        hidden = hidden + self.leak.value * states[0] * keras.ops.mean(self.recurrent_kernel.value)
        return hidden, [hidden, *rest]


class WeightsEverywhere(variants.GatedLSTM):
    cell_class = WeightsEverywhereCell


@pytest.mark.parametrize("check", ["fast loop", "gradients"])
def test_weights_that_a_step_reads_have_their_gradient(check):
    CHECKS[check](partial(WeightsEverywhere, UNITS, peephole="diagonal"))


def test_binary_gates_are_zero_or_one_and_train_as_the_sigmoid():
    a = np.array([-3.0, -0.1, 0.0, 0.1, 3.0])
    equal(variants.binary(keras.ops.convert_to_tensor(a)), [0, 0, 0, 1, 1])
    gate = keras.Sequential([keras.Input((5,)), keras.layers.EinsumDense("bi,i->bi", (5,), activation=variants.binary)])
    gate.set_weights([a])
    _, (gradient,) = training_gradients(gate, np.ones((1, 5)), np.ones((1, 5)))
    equal(gradient, sigmoid(a) * (1 - sigmoid(a)), 1e-6)


def test_truncated_peephole_gradient():
    """Finite differences of a peephole LSTM whose peepholes see the cell states of the weights before the change."""
    layer = make(variants.PeepholeLSTM, peephole_gradient=False)
    model = keras.Sequential([keras.Input((STEPS, FEATURES), dtype=PRECISE), layer])
    direction = np.random.default_rng(4).normal(size=(BATCH, STEPS, UNITS)).astype(PRECISE)
    _, gradients = training_gradients(model, sequences(), direction)
    weights = [weight.astype("float64") for weight in layer.get_weights()]
    _, cells = peephole_lstm(weights)

    def loss(number, index, move):
        moved = [weight.copy() for weight in weights]
        moved[number][index] += move
        return np.sum(peephole_lstm(moved, cells)[0] * direction)

    for number, weight in enumerate(weights):
        for index in [(0,) * weight.ndim, tuple(size - 1 for size in weight.shape)]:
            expected = (loss(number, index, 1e-6) - loss(number, index, -1e-6)) / 2e-6
            np.testing.assert_allclose(gradients[number][index], expected, rtol=1e3 * ROUND_OFF, atol=1e-6)


def peephole_lstm(weights, peephole_cells=None):
    """Hidden states, and the cell states before and after each step; the peepholes see `peephole_cells` instead."""
    w, u, b, p_i, p_f, p_o = weights
    h, c = np.zeros((BATCH, UNITS)), np.zeros((BATCH, UNITS))
    hidden, cells = [], []
    for t in range(STEPS):
        i, f, z, o = blocks(sequences()[:, t].astype("float64") @ w + h @ u + b)
        before = c if peephole_cells is None else peephole_cells[t][0]
        new = sigmoid(f + p_f * before) * c + sigmoid(i + p_i * before) * np.tanh(z)
        after = new if peephole_cells is None else peephole_cells[t][1]
        h = sigmoid(o + p_o * after) * np.tanh(new)
        hidden.append(h)
        cells.append((c, new))
        c = new
    return np.stack(hidden, axis=1), cells


@pytest.mark.parametrize(
    ("layer", "arguments", "message"),
    [
        (
            "JANET",
            {"input_gate": "learned"},
            "`input_gate` of JANET can only be 'open'. Received:.*'learned'",
        ),
        ("TiedInputGateLSTM", {"input_gate": "learned"}, "`input_gate` of TiedInputGateLSTM can only be 'open'"),
        ("TiedInputGateLSTM", {"forget_gate": "coupled"}, "needs a learned input gate"),
        ("SLSTM", {"peephole": "diagonal"}, "`peephole` of SLSTM can only be 'none'. Received: peephole='diagonal'"),
        ("SLSTM", {"forget_activation": "tanh"}, "`forget_activation` must be one of sigmoid, exponential"),
        ("LayerNormLSTM", {"peephole": "full"}, "must be one of none, diagonal. Received: peephole='full'"),
        ("LayerNormLSTM", {"shared_kernel": True}, "`shared_kernel` of LayerNormLSTM can only be False"),
        ("ZoneoutLSTM", {"zoneout_cell": 1.0}, "`zoneout_cell` must be at least 0 and less than 1"),
        ("GatedLSTM", {"peephole_gradient": False}, "there are none"),
    ],
    ids=str,
)
def test_refused(layer, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(variants, layer)(UNITS, **arguments)
