"""JANET: the LSTM that keeps the forget gate alone."""

from typing import Any

import keras

from variants.cell import GatedLSTMCell
from variants.layers import GatedLSTM


@keras.saving.register_keras_serializable(package="gatelab")
class JANETCell(GatedLSTMCell):
    """One step of JANET, a forget gate and nothing else.

        a  = x W_f + h U_f + b_f
        f  = s_f(a)                          forget gate
        i  = 1 - s_f(a - beta)               what takes the place of the input gate
        z  = s_z(x W_z + h U_z + b_z)        candidate
        c' = f * c + i * z,  h' = c'

    Source: van der Westhuizen and Lasenby 2018, "The unreasonable effectiveness of the forget gate" (section 3),
    which starts the forget biases as `variants.ChronoInitializer` does.

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

    fixed = {"input_gate": "open", "forget_gate": "learned", "output_gate": "open", "output_activation": "linear"}

    def __init__(self, units: int, *, beta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.beta = beta

    def compute_input_gate(self, a: dict[str, Any], c: Any) -> Any:
        """Compute i = 1 - s_f(a - beta)."""
        return 1 - self.compute_gate("forget", {"forget": a["forget"] - self.beta}, c)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta": self.beta}


@keras.saving.register_keras_serializable(package="gatelab")
class JANET(GatedLSTM):
    """JANET over sequences; the equation is in `JANETCell`, the arguments are its and those of `GatedLSTM`."""

    cell_class = JANETCell
