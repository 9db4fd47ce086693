"""sLSTM: exponential gates, with a normaliser and a stabiliser."""

from typing import Any

import keras
from keras import ops

from variants.activations import activate
from variants.cell import GatedLSTMCell
from variants.layers import GatedLSTM
from variants.switches import with_fixed

FIXED = {
    "input_gate": "learned",
    "forget_gate": "learned",
    "output_activation": "linear",
    "peephole": "none",
    "gate_recurrence": False,
}


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
            gate, `candidate_activation`, `shared_kernel`, `chrono_time` and those of `keras.layers.LSTMCell`.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`.
        states: List of h, c, n and m, each `(batch, units)`; all zeros at the start.

    Weights: those of the standard `GatedLSTMCell`, same order and shapes.

    Raises:
        ValueError: for a switch that the equation does not have.
    """

    def __init__(self, units: int, *, forget_activation: str = "sigmoid", **kwargs: Any) -> None:
        if forget_activation not in ("sigmoid", "exponential"):
            raise ValueError(
                "`forget_activation` must be one of sigmoid, exponential. "
                f"Received: forget_activation={forget_activation!r}"
            )
        super().__init__(units, **with_fixed(FIXED, kwargs, "SLSTM"))
        self.forget_activation = forget_activation
        self.state_size = [units] * 4

    def step(self, sums: Any, states: list[Any], noise: Any = None) -> tuple[Any, list[Any]]:
        """Go from the sums of all blocks and the previous h, c, n, m to the new ones."""
        found = self.activations(sums, states)
        new = [found[name] for name in ("hidden_state", "cell_state", "normalizer", "stabilizer")]
        return new[0], new

    def activations(self, sums: Any, states: list[Any]) -> dict[str, Any]:
        """The equation; the gates are those divided by exp(m'), at most 1."""
        _, cell, normalizer, stabilizer = states
        split = self.by_block(sums)
        log_input, log_forget = split["input"], split["forget"]
        if self.forget_activation == "sigmoid":
            log_forget = ops.log_sigmoid(log_forget)
        # The gradient through m' is zero in exact arithmetic; what it is in floating point is noise.
        new_stabilizer = ops.stop_gradient(
            ops.where(normalizer == 0, log_input, ops.maximum(log_input, log_forget + stabilizer))
        )
        input_gate = ops.exp(log_input - new_stabilizer)
        exponent = log_forget + stabilizer - new_stabilizer
        # Above 0 in the first step only. At 0, where the forget gate decides the stabiliser, the gradient is that of
        # the exponent; with `minimum` it would be half of it on JAX and torch.
        forget_gate = ops.exp(ops.where(exponent > 0, ops.zeros_like(exponent), exponent))
        candidate = activate(self.candidate_activation, split["candidate"])
        cell = self.new_cell_state(forget_gate * cell + input_gate * candidate)
        normalizer = forget_gate * normalizer + input_gate
        hidden = cell / normalizer
        found = {"input_gate": input_gate, "forget_gate": forget_gate, "candidate": candidate, "cell_state": cell}
        found |= {"normalizer": normalizer, "stabilizer": new_stabilizer}
        if "output" in self.learned_gates:
            found["output_gate"] = self._gate("output", split["output"], cell)
            hidden = found["output_gate"] * hidden
        return {**found, "hidden_state": hidden}

    def get_config(self) -> dict[str, Any]:
        config = {name: value for name, value in super().get_config().items() if name not in FIXED}
        return {**config, "forget_activation": self.forget_activation}


@keras.saving.register_keras_serializable(package="gatelab")
class SLSTM(GatedLSTM):
    """sLSTM over sequences; the equation is in `SLSTMCell`, the arguments are its and those of `GatedLSTM`."""

    cell_class = SLSTMCell
