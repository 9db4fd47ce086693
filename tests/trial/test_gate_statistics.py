"""Statistics of gates, once more with explicit loops, on what `variants.trace` finds in models."""

import math
import statistics

import keras
import numpy as np
import pytest

import variants
from experiments.trial.gate_bounds import activation_bounds, gate_bounds
from experiments.trial.gate_callback import trace_statistics
from experiments.trial.gate_statistics import (
    BINS,
    LONGEST,
    gate_statistics,
    gradient_by_step,
    histogram,
    saturation,
    time_scales,
)
from tests.variants.variant_files import NAMES, maker
from variants.trace import Tracer

UNITS, BATCH, STEPS, FEATURES = 5, 4, 9, 3
LENGTHS = (9, 4, 7, 1)
GATES = ("input_gate", "forget_gate", "output_gate")


def model_of(*layers, masked=False):
    inputs = keras.Input((STEPS, FEATURES), name="inputs")
    mask = keras.Input((STEPS,), dtype="bool", name="mask")
    x = inputs
    for layer in layers:
        x = layer(x, mask=mask) if masked else layer(x)
    model = keras.Model({"inputs": inputs, "mask": mask} if masked else inputs, keras.layers.Dense(2)(x))
    numbers = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(numbers.normal(size=weight.shape) * 2)  # so large that gates are saturated
    model.compile(loss="mean_squared_error")
    return model


def data(masked=False):
    numbers = np.random.default_rng(4)
    x = numbers.normal(size=(BATCH, STEPS, FEATURES)).astype("float32")
    mask = np.arange(STEPS) < np.array(LENGTHS)[:, None]
    inputs = {"inputs": x, "mask": mask} if masked else x
    return inputs, numbers.normal(size=(BATCH, 2)).astype("float32"), np.ones(BATCH, "float32")


def counted(arrays, gate, low, high):
    """Mean over units of the fractions of unmasked steps below `low` and above `high`, and the mean activation."""
    below, above, everything = [], [], []
    for unit in range(UNITS):
        values = [
            float(arrays[gate][row, step, unit])
            for row in range(BATCH)
            for step in range(STEPS)
            if arrays["mask"][row, step]
        ]
        below.append(sum(value < low for value in values) / len(values))
        above.append(sum(value > high for value in values) / len(values))
        everything += values
    return sum(below) / UNITS, sum(above) / UNITS, sum(everything) / len(everything)


def median_time_scale(arrays):
    """Median over units of 1 / (1 - mean |f|)."""
    scales = []
    for unit in range(UNITS):
        shares = [
            abs(float(arrays["forget_gate"][row, step, unit]))
            for row in range(BATCH)
            for step in range(STEPS)
            if arrays["mask"][row, step]
        ]
        forgotten = 1 - sum(shares) / len(shares)
        scales.append(min(1 / forgotten, LONGEST) if forgotten > 0 else LONGEST)
    return statistics.median(scales)


def first_to_last(norms, mask, backwards):
    first = last = 0.0
    for row in range(BATCH):
        steps = [step for step in range(STEPS) if mask[row, step]]
        steps = steps[::-1] if backwards else steps
        first, last = first + norms[row, steps[0]], last + norms[row, steps[-1]]
    return first / last


def expected(layer, arrays, gradients, shown):
    """The metrics of a layer, of the gates that are shown, with the ends of their ranges."""
    cells = [
        abs(float(arrays["cell_state"][row, step, unit]))
        for row in range(BATCH)
        for step in range(STEPS)
        for unit in range(UNITS)
        if arrays["mask"][row, step]
    ]
    metrics = {"cell_state/mean": sum(cells) / len(cells), "cell_state/largest": max(cells)}
    metrics["gradient_first_to_last"] = first_to_last(gradients["cell_state"], arrays["mask"], layer.go_backwards)
    for gate, ends in shown.items():
        low, high = ends or (math.nan, math.nan)
        left, right, mean = counted(arrays, gate, low + 0.1 * (high - low), high - 0.1 * (high - low))
        metrics[f"{gate}/mean"] = mean
        if ends:
            metrics |= {f"{gate}/left_saturated": left, f"{gate}/right_saturated": right}
    if "forget_gate" in shown and shown["forget_gate"]:
        metrics["time_scale"] = median_time_scale(arrays)
    return {f"gates/{name}": value for name, value in metrics.items()}


SHOWN = {
    "swapped": dict.fromkeys(GATES, (-1, 1)),
    "odyssey/no_input_gate": dict.fromkeys(GATES[1:], (0, 1)),
    "odyssey/no_forget_gate": dict.fromkeys(("input_gate", "output_gate"), (0, 1)),
    "odyssey/no_output_gate": dict.fromkeys(GATES[:2], (0, 1)),
    "tied_input_gate": dict.fromkeys(GATES[1:], (0, 1)),
    "janet": {"forget_gate": (0, 1)},
    "slstm": {"input_gate": None, "forget_gate": None, "output_gate": (0, 1)},
}


def check(model, inputs, targets, weights, shown):
    traces = variants.trace(model, inputs)
    gradients = variants.state_gradients(model, inputs, targets)
    tracer = Tracer(model)
    layers = trace_statistics(tracer, inputs, targets, weights)
    assert list(layers) == list(traces)
    for name, layer in layers.items():
        metrics = expected(tracer.layers[name], traces[name], gradients[name], shown)
        assert layer.metrics("gates") == pytest.approx(metrics, rel=1e-4, abs=1e-6)
    return layers


def slow_but(quick, names):
    return [pytest.param(name, marks=[] if name in quick else pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", slow_but(("swapped", "odyssey/no_input_gate", "slstm"), NAMES))
def test_metrics_of_every_variant_equal_explicit_loops(name):
    check(model_of(maker(name, UNITS)(name="lstm")), *data(), SHOWN.get(name, dict.fromkeys(GATES, (0, 1))))


@pytest.mark.slow
@pytest.mark.parametrize("name", slow_but(("odyssey/coupled_gates",), ("peephole", "odyssey/coupled_gates", "swapped")))
def test_stacked_bidirectional_layers_with_masks(name):
    first = keras.layers.Bidirectional(maker(name, UNITS)(return_sequences=True, name="lstm_1"), name="both")
    model = model_of(first, maker(name, UNITS)(name="lstm_2"), masked=True)
    layers = check(model, *data(masked=True), SHOWN.get(name, dict.fromkeys(GATES, (0, 1))))
    assert list(layers) == ["forward_lstm_1", "backward_lstm_1", "lstm_2"]
    assert all(layer.gradient.shape == (STEPS,) and np.isfinite(layer.gradient).all() for layer in layers.values())


def test_layers_that_carry_states_start_from_zeros_and_keep_what_they_have():
    inputs = keras.Input(batch_shape=(BATCH, STEPS, FEATURES))
    layer = variants.StandardLSTM(UNITS, stateful=True)
    model = keras.Model(inputs, keras.layers.Dense(2)(layer(inputs)))
    model.compile(loss="mean_squared_error")
    x, targets, weights = data()
    fresh = trace_statistics(Tracer(model), x, targets, weights)
    model(x)
    states = [np.array(state) for state in layer.states]
    again = trace_statistics(Tracer(model), x, targets, weights)
    assert again[layer.name].metrics("") == fresh[layer.name].metrics("")
    for state, before in zip(layer.states, states, strict=True):
        np.testing.assert_array_equal(np.array(state), before)
        assert before.any()


def test_weights_of_the_targets_count_in_the_gradient():
    model = model_of(variants.StandardLSTM(UNITS, name="lstm"))
    inputs, targets, weights = data()
    only_first = trace_statistics(Tracer(model), inputs, targets, np.array([1, 0, 0, 0], "float32"))["lstm"].gradient
    alone = variants.state_gradients(model, inputs[:1], targets[:1])["lstm"]["cell_state"][0]
    np.testing.assert_allclose(only_first, alone / BATCH / BATCH, rtol=1e-4)  # of a mean over 4, then over 4 rows


def test_a_trace_sees_the_weights_of_its_moment():
    model = model_of(variants.StandardLSTM(UNITS, name="lstm"))
    tracer = Tracer(model)
    before = trace_statistics(tracer, *data())
    seconds = tracer.compile_s
    model.layers[1].set_weights([weight * 0 for weight in model.layers[1].get_weights()])
    after = trace_statistics(tracer, *data())
    assert after["lstm"].gates["input_gate"].mean == pytest.approx(0.5) != before["lstm"].gates["input_gate"].mean
    assert tracer.compile_s == seconds > 0


@pytest.mark.parametrize(
    ("activation", "bounds"),
    [("sigmoid", (0, 1)), ("tanh", (-1, 1)), ("softsign", (-1, 1)), ("hard_sigmoid", (0, 1)), ("relu6", (0, 6))],
)
def test_the_range_is_that_of_the_activation(activation, bounds):
    assert activation_bounds(keras.activations.get(activation)) == bounds


@pytest.mark.parametrize("activation", ["relu", "linear", "softplus", "exponential"])
def test_activations_without_a_range(activation):
    assert activation_bounds(keras.activations.get(activation)) is None


def test_a_coupled_forget_gate_has_the_range_of_one_minus_the_input_gate():
    cell = variants.GatedLSTMCell(2, forget_gate="coupled", gate_activation={"input": "tanh", "output": "relu"})
    assert gate_bounds(cell) == {"input_gate": (-1, 1), "forget_gate": (0, 2), "output_gate": None}


def test_saturation_and_histogram_by_hand():
    values = np.array([[0.05, 0.95], [0.1, 0.9], [0.5, 1.0], [0.09, 0.2]])
    left, right = saturation(values, (0.0, 1.0))
    np.testing.assert_array_equal(left, [0.5, 0.0])
    np.testing.assert_array_equal(right, [0.0, 0.5])
    shares = histogram(values, (0.0, 1.0))
    assert shares.shape == (BINS,) and shares.sum() == pytest.approx(1)
    assert (shares[1], shares[-1]) == (0.25, 0.25)  # 0.05 and 0.09; 0.95 and 1.0
    assert gate_statistics(values, None).left is None


@pytest.mark.parametrize(
    ("forget", "steps"),
    [([0.5] * 4, 2), ([0.99] * 4, 100), ([-0.99] * 4, 100), ([0.0] * 4, 1), ([1.0] * 4, LONGEST), ([3.0] * 4, LONGEST)],
)
def test_time_scales_by_hand(forget, steps):
    assert time_scales(np.array(forget)[:, None])[0] == pytest.approx(steps)


def test_time_scale_of_a_switch_is_the_time_between_resets():
    assert time_scales(np.array([1, 1, 1, 0] * 5)[:, None])[0] == pytest.approx(4)


def test_after_a_time_scale_the_product_of_constant_gates_is_one_part_in_e():
    steps = time_scales(np.full((3, 1), 0.98))[0]
    assert 0.98**steps == pytest.approx(1 / math.e, rel=0.02)


def test_gradient_by_step_leaves_masked_steps_out():
    norms = np.array([[math.nan, 2.0, 4.0], [1.0, 3.0, math.nan], [math.nan] * 3])
    curve, ratio = gradient_by_step(norms)
    np.testing.assert_array_equal(curve, [1.0, 2.5, 4.0])
    assert ratio == pytest.approx((2 + 1) / (4 + 3))
    assert math.isnan(gradient_by_step(np.zeros((2, 3)))[1])
