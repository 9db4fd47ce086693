"""Scores of units on traces whose answer is known."""

import base64

import numpy as np
import pytest

from experiments.gates.page import encode
from experiments.gates.predictions import predictions
from experiments.gates.unit_scores import (
    QUANTITIES,
    LayerTrace,
    counter_score,
    switch_score,
    symbol_numbers,
    toggle_score,
    top_units,
    two_levels,
    unit_interval,
    unit_scores,
)
from experiments.tasks import Metric, Split, Task

TIME = 500


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def symbols(random):
    return random.integers(0, 10, TIME)


def column(values):
    return np.asarray(values, "float64")[:, None]


def stretches(length):
    return column(np.arange(TIME) // length % 2)


def test_a_switch_is_shut_or_open_and_both(random):
    assert switch_score(stretches(1)) == pytest.approx(1)
    assert switch_score(stretches(25)) == pytest.approx(1)
    assert switch_score(np.full((TIME, 1), 0.99)) == switch_score(np.full((TIME, 1), 0.5)) == 0
    assert switch_score(column([0.0] + [1.0] * 9)) == pytest.approx(0.6)
    assert switch_score(random.uniform(size=(TIME, 50))).max() < 0.3


def test_gates_are_mapped_to_the_unit_interval():
    sigmoid, tanh = np.array([[0.0, 0.5, 1.0]]), np.array([[-1.0, 0.0, 1.0]])
    assert np.array_equal(unit_interval(sigmoid, (0, 1)), sigmoid)
    assert np.array_equal(unit_interval(tanh, (-1, 1)), sigmoid)


def test_two_levels_agree_with_trying_every_threshold(random):
    values = random.normal(size=(40, 6)) ** 3
    thresholds, shares = two_levels(values)
    for unit, x in enumerate(values.T):
        splits = [(x <= t, x > t) for t in np.sort(x)[:-1]]
        between = [low.mean() * high.mean() * (x[low].mean() - x[high].mean()) ** 2 for low, high in splits]
        assert shares[unit] == pytest.approx(max(between) / x.var())
        assert np.array_equal(x > thresholds[unit], splits[int(np.argmax(between))][1])
    assert two_levels(np.ones((5, 1)))[1] == 0
    assert two_levels(np.linspace(0, 1, 2000)[:, None])[1] == pytest.approx(0.75, abs=1e-3)


def test_a_toggle_holds_one_of_two_levels(random):
    noise = random.normal(size=(TIME, 50))
    assert toggle_score(stretches(25)) > 0.9
    assert toggle_score(3 - 7 * stretches(25) + 0.05 * noise[:, :1]) > 0.9
    assert toggle_score(noise).max() < 0.1
    assert toggle_score((noise > 0).astype(float)).max() < 0.3, "two levels in a random order"
    assert toggle_score(column(np.linspace(0, 1, TIME))) == 0, "a ramp has no levels"
    assert toggle_score(column(np.arange(TIME) > 10)) == 0, "left once, at the beginning"
    assert toggle_score(np.ones((TIME, 1))) == toggle_score(np.ones((1, 1))) == 0


def test_a_counter_adds_a_constant_for_each_symbol(random, symbols):
    steps = np.where(symbols < 3, 1, np.where(symbols < 6, -1, 0))
    brackets = column(np.cumsum(steps))
    assert counter_score(brackets, symbols) == pytest.approx(1)
    assert counter_score(brackets + 0.1 * random.normal(size=(TIME, 1)), symbols) > 0.9
    assert counter_score(column(np.arange(1, TIME + 1) * 0.01), symbols) == pytest.approx(1)
    assert counter_score(column(np.arange(1, TIME + 1)), np.zeros(TIME)) == pytest.approx(1)


def test_a_counter_may_be_set_back():
    lengths = np.arange(TIME) % 40
    assert counter_score(column(lengths), np.where(lengths == 0, 1, 0)) > 0.9


def test_what_is_no_counter(random, symbols):
    noise = random.normal(size=(TIME, 50))
    memory = random.normal(size=(10, 50))[symbols]
    quotes = column(np.cumsum(symbols == 3) % 2)
    brackets = column(np.where(np.isin(symbols, [3, 4]), symbols == 3, np.nan))
    for step in range(TIME):  # on from a 3 to the next 4
        if np.isnan(brackets[step, 0]):
            brackets[step] = brackets[step - 1] if step else 0
    for states in (noise, noise.cumsum(axis=0), memory, quotes, brackets, np.zeros((TIME, 1))):
        assert counter_score(states, symbols).max() < 0.3


def test_symbols_are_tokens_or_few_different_rows(random):
    assert np.array_equal(symbol_numbers(np.array([3, 1, 3])), [3, 1, 3])
    rows = symbol_numbers(np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]))
    assert rows[0] == rows[2] != rows[1]
    assert not symbol_numbers(random.normal(size=(50, 1))).any()


def test_top_units_come_with_the_steps_that_drive_them(random):
    noise = {quantity: 0.5 + 0.01 * random.normal(size=(TIME, 5)) for quantity in QUANTITIES}
    noise["forget_gate"][:, 3] = stretches(50)[:, 0]
    noise["cell_state"][:, 2] = np.arange(TIME)
    trace = LayerTrace(noise, np.zeros(TIME, int), np.arange(TIME) + 1000)
    units = top_units({"lstm_1": trace}, {"lstm_1": unit_scores(trace)})
    assert [(unit.score, unit.quantity, unit.unit) for unit in units] == [
        ("switch", "forget_gate", 3),
        ("toggle", "forget_gate", 3),
        ("counter", "cell_state", 2),
    ]
    assert units[0].steps == [1050, 1100, 1150, 1200, 1250]
    assert units[2].steps == [1000, 1499]


def test_backwards_a_counter_counts_from_the_end():
    arrays = {quantity: np.full((TIME, 1), 0.5) for quantity in QUANTITIES}
    arrays |= {"cell_state": column(np.arange(1, TIME + 1))}
    trace = LayerTrace(arrays, np.zeros(TIME), np.arange(TIME)[::-1])
    (unit,) = top_units({"back": trace}, {"back": unit_scores(trace)})
    assert (unit.score, unit.steps) == ("counter", [0, TIME - 1])


def test_switches_by_the_bounds_of_the_gates():
    arrays = {quantity: np.full((TIME, 1), 0.5) for quantity in QUANTITIES}
    arrays |= {"forget_gate": 2 * stretches(25) - 1, "output_gate": stretches(25)}
    bounds = {"input_gate": None, "forget_gate": (-1.0, 1.0)}
    scores = unit_scores(LayerTrace(arrays, np.zeros(TIME), np.arange(TIME), bounds))
    assert scores["switch"] == {"forget_gate": pytest.approx(1), "output_gate": pytest.approx(1)}
    assert set(scores["toggle"]) == set(QUANTITIES)


@pytest.mark.parametrize(
    "values, unbounded, signed, sizes",
    [
        ([0.2, 0.9], False, False, [1]),
        ([-0.2, 0.9], False, True, [1]),
        ([0.0, 3.0], False, False, [3]),
        ([0.2, -0.4], True, True, [0.4]),
        ([0.0, 0.0], True, True, [1]),
    ],
)
def test_codes_of_a_quantity(values, unbounded, signed, sizes):
    coded = encode(column([*values, np.nan]), unbounded, signed)
    low, *codes = coded["low"], *np.frombuffer(base64.b64decode(coded["data"]), "<u2")
    assert coded["sizes"] == sizes and low == (-1 if signed else 0)
    assert codes[2] == 65535
    decoded = [sizes[0] * (low + code * (1 - low) / 65534) for code in codes[:2]]
    assert decoded == pytest.approx(values, abs=sizes[0] / 65534)


def task(loss, per_step=True, labels=("a", "b")):
    part = Split(np.zeros((1, 1)), np.zeros((1, 1)))
    return Task("t", part, part, part, 2, per_step, loss, (Metric("m", "m"),), 0.0, "", labels=labels)


def test_predictions_in_words():
    sparse = task("sparse_categorical_crossentropy")
    half, sure = [0.0, 0.0], [np.log(3), 0.0]
    assert predictions(sparse, np.array([half, sure]), np.array([1, -1])) == [
        "'a' 50%, 'b' 50%; right: 'b' 50%",
        "'a' 75%, 'b' 25%",
    ]
    legal = task("binary_crossentropy")
    assert predictions(legal, np.array([[-1.0, -1.0], [1.0, 2.0]]), None) == ["nothing", "'a' 'b'"]
    numbers = task("mean_squared_error", per_step=False)
    assert predictions(numbers, np.array([0.5, 1.0]), np.array([0.25, 2.0])) == ["0.5, 1; right: 0.25, 2"]
