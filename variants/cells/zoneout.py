"""Zoneout: an LSTM some of whose units keep their state for a step, at random."""

from typing import Any

import keras
from keras import ops

from variants.backend import uniform
from variants.cell import GatedLSTMCell
from variants.layers import GatedLSTM


@keras.saving.register_keras_serializable(package="gatelab")
class ZoneoutLSTMCell(GatedLSTMCell):
    """`GatedLSTMCell` whose states stay as they are with a given probability.

    With h~ and c~ what `GatedLSTMCell` computes from h and c, and d_h, d_c drawn anew for each unit and step:

        training:   h' = d_h * h + (1 - d_h) * h~,   d_h ~ Bernoulli(zoneout_hidden)
                    c' = d_c * c + (1 - d_c) * c~,   d_c ~ Bernoulli(zoneout_cell)
        otherwise:  the expectation, with the probabilities in place of d_h and d_c

    Source: Krueger et al. 2017, "Zoneout: regularizing RNNs by randomly preserving hidden activations" (section 3).

    Args:
        units: Positive integer, width of the hidden and of the cell state.
        zoneout_hidden: Probability that a hidden unit keeps its value, in [0, 1). Default 0.05.
        zoneout_cell: Probability that a unit of the cell state keeps its value, in [0, 1). Default 0.5.
        **kwargs: The arguments of `GatedLSTMCell`.

    Raises:
        ValueError: for a probability out of its range.
    """

    not_clamped = {"cell_state": "is mixed with the one before after the output has read it"}

    def __init__(self, units: int, *, zoneout_hidden: float = 0.05, zoneout_cell: float = 0.5, **kwargs: Any) -> None:
        for name, value in {"zoneout_hidden": zoneout_hidden, "zoneout_cell": zoneout_cell}.items():
            if not 0 <= value < 1:
                raise ValueError(f"`{name}` must be at least 0 and less than 1. Received: {name}={value!r}")
        super().__init__(units, **kwargs)
        self.zoneout_hidden = zoneout_hidden
        self.zoneout_cell = zoneout_cell

    def noise(self, shape: tuple[Any, ...]) -> Any:
        """Draw d_h and d_c, side by side: `(*shape, 2 * units)`, 1 where a unit keeps its state."""
        numbers = uniform((*shape, 2 * self.units), self.seed_generator)
        rates = ops.repeat(ops.convert_to_tensor([self.zoneout_hidden, self.zoneout_cell]), self.units)
        return ops.cast(numbers < rates, self.compute_dtype)

    def step(self, sums: Any, states: list[Any], noise: Any = None) -> tuple[Any, list[Any]]:
        """Take a step of `GatedLSTMCell` and keep a part of the states."""
        _, (hidden, cell, *rest) = super().step(sums, states)
        keep = (self.zoneout_hidden, self.zoneout_cell) if noise is None else ops.split(noise, 2, axis=-1)
        hidden = keep[0] * states[0] + (1 - keep[0]) * hidden
        cell = keep[1] * states[1] + (1 - keep[1]) * cell
        return hidden, [hidden, cell, *rest]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "zoneout_hidden": self.zoneout_hidden, "zoneout_cell": self.zoneout_cell}


@keras.saving.register_keras_serializable(package="gatelab")
class ZoneoutLSTM(GatedLSTM):
    """LSTM with zoneout over sequences; see `ZoneoutLSTMCell`, the arguments are its and those of `GatedLSTM`."""

    cell_class = ZoneoutLSTMCell
