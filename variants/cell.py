"""The LSTM equation. Every variant of this library is this cell with other switches, or a subclass of it."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from variants.activations import STRAIGHT_THROUGH, activate
from variants.initializers import ChronoInitializer, first_biases
from variants.recurrence import hidden_product, kernel_initializer, kernel_shape
from variants.signature import check_positional, inherited_attribute, show_arguments
from variants.switches import RENAMED, Switches, pop_switches
from variants.validation import check_implementation, check_initializers, check_numbers, check_recurrent_dropout


@keras.saving.register_keras_serializable(package="gatelab")
class GatedLSTMCell(keras.layers.LSTMCell):
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
        recurrence: How gates and candidate see h: `"full"` (default), through U; `"diagonal"`, u * h with one weight
            per unit and block (IndRNN, Li et al. 2018); `"none"`, not at all (minLSTM, Feng et al. 2024).
        gate_recurrence: If True, the previous activations of the learned gates are added to each learned gate
            through full matrices (FGR). Default False. Adds a third state.
        shared_kernel: If True, the gates and the candidate share one W and one U and differ by their biases and
            peepholes only, so that without peepholes and biases i * z is sigmoid(a) * tanh(a) of one
            pre-activation a. Default False.
        peephole_gradient: If False, no gradient flows from a gate through its peephole into the cell state, as in
            Gers and Schmidhuber 2000; the peepholes themselves are trained. Default True.
        peephole_initializer: How peepholes start. Default None: as `kernel_initializer` says, as TensorFlow Addons'
            did.
        chrono_time: The former name of `bias_initializer=ChronoInitializer(chrono_time)`. Default None.
        implementation: As of `keras.layers.LSTMCell`, default 2. Here all gates come from one product, so that 1 is
            refused with dropout, of which it has a mask for each gate.
        **kwargs: The other arguments of `keras.layers.LSTMCell`, with their meaning and defaults: `use_bias`,
            `unit_forget_bias` (for a learned forget gate), `dropout`, `recurrent_dropout`, `seed`, and the
            initializers, regularizers and constraints of `kernel`, `recurrent` and `bias`. A diagonal recurrence starts
            between -1 and 1, evenly, in place of an orthogonal `recurrent_initializer`. With `ChronoInitializer` or
            `GateBiases`, `unit_forget_bias` has no effect. The gate recurrence starts from `recurrent_initializer`;
            peepholes and it follow the recurrent regularizer and constraint. All gates share a sequence's dropout mask.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`.
        states: List of h and c, each `(batch, units)`; with `gate_recurrence` also the previous activations of
            the n learned gates, `(batch, n * units)`.
        training: Whether dropout is active.

    Returns h' of shape `(batch, units)` and the list of new states.

    Weights, for n blocks (learned gates and candidate, columns in the order i, f, z, o):
        kernel `(features, n * units)`, recurrent_kernel `(units, n * units)`, bias `(n * units,)`;
        with `shared_kernel` the kernels have `units` columns. With a diagonal recurrence recurrent_kernel is a vector,
        `(n * units,)` or `(units,)`, and without recurrence there is none. Then input_peephole, forget_peephole,
        output_peephole for the learned gates, `(units,)` or `(units, units)`; then gate_recurrent_kernel
        `(g * units, g * units)` for g learned gates, rows by source, columns by target.

    Raises:
        ValueError: for an unknown value, or switches that exclude each other (coupled forget gate without an
            input gate; peepholes, gate recurrence or a shared kernel without any learned gate), for an initializer of
            weights that the cell does not have, and for `recurrent_dropout` without recurrence.

    Example:

    >>> cell = GatedLSTMCell(16, forget_gate="coupled", peephole="diagonal")
    >>> keras.layers.RNN(cell)(keras.ops.ones((2, 5, 3))).shape
    TensorShape([2, 16])
    """

    fixed: Mapping[str, Any] = {}
    """The switches to which the equation of a subclass leaves one value only, and this value."""

    not_clamped: Mapping[str, str] = {}
    """The quantities that `variants.clamped` refuses, since a number in their place means nothing, and why."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._show_arguments()

    @classmethod
    def _show_arguments(cls) -> None:
        switches = inspect.signature(Switches).parameters.values()
        inserted = [switch.replace(default=cls.fixed.get(switch.name, switch.default)) for switch in switches]
        show_arguments(cls, inserted, GatedLSTMCell)

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        check_positional(cls, args)
        return super().__new__(cls, *args, **kwargs)

    def __init__(
        self,
        units: int,
        *,
        peephole_initializer: Any = None,
        chrono_time: int | None = None,
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        if chrono_time is not None:
            kwargs["bias_initializer"] = ChronoInitializer(chrono_time, seed=kwargs.get("seed"))
        rates = {name: kwargs.get(name, 0) for name in ("dropout", "recurrent_dropout")}
        check_numbers(units, rates)
        check_implementation(implementation, rates)
        switches = pop_switches(kwargs, self.fixed, type(self).__name__.removesuffix("Cell"))
        check_recurrent_dropout(switches.recurrence, rates["recurrent_dropout"])
        super().__init__(units, **kwargs)
        self.implementation = implementation
        for name in RENAMED:
            delattr(self, name)  # Keras's defaults, whatever the activations are
        self.switches = switches
        for name, value in vars(switches).items():
            setattr(self, name, value)
        self.learned_gates = switches.learned_gates
        self.blocks = switches.blocks
        self.gate_activations = switches.gate_activations
        self.peephole_initializer = peephole_initializer and keras.initializers.get(peephole_initializer)
        check_initializers(self)
        self.dropout_mask_count = None  # one mask for all gates, so that all gates come from one product
        if self.gate_recurrence:
            self.state_size = [units, units, len(self.learned_gates) * units]

    def __getattr__(self, name: str) -> Any:
        if name in RENAMED:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}: it has {RENAMED[name]}")
        return inherited_attribute(super(), name)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        columns = self.units if self.shared_kernel else self.units * len(self.blocks)
        self.kernel = self._add("kernel", (input_shape[-1], columns), "kernel")
        start = kernel_initializer(self.recurrence, self.recurrent_initializer)
        shape = kernel_shape(self.recurrence, self.units, columns)
        self.recurrent_kernel = shape and self._add("recurrent_kernel", shape, "recurrent", start)
        bias_shape = (self.units * len(self.blocks),)
        self.bias = self._add("bias", bias_shape, "bias", self._initial_bias) if self.use_bias else None
        self.peepholes = self._add_peepholes() if self.peephole != "none" else {}
        if self.gate_recurrence:
            width = len(self.learned_gates) * self.units
            self.gate_recurrent_kernel = self._add("gate_recurrent_kernel", (width, width), "recurrent")
        self.built = True

    def _add(self, name: str, shape: tuple[int | None, ...], kind: str, initializer: Any = None) -> Any:
        """Add a weight with the initializer, unless there is another, the regularizer and the constraint of a kind."""
        return self.add_weight(
            shape=shape,
            name=name,
            initializer=initializer or getattr(self, f"{kind}_initializer"),
            regularizer=getattr(self, f"{kind}_regularizer"),
            constraint=getattr(self, f"{kind}_constraint"),
        )

    def _initial_bias(self, shape: tuple[int, ...], **kwargs: Any) -> Any:
        return first_biases(self.bias_initializer, shape, self.blocks, self.unit_forget_bias, **kwargs)

    def _add_peepholes(self) -> dict[str, Any]:
        shape = (self.units,) if self.peephole == "diagonal" else (self.units, self.units)
        initializer = self.peephole_initializer or self.kernel_initializer
        return {gate: self._add(f"{gate}_peephole", shape, "recurrent", initializer) for gate in self.learned_gates}

    def call(self, inputs: Any, states: list[Any], training: bool = False) -> tuple[Any, list[Any]]:
        hidden = states[0]
        if training and self.dropout > 0:
            inputs = inputs * self.get_dropout_mask(inputs)
        if training and self.recurrent_dropout > 0:
            hidden = hidden * self.get_recurrent_dropout_mask(hidden)
        sums = self.combine(self.input_product(inputs), self.recurrent_product([hidden, *states[1:]]))
        noise = self.noise(ops.shape(inputs)[:1]) if training else None
        return self.step(sums, states, noise)

    def input_product(self, inputs: Any) -> Any:
        """Compute what the sums owe to the input: x W, for any number of steps at once.

        From `(..., features)` to `(..., n * units)`. With a shared kernel that all blocks use alike the product is
        `(..., units)`, and so is the recurrent one.
        """
        product = ops.tensordot(inputs, self.kernel, 1)
        return product if self._is_narrow else self._for_all_blocks(product)

    def recurrent_product(self, states: list[Any]) -> Any:
        """Compute what the sums owe to the previous states through matrices, and the bias: h U + b, or u * h + b.

        From states `(..., size)`, the hidden one after dropout, to `(..., n * units)`, for any number of steps at
        once. Full peepholes of the input and the forget gate and the gate recurrence are part of it. The bias is
        here, not with the input, because there it would cost a second copy of the products of all steps.
        """
        product = self.hidden_product(states[0])
        if self._is_narrow:
            return product
        if self.bias is not None:
            product = product + ops.cast(self.bias.value, product.dtype)
        extra = self._gate_recurrence(states) if self.gate_recurrence else {}
        if self.peephole == "full":
            for gate in ("input", "forget"):
                if gate in self.learned_gates:
                    peephole = ops.tensordot(self._seen(states[1]), self.peepholes[gate].value, 1)
                    extra[gate] = extra[gate] + peephole if gate in extra else peephole
        if not extra:
            return product
        zeros = ops.zeros_like(states[1])
        return product + ops.concatenate([extra.get(block, zeros) for block in self.blocks], axis=-1)

    def hidden_product(self, hidden: Any) -> Any:
        """Compute what the sums owe to the hidden state alone, `(..., units)` to the shape of `input_product`."""
        blocks = 1 if self._is_narrow else len(self.blocks)
        return hidden_product(self.recurrence, hidden, self.recurrent_kernel, blocks)

    def _gate_recurrence(self, states: list[Any]) -> dict[str, Any]:
        product = ops.tensordot(states[2], self.gate_recurrent_kernel.value, 1)
        return dict(zip(self.learned_gates, ops.split(product, len(self.learned_gates), axis=-1), strict=True))

    @property
    def _is_narrow(self) -> bool:
        """Whether the blocks differ by what is added to one product, so that its columns need no repeating."""
        return self.shared_kernel and not self.gate_recurrence and self.peephole != "full"

    def _for_all_blocks(self, product: Any) -> Any:
        return ops.concatenate([product] * len(self.blocks), axis=-1) if self.shared_kernel else product

    def combine(self, input_product: Any, recurrent_product: Any) -> Any:
        """Compute the sums from what they owe to the input and to the previous states, here by adding."""
        return input_product + recurrent_product

    def by_block(self, sums: Any) -> dict[str, Any]:
        """Split the sums into those of the learned gates and the candidate, `(..., units)` each."""
        if not self._is_narrow:
            return dict(zip(self.blocks, ops.split(sums, len(self.blocks), axis=-1), strict=True))
        if self.bias is None:
            return dict.fromkeys(self.blocks, sums)
        biases = ops.split(self.bias, len(self.blocks))
        return {block: sums + bias for block, bias in zip(self.blocks, biases, strict=True)}

    def noise(self, shape: tuple[Any, ...]) -> Any:
        """Draw the random numbers of steps in training, `(*shape, n)`; None, as here, for a cell without any."""
        return None

    def step(self, sums: Any, states: list[Any], noise: Any = None) -> tuple[Any, list[Any]]:
        """Go from the sums of all blocks and the previous states to h' and the new states."""
        values = self.activations(sums, states)
        states = [values["hidden_state"], values["cell_state"]]
        if self.gate_recurrence:
            states.append(ops.concatenate([values[f"{gate}_gate"] for gate in self.learned_gates], axis=-1))
        return values["hidden_state"], states

    def activations(self, sums: Any, states: list[Any]) -> dict[str, Any]:
        """Compute the equation, given the sums of all blocks and the previous states, for any number of steps.

        Returns input_gate, forget_gate, output_gate, candidate, cell_state and hidden_state by name: tensors
        `(..., units)`, but for open gates, which are the number 1.
        """
        a, c = self.by_block(sums), states[1]
        i = self.intervene("input_gate", self.compute_input_gate(a, c))
        f = self.intervene("forget_gate", 1 - i if self.forget_gate == "coupled" else self.compute_gate("forget", a, c))
        z = self.intervene("candidate", activate(self.candidate_activation, a["candidate"]))
        c = self.intervene("cell_state", f * c + i * z)
        o = self.intervene("output_gate", self.compute_gate("output", a, c))
        h = o * self.compute_output(c)
        gates = {"input_gate": i, "forget_gate": f, "output_gate": o}
        return {**gates, "candidate": z, "cell_state": c, "hidden_state": h}

    def compute_gate(self, gate: str, a: dict[str, Any], c: Any) -> Any:
        """Compute s(a + peephole(c)) of a gate from the sums by block and the cell state; 1 for an open gate."""
        if gate not in self.learned_gates:
            return 1
        total = a[gate]
        if self.peephole == "diagonal":
            total = total + self.peepholes[gate].value * self._seen(c)
        elif self.peephole == "full" and gate == "output":  # the other two are part of the recurrent product
            total = total + ops.tensordot(self._seen(c), self.peepholes[gate].value, 1)
        return activate(self.gate_activations[gate], total)

    def compute_input_gate(self, a: dict[str, Any], c: Any) -> Any:
        """Compute i from the sums by block and the cell state. The hook for another input gate."""
        return self.compute_gate("input", a, c)

    def compute_output(self, c: Any) -> Any:
        """Compute s_h(c') of the new cell state. The hook for what happens to it on its way out."""
        return activate(self.output_activation, c)

    def intervene(self, quantity: str, value: Any) -> Any:
        """Pass on a value that was just computed, under its name in `activations`.

        `variants.clamped` and `variants.state_gradients` replace this while they run a layer.
        """
        return value

    def _seen(self, c: Any) -> Any:
        return c if self.peephole_gradient else ops.stop_gradient(c)

    @property
    def exact_gradient(self) -> bool:
        """Whether training follows the gradient of the equation, not one that stops or passes straight through."""
        functions = [*self.gate_activations.values(), self.candidate_activation, self.output_activation]
        return self.peephole_gradient and not set(functions) & STRAIGHT_THROUGH

    def get_config(self) -> dict[str, Any]:
        # Not by Keras's cell, which records the two activations that this one does not have.
        config = super(keras.layers.LSTMCell, self).get_config()
        names = [name for name in inspect.signature(keras.layers.LSTMCell).parameters if name not in RENAMED]
        names.remove("kwargs")
        config |= {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in names}
        peephole_initializer = self.peephole_initializer and keras.initializers.serialize(self.peephole_initializer)
        return {**config, **self.switches.get_config(), "peephole_initializer": peephole_initializer}


GatedLSTMCell._show_arguments()
