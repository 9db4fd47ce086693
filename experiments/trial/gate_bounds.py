"""Ranges of the gates of a cell, from their activation functions."""

import functools
import math
from typing import Any

import numpy as np
from keras import ops

from experiments.trial.gate_statistics import Bounds
from variants import GatedLSTMCell, SLSTMCell

FAR, FARTHER = 1e4, 1e6  # pre-activations at which a function that has a range has come to its end
ROUND = 1e-3


def gate_bounds(cell: GatedLSTMCell) -> dict[str, Bounds | None]:
    """The range of each learned gate of a cell, by names such as `forget_gate`; None for one without a range.

    A coupled forget gate is learned: it is 1 - input_gate. The range is that of the activation function, which is
    evaluated far from zero, not that of the data.
    """
    bounds = {f"{gate}_gate": activation_bounds(cell.gate_activations[gate]) for gate in cell.learned_gates}
    if is_relative(cell):
        bounds |= {"input_gate": None, "forget_gate": None}
    if cell.forget_gate == "coupled":
        low_high = bounds["input_gate"]
        bounds["forget_gate"] = None if low_high is None else (1 - low_high[1], 1 - low_high[0])
    return bounds


@functools.cache
def activation_bounds(activation: Any) -> Bounds | None:
    """The ends of an activation function, rounded to 3 digits; None if it has no bounds, or is constant."""
    points = ops.convert_to_tensor(np.array([-FARTHER, -FAR, FAR, FARTHER], "float32"))
    lowest, low, high, highest = (float(value) for value in ops.convert_to_numpy(activation(points)))
    if not math.isfinite(lowest + highest) or abs(lowest - low) > ROUND or abs(highest - high) > ROUND:
        return None
    return (round(lowest, 3), round(highest, 3)) if lowest < highest else None


def is_relative(cell: GatedLSTMCell) -> bool:
    """Whether the input and the forget gate are exponentials that mean something only beside a normaliser."""
    return isinstance(cell, SLSTMCell)
