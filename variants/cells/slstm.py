"""sLSTM: exponential gates, with a normaliser and a stabiliser."""

from typing import Any

import keras
from keras import ops

from variants.activations import activate
from variants.cell import GatedLSTMCell
from variants.layers import GatedLSTM


@keras.saving.register_keras_serializable(package="gatelab")
class SLSTMCell(GatedLSTMCell):
    """One step of an sLSTM with one head.

    With a_i, a_f, a_z, a_o the sums x W + h U + b, n the normaliser and m the stabiliser:

        log f = log sigmoid(a_f), or a_f for an exponential forget gate
        m' = max(a_i, log f + m), and a_i in the first step
        i  = exp(a_i - m'),  f = exp(log f + m - m')          gates, divided by exp(m')
        c' = f * c + i * s_z(a_z),  n' = f * n + i
        h' = s_o(a_o) * c' / n'

    In exact arithmetic h' does not depend on m', which keeps the exponentials at most 1.
    Source: Beck et al. 2024, "xLSTM: extended long short-term memory" (section 2.2); forget gate and first step as
    in the authors' package `xlstm`, whose heads and block-diagonal recurrent kernel are not part of this cell.

    Args:
        units: Positive integer, width of the states.
        forget_activation: `"sigmoid"` (default) or `"exponential"`.
        **kwargs: The arguments of `GatedLSTMCell` that are left: `output_gate`, `gate_activation` of the output
            gate, `candidate_activation`, `shared_kernel` and those of `keras.layers.LSTMCell`.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`.
        states: List of h, c, n and m, each `(batch, units)`; all zeros at the start.

    Weights: those of the standard `GatedLSTMCell`, same order and shapes.

    Raises:
        ValueError: for a switch that the equation does not have.
    """

    fixed = {
        "input_gate": "learned",
        "forget_gate": "learned",
        "output_activation": "linear",
        "peephole": "none",
        "gate_recurrence": False,
    }
    not_clamped = dict.fromkeys(("input_gate", "forget_gate", "cell_state"), "is divided by exp(m'), which changes")

    def __init__(self, units: int, *, forget_activation: str = "sigmoid", **kwargs: Any) -> None:
        if forget_activation not in ("sigmoid", "exponential"):
            raise ValueError(
                "`forget_activation` must be one of sigmoid, exponential. "
                f"Received: forget_activation={forget_activation!r}"
            )
        super().__init__(units, **kwargs)
        self.forget_activation = forget_activation
        self.state_size = [units] * 4

    def step(self, sums: Any, states: list[Any], noise: Any = None) -> tuple[Any, list[Any]]:
        """Go from the sums of all blocks and the previous h, c, n, m to the new ones."""
        values = self.activations(sums, states)
        states = [values[name] for name in ("hidden_state", "cell_state", "normalizer", "stabilizer")]
        return states[0], states

    def activations(self, sums: Any, states: list[Any]) -> dict[str, Any]:
        """The equation; the gates are those divided by exp(m'), at most 1."""
        a, (_, c, n, m) = self.by_block(sums), states
        log_i = a["input"]
        log_f = ops.log_sigmoid(a["forget"]) if self.forget_activation == "sigmoid" else a["forget"]
        # The gradient through m' is zero in exact arithmetic; what it is in floating point is noise.
        new_m = ops.stop_gradient(ops.where(n == 0, log_i, ops.maximum(log_i, log_f + m)))
        exponent = log_f + m - new_m
        # Above 0 in the first step only. At 0, where the forget gate decides the stabiliser, the gradient is that of
        # the exponent; with `minimum` it would be half of it on JAX and torch.
        exponent = ops.where(exponent > 0, ops.zeros_like(exponent), exponent)
        i, f = ops.exp(log_i - new_m), ops.exp(exponent)
        z = self.intervene("candidate", activate(self.candidate_activation, a["candidate"]))
        c = self.intervene("cell_state", f * c + i * z)
        n = f * n + i
        o = self.intervene("output_gate", self.compute_gate("output", a, c))
        h = o * (c / n)
        gates = {"input_gate": i, "forget_gate": f, "output_gate": o}
        return {**gates, "candidate": z, "cell_state": c, "hidden_state": h, "normalizer": n, "stabilizer": new_m}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "forget_activation": self.forget_activation}


@keras.saving.register_keras_serializable(package="gatelab")
class SLSTM(GatedLSTM):
    """sLSTM over sequences; the equation is in `SLSTMCell`, the arguments are its and those of `GatedLSTM`."""

    cell_class = SLSTMCell
