"""JANET: the LSTM that keeps the forget gate alone."""

from typing import Any

import keras

from variants.activations import activate
from variants.cell import GatedLSTMCell
from variants.layers import GatedLSTM
from variants.switches import with_fixed

FIXED = {"input_gate": "open", "forget_gate": "learned", "output_gate": "open", "output_activation": "linear"}


@keras.saving.register_keras_serializable(package="gatelab")
class JANETCell(GatedLSTMCell):
    """One step of JANET, a forget gate and nothing else.

        a  = x W_f + h U_f + b_f
        f  = s_f(a)                          forget gate
        i  = 1 - s_f(a - beta)               what takes the place of the input gate
        z  = s_z(x W_z + h U_z + b_z)        candidate
        c' = f * c + i * z,  h' = c'

    Source: van der Westhuizen and Lasenby 2018, "The unreasonable effectiveness of the forget gate" (section 3),
    which starts the forget biases with `chrono_time`.

    Args:
        units: Positive integer, width of the state.
        beta: How much more the gate admits than it forgets, default 1.
        **kwargs: The arguments of `GatedLSTMCell`, except those that the equation fixes: `input_gate` and
            `output_gate` are open, `forget_gate` is learned, `output_activation` is linear.

    Weights: kernel `(features, 2 * units)`, recurrent_kernel `(units, 2 * units)`, bias `(2 * units,)`, columns in
    the order f, z; a forget_peephole with `peephole`, a gate_recurrent_kernel with `gate_recurrence`.

    Raises:
        ValueError: for another value of what the equation fixes.
    """

    def __init__(self, units: int, *, beta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(units, **with_fixed(FIXED, kwargs, "JANET"))
        self.beta = beta

    def activations(self, sums: Any, states: list[Any]) -> dict[str, Any]:
        """The equation; `input_gate` is what takes its place."""
        split = self.by_block(sums)
        forget_gate = self._gate("forget", split["forget"], states[1])
        input_gate = 1 - self._gate("forget", split["forget"] - self.beta, states[1])
        candidate = activate(self.candidate_activation, split["candidate"])
        cell = self.new_cell_state(forget_gate * states[1] + input_gate * candidate)
        gates = {"input_gate": input_gate, "forget_gate": forget_gate}
        return {**gates, "candidate": candidate, "cell_state": cell, "hidden_state": cell}

    def get_config(self) -> dict[str, Any]:
        config = {name: value for name, value in super().get_config().items() if name not in FIXED}
        return {**config, "beta": self.beta}


@keras.saving.register_keras_serializable(package="gatelab")
class JANET(GatedLSTM):
    """JANET over sequences; the equation is in `JANETCell`, the arguments are its and those of `GatedLSTM`."""

    cell_class = JANETCell
