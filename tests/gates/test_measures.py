"""Measures of a layer, where they are known."""

import numpy as np
import pytest

from experiments.gates.measures import Saturation, best_units
from experiments.gates.unit_scores import GATES, QUANTITIES

SHARES = ("left_saturated", "right_saturated", "unsaturated", "mostly_shut", "mostly_open")


def test_saturation_of_gates_of_two_ranges():
    """Four units: always shut, always open, shut at half of the steps and open at the other, never at an end."""
    gate = np.array([[0.05, 0.95, 0.05, 0.5], [0.05, 0.95, 0.95, 0.5]] * 10)
    arrays = {"input_gate": gate, "forget_gate": 2 * gate - 1, "output_gate": 3 * gate, "cell_state": gate}
    saturation = Saturation({"input_gate": (0.0, 1.0), "forget_gate": (-1.0, 1.0), "output_gate": None})
    for steps in (slice(0, 3), slice(3, None)):  # pieces of different lengths
        saturation.add({name: values[steps] for name, values in arrays.items()})
    expected = dict(zip(SHARES, (0.375, 0.375, 0.25, 0.25, 0.25), strict=True))
    assert saturation.measures() == pytest.approx(
        {f"{gate}/{share}": value for gate in ("input_gate", "forget_gate") for share, value in expected.items()}
    )


def test_mostly_is_more_than_nine_steps_of_ten():
    gate = np.full((20, 2), 0.01)
    gate[:2, 0] = gate[:1, 1] = 0.5  # shut at 90 and at 95 % of the steps
    saturation = Saturation({"input_gate": (0.0, 1.0)})
    saturation.add({"input_gate": gate, "cell_state": gate})
    assert saturation.measures()["input_gate/mostly_shut"] == 0.5


def test_a_switch_is_one_within_the_range_of_its_gate():
    """A gate from -1 to 1 that goes from -0.5 to 1 is never shut."""
    traces = [{quantity: np.zeros((40, 1)) for quantity in QUANTITIES}]
    traces[0]["input_gate"] = np.tile([[-0.5], [1.0]], (20, 1))
    symbols = [np.zeros(40, int)]
    assert best_units(symbols, traces, dict.fromkeys(GATES, (-1.0, 1.0)))["switch"] == 0
    traces[0]["input_gate"] = np.tile([[-1.0], [1.0]], (20, 1))
    assert best_units(symbols, traces, dict.fromkeys(GATES, (-1.0, 1.0)))["switch"] == 1
