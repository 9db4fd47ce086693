"""An LSTM whose input gate and candidate are two functions of one sum."""

from typing import Any

import keras

from variants.cell import GatedLSTMCell
from variants.layers import GatedLSTM


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

    fixed = {"input_gate": "open"}

    def compute_input_gate(self, a: dict[str, Any], c: Any) -> Any:
        """Compute i = sigmoid(a) from the sum of the candidate."""
        return keras.activations.sigmoid(a["candidate"])


@keras.saving.register_keras_serializable(package="gatelab")
class TiedInputGateLSTM(GatedLSTM):
    """That LSTM over sequences; the equation is in `TiedInputGateLSTMCell`, the arguments are its and `GatedLSTM`'s."""

    cell_class = TiedInputGateLSTMCell
