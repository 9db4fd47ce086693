"""The LSTM equation. Every variant of this library is this cell with other switches, or a subclass of it."""

from typing import Any

import keras
from keras import ops

from variants.activations import (
    STRAIGHT_THROUGH,
    activate,
    get_activation,
    get_gate_activations,
    serialize_activation,
)
from variants.products import Products
from variants.switches import check_switches, learned_gates, without_keras_activations
from variants.validation import check_numbers

BLOCKS = ("input", "forget", "candidate", "output")


@keras.saving.register_keras_serializable(package="gatelab")
class GatedLSTMCell(Products):
    """One step of an LSTM whose gates, activations and connections are switches.

    With x the input, h and c the previous hidden and cell state, and * the elementwise product:

        i  = s_i(x W_i + h U_i + b_i + peephole_i(c))        input gate
        f  = s_f(x W_f + h U_f + b_f + peephole_f(c))        forget gate
        z  = s_z(x W_z + h U_z + b_z)                        candidate
        c' = f * c + i * z                                   new cell state
        o  = s_o(x W_o + h U_o + b_o + peephole_o(c'))       output gate, sees the new cell state
        h' = o * s_h(c')                                     new hidden state

    The defaults are `keras.layers.LSTMCell`, with the same weights in the same order and shapes. The switches
    give every ablation of Greff et al. 2017, "LSTM: A Search Space Odyssey" (section 3, V to FGR), whose vanilla
    LSTM is `peephole="diagonal"` here.

    Args:
        units: Positive integer, width of the hidden and of the cell state.
        input_gate: `"learned"` (default) or `"open"`: i = 1, without weights (NIG).
        forget_gate: `"learned"` (default), `"open"`: f = 1, without weights (NFG; the LSTM of Hochreiter and
            Schmidhuber 1997), or `"coupled"`: f = 1 - i, without weights (CIFG).
        output_gate: `"learned"` (default) or `"open"`: o = 1, without weights (NOG).
        gate_activation: Activation of the learned gates, default `"sigmoid"`; or a dict by gate, such as
            `{"forget": "hard_sigmoid"}`, where gates that are not named keep the sigmoid. `"binary"` makes them
            switches that are 0 or 1, see `variants.activations.binary`.
        candidate_activation: s_z, default `"tanh"`; `"linear"` is NIAF.
        output_activation: s_h, default `"tanh"`; `"linear"` is NOAF.
        peephole: `"none"` (default); `"diagonal"`: peephole_g(c) = p_g * c with one weight per unit (Gers and
            Schmidhuber 2000, with the full gradient, as in Greff et al.); `"full"`: c P_g with a matrix.
        gate_recurrence: If True, the previous activations of the learned gates are added to each learned gate
            through full matrices (FGR). Default False. Adds a third state.
        shared_kernel: If True, the gates and the candidate share one W and one U and differ by their biases and
            peepholes only, so that without peepholes and biases i * z is sigmoid(a) * tanh(a) of one
            pre-activation a. Default False.
        peephole_gradient: If False, no gradient flows from a gate through its peephole into the cell state, as in
            Gers and Schmidhuber 2000; the peepholes themselves are trained. Default True.
        chrono_time: If given, the longest dependency that is expected, in steps, at least 3: biases start from
            b_f = log u, u uniform in [1, chrono_time - 1], and b_i = -b_f, the chrono initialisation of Tallec and
            Ollivier 2018, "Can recurrent neural networks warp time?". Default None: `unit_forget_bias`.
        **kwargs: The other arguments of `keras.layers.LSTMCell`, with their meaning and defaults: `use_bias`,
            `unit_forget_bias` (for a learned forget gate), `dropout`, `recurrent_dropout`, `seed`, and the
            initializers, regularizers and constraints of `kernel`, `recurrent` and `bias`. Peepholes start from
            `kernel_initializer` (as TensorFlow Addons' did), the gate recurrence from `recurrent_initializer`;
            both follow the recurrent regularizer and constraint. A dropout mask is drawn once per sequence and
            is the same for all gates.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`.
        states: List of h and c, each `(batch, units)`; with `gate_recurrence` also the previous activations of
            the n learned gates, `(batch, n * units)`.
        training: Whether dropout is active.

    Returns h' of shape `(batch, units)` and the list of new states.

    Weights, for n blocks (learned gates and candidate, columns in the order i, f, z, o):
        kernel `(features, n * units)`, recurrent_kernel `(units, n * units)`, bias `(n * units,)`;
        with `shared_kernel` the kernels have `units` columns. Then input_peephole, forget_peephole,
        output_peephole for the learned gates, `(units,)` or `(units, units)`; then gate_recurrent_kernel
        `(g * units, g * units)` for g learned gates, rows by source, columns by target.

    Raises:
        ValueError: for an unknown value, or switches that exclude each other (coupled forget gate without an
            input gate; peepholes, gate recurrence or a shared kernel without any learned gate).

    Example:

    >>> cell = GatedLSTMCell(16, forget_gate="coupled", peephole="diagonal")
    >>> keras.layers.RNN(cell)(keras.ops.ones((2, 5, 3))).shape
    TensorShape([2, 16])
    """

    def __init__(
        self,
        units: int,
        *,
        input_gate: str = "learned",
        forget_gate: str = "learned",
        output_gate: str = "learned",
        gate_activation: Any = "sigmoid",
        candidate_activation: Any = "tanh",
        output_activation: Any = "tanh",
        peephole: str = "none",
        gate_recurrence: bool = False,
        shared_kernel: bool = False,
        peephole_gradient: bool = True,
        chrono_time: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_switches(
            input_gate=input_gate,
            forget_gate=forget_gate,
            output_gate=output_gate,
            peephole=peephole,
            gate_recurrence=gate_recurrence,
            shared_kernel=shared_kernel,
            peephole_gradient=peephole_gradient,
            chrono_time=chrono_time,
        )
        check_numbers(units, {name: kwargs[name] for name in ("dropout", "recurrent_dropout") if name in kwargs})
        super().__init__(units, **without_keras_activations(kwargs))
        if chrono_time and not self.use_bias:
            raise ValueError(f"`chrono_time` sets biases. Received: chrono_time={chrono_time}, use_bias=False")
        self.input_gate = input_gate
        self.forget_gate = forget_gate
        self.output_gate = output_gate
        self.learned_gates = learned_gates(input_gate, forget_gate, output_gate)
        self.blocks = tuple(block for block in BLOCKS if block == "candidate" or block in self.learned_gates)
        self.gate_activation = gate_activation
        self.gate_activations = get_gate_activations(gate_activation, self.learned_gates)
        self.candidate_activation = get_activation("candidate_activation", candidate_activation)
        self.output_activation = get_activation("output_activation", output_activation)
        self.peephole = peephole
        self.gate_recurrence = gate_recurrence
        self.shared_kernel = shared_kernel
        self.peephole_gradient = peephole_gradient
        self.chrono_time = chrono_time
        self.dropout_mask_count = None  # one mask for all gates, so that all gates come from one product
        if gate_recurrence:
            self.state_size = [units, units, len(self.learned_gates) * units]

    def call(self, inputs: Any, states: list[Any], training: bool = False) -> tuple[Any, list[Any]]:
        hidden = states[0]
        if training and self.dropout > 0:
            inputs = inputs * self.get_dropout_mask(inputs)
        if training and self.recurrent_dropout > 0:
            hidden = hidden * self.get_recurrent_dropout_mask(hidden)
        sums = self.combine(self.input_product(inputs), self.recurrent_product([hidden, *states[1:]]))
        noise = self.noise(ops.shape(inputs)[:1]) if training else None
        return self.step(sums, states, noise)

    def combine(self, input_product: Any, recurrent_product: Any) -> Any:
        """Compute the sums from what they owe to the input and to the previous states, here by adding."""
        return input_product + recurrent_product

    def noise(self, shape: tuple[Any, ...]) -> Any:
        """Draw the random numbers of steps in training, `(*shape, n)`; None, as here, for a cell without any."""
        return None

    def step(self, sums: Any, states: list[Any], noise: Any = None) -> tuple[Any, list[Any]]:
        """Go from the sums of all blocks and the previous states to h' and the new states."""
        found = self.activations(sums, states)
        states = [found["hidden_state"], found["cell_state"]]
        if self.gate_recurrence:
            states.append(ops.concatenate([found[f"{gate}_gate"] for gate in self.learned_gates], axis=-1))
        return found["hidden_state"], states

    def activations(self, sums: Any, states: list[Any]) -> dict[str, Any]:
        """Compute the equation, given the sums of all blocks and the previous states, for any number of steps.

        Returns tensors `(..., units)` by name: input_gate, forget_gate and output_gate where they are learned,
        candidate, cell_state and hidden_state.
        """
        cell = states[1]
        split = self.by_block(sums)
        gates = {gate: self._gate(gate, split[gate], cell) for gate in self.learned_gates if gate != "output"}
        candidate = activate(self.candidate_activation, split["candidate"])
        admitted = gates["input"] * candidate if "input" in gates else candidate
        if "forget" in gates:
            cell = gates["forget"] * cell
        elif self.forget_gate == "coupled":
            cell = (1 - gates["input"]) * cell
        cell = self.new_cell_state(cell + admitted)
        hidden = self._output(cell)
        if "output" in self.learned_gates:
            gates["output"] = self._gate("output", split["output"], cell)
            hidden = gates["output"] * hidden
        named = {f"{gate}_gate": value for gate, value in gates.items()}
        return {**named, "candidate": candidate, "cell_state": cell, "hidden_state": hidden}

    def _gate(self, name: str, pre_activation: Any, cell: Any) -> Any:
        if self.peephole == "diagonal":
            pre_activation = pre_activation + self.peepholes[name].value * self._seen(cell)
        elif self.peephole == "full" and name == "output":
            pre_activation = pre_activation + ops.tensordot(self._seen(cell), self.peepholes[name].value, 1)
        return activate(self.gate_activations[name], pre_activation)

    def new_cell_state(self, cell: Any) -> Any:
        """Pass on a cell state that was just computed. `variants.state_gradients` replaces this to look inside."""
        return cell

    def _output(self, cell: Any) -> Any:
        return activate(self.output_activation, cell)

    @property
    def exact_gradient(self) -> bool:
        """Whether training follows the gradient of the equation, not one that stops or passes straight through."""
        functions = [*self.gate_activations.values(), self.candidate_activation, self.output_activation]
        return self.peephole_gradient and not set(functions) & STRAIGHT_THROUGH

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["activation"], config["recurrent_activation"]
        return {
            **config,
            "input_gate": self.input_gate,
            "forget_gate": self.forget_gate,
            "output_gate": self.output_gate,
            "gate_activation": serialize_activation(self.gate_activation),
            "candidate_activation": serialize_activation(self.candidate_activation),
            "output_activation": serialize_activation(self.output_activation),
            "peephole": self.peephole,
            "gate_recurrence": self.gate_recurrence,
            "shared_kernel": self.shared_kernel,
            "peephole_gradient": self.peephole_gradient,
            "chrono_time": self.chrono_time,
        }
