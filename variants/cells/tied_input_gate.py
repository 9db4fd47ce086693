"""An LSTM whose input gate and candidate are two functions of one sum."""

from typing import Any

import keras

from variants.activations import activate
from variants.cell import GatedLSTMCell
from variants.layers import GatedLSTM
from variants.switches import with_fixed

FIXED = {"input_gate": "open"}


@keras.saving.register_keras_serializable(package="gatelab")
class TiedInputGateLSTMCell(GatedLSTMCell):
    """One step of an LSTM whose input gate has no weights of its own.

        a  = x W_z + h U_z + b_z
        i  = sigmoid(a)                      input gate
        z  = s_z(a)                          candidate, s_z(a) = tanh(a)
        f  = s_f(x W_f + h U_f + b_f)
        c' = f * c + i * z
        o  = s_o(x W_o + h U_o + b_o)
        h' = o * s_h(c')

    What is written, i * z = sigmoid(a) tanh(a), is a function of one sum: near 0 for a < 0 and near 1 for a > 0, so
    that it can be kept out but hardly be negative (-0.21 at the least).

    Args:
        units: Positive integer, width of the state.
        **kwargs: The arguments of `GatedLSTMCell`, except `input_gate`, which the equation fixes. A coupled forget
            gate would need an input gate of its own.

    Weights: as those of `GatedLSTMCell` without an input gate.

    Raises:
        ValueError: for another value of what the equation fixes.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **with_fixed(FIXED, kwargs, "TiedInputGateLSTM"))

    def activations(self, sums: Any, states: list[Any]) -> dict[str, Any]:
        """The equation, with `input_gate` among what it returns."""
        split = self.by_block(sums)
        input_gate = keras.activations.sigmoid(split["candidate"])
        candidate = activate(self.candidate_activation, split["candidate"])
        found = {"input_gate": input_gate, "candidate": candidate}
        cell = input_gate * candidate
        if "forget" in self.learned_gates:
            found["forget_gate"] = self._gate("forget", split["forget"], states[1])
            cell = found["forget_gate"] * states[1] + cell
        else:
            cell = states[1] + cell
        cell = self.new_cell_state(cell)
        hidden = self._output(cell)
        if "output" in self.learned_gates:
            found["output_gate"] = self._gate("output", split["output"], cell)
            hidden = found["output_gate"] * hidden
        return {**found, "cell_state": cell, "hidden_state": hidden}

    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in super().get_config().items() if name not in FIXED}


@keras.saving.register_keras_serializable(package="gatelab")
class TiedInputGateLSTM(GatedLSTM):
    """That LSTM over sequences; the equation is in `TiedInputGateLSTMCell`, the arguments are its and `GatedLSTM`'s."""

    cell_class = TiedInputGateLSTMCell
