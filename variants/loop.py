"""The loop of a cell over a sequence: as little as possible inside it, and an exact gradient of its own.

The input products of all steps are one matrix product before the loop. Inside the loop only the recurrent product
and the pointwise step remain. Backwards, a second loop differentiates one step at a time, from the sums and states
that the first loop saved, and the gradients of the matrices are one product over all steps after it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
from keras import ops, tree

from variants.backend import differentiable, scan, tensor, vjp
from variants.cell import GatedLSTMCell

Tensor = Any
# From the name of a quantity of the equation, its value and what the step reads to what takes its place.
Intervention = Callable[[str, Tensor, dict[str, Tensor]], Tensor]

# What runs the layers instead of `run`, while a tool looks inside a model: see `variants.trace` and `variants.clamp`.
layer_runner: ContextVar[Callable[..., Any] | None] = ContextVar("layer_runner", default=None)


def run(
    cell: Any,
    sequences: Tensor,
    initial_state: Sequence[Tensor],
    *,
    mask: Tensor | None = None,
    go_backwards: bool = False,
    return_sequences: bool = True,
    zero_output_for_mask: bool = False,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Run a built `GatedLSTMCell` over sequences in training, with the results of `keras.layers.RNN`.

    Args:
        cell: The cell.
        sequences: `(batch, time, features)`.
        initial_state: One tensor `(batch, size)` for each state.
        mask: `(batch, time)`; where False the states stay and the previous output is repeated.
        go_backwards: Read, and put out, the steps in reverse order.
        return_sequences: Whether to return the outputs of all steps.
        zero_output_for_mask: Whether masked steps put out zeros instead of the previous output.

    Returns:
        The last output `(batch, units)`; the outputs `(batch, time, units)`, or the last one alone without
        `return_sequences`; the final states.
    """
    inputs, dropout_mask = prepare(cell, sequences, mask, True, go_backwards)
    steps = Steps(cell, return_sequences)
    if keras.backend.backend() == "tensorflow":
        hidden, final = steps.with_gradient(inputs, dropout_mask, list(initial_state))
    else:
        hidden, final, _ = steps.forward(inputs, dropout_mask, list(initial_state), steps.weights())
    last, outputs = mask_outputs(hidden, final[0], inputs.get("mask"), zero_output_for_mask)
    return last, outputs, final


def prepare(
    cell: Any, sequences: Tensor, mask: Tensor | None, training: bool = False, go_backwards: bool = False
) -> tuple[dict[str, Tensor], Tensor | None]:
    """Compute what each step reads, time first and in the order of reading, and the dropout mask of the hidden state.

    The first is a dict with the products of the inputs as `sums`, whose place the sums will take, and, where there
    are any, the mask as `mask`, `(time, batch, 1)`, and the random numbers of the cell as `noise`.
    """
    sequences = ops.transpose(sequences, (1, 0, 2))
    if mask is not None:
        mask = mask[..., None] if len(mask.shape) == 2 else mask
        mask = ops.cast(ops.transpose(mask, (1, 0, 2)), "bool")
    if go_backwards:
        sequences = ops.flip(sequences, axis=0)
        mask = None if mask is None else ops.flip(mask, axis=0)
    dropout_mask = None
    if training and cell.dropout > 0:
        sequences = sequences * cell.get_dropout_mask(sequences[0])
    if training and cell.recurrent_dropout > 0:
        hidden_shape = (ops.shape(sequences)[1], cell.units)
        dropout_mask = cell.get_recurrent_dropout_mask(ops.zeros(hidden_shape, sequences.dtype))
    noise = cell.noise(ops.shape(sequences)[:2]) if training else None
    inputs = {"sums": cell.input_product(sequences), "mask": mask, "noise": noise}
    return {name: tensor for name, tensor in inputs.items() if tensor is not None}, dropout_mask


def mask_outputs(
    hidden: Tensor | None, last: Tensor, mask: Tensor | None, zero_output_for_mask: bool
) -> tuple[Tensor, Tensor]:
    """Go from hidden states to outputs, which are zeros before the first step that is not masked.

    On JAX they are the initial state there, as in Keras's loop, unless masked steps put out zeros.
    """
    if mask is not None and (zero_output_for_mask or keras.backend.backend() != "jax"):
        visible = mask if zero_output_for_mask else ops.cumsum(ops.cast(mask, "int32"), axis=0) > 0
        last = ops.where(visible[-1], last, ops.zeros_like(last))
        hidden = None if hidden is None else ops.where(visible, hidden, ops.zeros_like(hidden))
    return last, last[:, None] if hidden is None else ops.transpose(hidden, (1, 0, 2))


class Steps:
    """The steps of a cell over a sequence, forwards and back, as functions of tensors."""

    def __init__(self, cell: Any, return_sequences: bool, interventions: Sequence[Intervention] = ()) -> None:
        self.cell = cell
        self.return_sequences = return_sequences
        self.interventions = tuple(interventions)
        self.state_count = len(cell.state_size)
        self.variables = list(cell.weights)
        # What a step starts from besides the states: the sums where they are sums, else both of their parts.
        self.adds = type(cell).combine is GatedLSTMCell.combine
        self.parts = ("sums",) if self.adds else ("recurrent_product", "sums")

    def weights(self) -> list[Tensor]:
        """Give the values of the cell's variables, in the type of the computation."""
        return [ops.cast(tensor(variable), self.cell.compute_dtype) for variable in self.variables]

    def recurrent_product(self, states: list[Tensor], dropout_mask: Tensor | None, weights: list[Tensor]) -> Tensor:
        """Compute what the sums owe to the states, after dropout, for one step or for all."""
        hidden = states[0] if dropout_mask is None else states[0] * dropout_mask
        with _Values(self.variables, weights):
            return self.cell.recurrent_product([hidden, *states[1:]])

    def step(
        self, parts: list[Tensor], states: list[Tensor], weights: list[Tensor], now: dict[str, Tensor]
    ) -> list[Tensor]:
        """Compute the states after a step; a masked step leaves them as they are."""
        with _Values(self.variables, weights):
            return self._step(parts, states, now)

    def _step(self, parts: list[Tensor], states: list[Tensor], now: dict[str, Tensor]) -> list[Tensor]:
        sums = parts[0] if self.adds else self.cell.combine(parts[1], parts[0])
        with self._intervening(now):
            _, new = self.cell.step(sums, states, now.get("noise"))
        if "mask" in now:
            return [ops.where(now["mask"], after, before) for after, before in zip(new, states, strict=True)]
        return new

    @contextmanager
    def _intervening(self, now: dict[str, Tensor]) -> Iterator[None]:
        """Let the interventions have each quantity of the cell's equation, one after the other."""
        if not self.interventions:
            yield
            return

        def intervene(quantity: str, value: Tensor) -> Tensor:
            """Give what takes the place of a value of the equation."""
            for intervention in self.interventions:
                value = intervention(quantity, value, now)
            return value

        self.cell.intervene = intervene
        try:
            yield
        finally:
            del self.cell.intervene

    def activations(self, inputs: dict[str, Tensor], saved: dict[str, Any]) -> dict[str, Tensor]:
        """Compute the gates, the candidate and the states of all steps, after `forward`."""
        sums = saved["sums"] if self.adds else self.cell.combine(inputs["sums"], saved["recurrent_product"])
        with self._intervening(inputs):
            return self.cell.activations(sums, saved["states"])

    def forward(
        self, inputs: dict[str, Tensor], dropout_mask: Tensor | None, initial: list[Tensor], weights: list[Tensor]
    ) -> tuple[Tensor | None, list[Tensor], dict[str, Any]]:
        """Compute the hidden states (time first) and the final states; save the parts and states of each step's start.

        Args:
            inputs: What each step reads, from `prepare`.
            dropout_mask: Dropout mask of the hidden state.
            initial: The initial states.
            weights: Values of the variables.

        Returns:
            The hidden states, None without `return_sequences`; the final states; by name the first part of all
            steps, and as `states` the states before each of them.
        """

        def body(states: list[Tensor], now: dict[str, Tensor]) -> tuple[list[Tensor], Any]:
            """Go one step: the new states, and what is saved of its start."""
            part = self.recurrent_product(states, dropout_mask, weights)
            part = now["sums"] + part if self.adds else part
            parts = [part, *(now[name] for name in self.parts[1:])]
            return self.step(parts, states, weights, now), {self.parts[0]: part, "states": states}

        saved_once = {self.parts[0]: inputs["sums"][0], "states": initial}
        final, saved = scan(body, initial, inputs, saved_once, ahead=tuple(inputs))
        hidden = ops.concatenate([saved["states"][0][1:], final[0][None]]) if self.return_sequences else None
        return hidden, final, saved

    def with_gradient(
        self, inputs: dict[str, Tensor], dropout_mask: Tensor | None, initial: list[Tensor]
    ) -> tuple[Tensor | None, list[Tensor]]:
        """Compute `forward` without what it saves, differentiated by `backward`."""
        rest = {name: tensor for name, tensor in inputs.items() if name != "sums"}

        def forward(variables: list[Tensor]) -> tuple[list[Tensor], Any]:
            """Compute the outputs from the tensors that need a gradient, and what `backward` needs."""
            product, states, weights = self._unpack(variables)
            hidden, final, saved = self.forward({"sums": product, **rest}, dropout_mask, states, weights)
            return final if hidden is None else [hidden, *final], saved

        def backward(variables: list[Tensor], saved: dict[str, Any], upstream: list[Tensor]) -> list[Any]:
            """Go back through all steps, from the gradients of the outputs to those of the variables."""
            product, _, weights = self._unpack(variables)
            start = saved if self.adds else {"sums": product, **saved}
            return self.backward({**rest, **start}, dropout_mask, weights, upstream)

        outputs = differentiable(forward, backward, [inputs["sums"], *initial, *self.weights()])
        return (outputs[0], outputs[1:]) if self.return_sequences else (None, outputs)

    def _unpack(self, variables: list[Tensor]) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        last_state = 1 + self.state_count
        return variables[0], list(variables[1:last_state]), list(variables[last_state:])

    def backward(
        self, inputs: dict[str, Any], dropout_mask: Tensor | None, weights: list[Tensor], upstream: list[Tensor]
    ) -> list[Tensor | None]:
        """Compute the gradients of the input products, the initial states and the weights.

        Weights of the recurrent product get theirs from one product over all steps after the loop. Those that a step
        reads itself, such as diagonal peepholes, are summed up in it; a weight may be both.

        Args:
            inputs: For each step the parts and the states that it started from, its mask and its noise.
            dropout_mask: Dropout mask of the hidden state.
            weights: Values of the variables.
            upstream: Gradients of the hidden states, with `return_sequences`, and of the final states.
        """
        numbers = self._numbers_of_step_weights(inputs, weights)
        if self.return_sequences:
            inputs = {**inputs, "upstream": upstream[0]}
            upstream = upstream[1:]

        def body(carry: Any, now: dict[str, Any]) -> tuple[Any, dict[str, Tensor]]:
            """Go one step back: the gradients before it, and those of its parts."""
            after, totals = carry
            if self.return_sequences:
                after = [after[0] + now["upstream"], *after[1:]]
            d_parts, before, d_weights = self._step_gradient(now, weights, numbers, after)
            through_product = vjp(
                lambda *s: self.recurrent_product(list(s), dropout_mask, weights), now["states"], d_parts[0]
            )
            return (_add(before, through_product), _add(totals, d_weights)), dict(zip(self.parts, d_parts, strict=True))

        zeros = [ops.zeros(weights[number].shape, _accumulator(weights[number].dtype)) for number in numbers]
        once = {name: inputs[name][0] for name in self.parts}
        carry, d_parts = scan(body, (list(upstream), zeros), inputs, once, reverse=True, ahead=self.parts)
        d_product = d_parts[self.parts[0]]
        d_weights = vjp(lambda *w: self.recurrent_product(inputs["states"], dropout_mask, list(w)), weights, d_product)
        for number, total in zip(numbers, carry[1], strict=True):
            total = ops.cast(total, weights[number].dtype)
            d_weights[number] = total if d_weights[number] is None else total + d_weights[number]
        return [d_parts["sums"], *carry[0], *d_weights]

    def _numbers_of_step_weights(self, inputs: dict[str, Any], weights: list[Tensor]) -> list[int]:
        """Find the weights that a step reads besides those of the recurrent product, by their numbers.

        From one step whose result nobody uses, so that compiled code leaves it out: whatever a subclass reads is
        among them.
        """
        first = tree.map_structure(lambda tensor: tensor[0], inputs)
        with _Values(self.variables, weights) as values:
            self._step([first[name] for name in self.parts], first["states"], first)
        return sorted(values.read)

    def _step_gradient(
        self, now: dict[str, Any], weights: list[Tensor], numbers: list[int], after: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Compute the gradients of the parts, of the states before the step, and of the weights with these numbers."""
        states = now["states"]
        first, last = len(self.parts), len(self.parts) + len(states)

        def step(*arguments: Tensor) -> list[Tensor]:
            """Take the step with parts, states and weights as arguments, so that it has a gradient for each."""
            bound = dict(enumerate(weights)) | dict(zip(numbers, arguments[last:], strict=True))
            return self.step(list(arguments[:first]), list(arguments[first:last]), list(bound.values()), now)

        arguments = [*(now[name] for name in self.parts), *states, *(weights[number] for number in numbers)]
        gradients = [
            ops.zeros_like(argument) if gradient is None else gradient
            for gradient, argument in zip(vjp(step, arguments, after), arguments, strict=True)
        ]
        return gradients[:first], gradients[first:last], gradients[last:]


class _Values(keras.StatelessScope):
    """Inside, variables have other values; remembers the numbers of those that were read.

    Only a variable's `.value` is replaced with the value as it is. An operation on the variable itself would cast it
    to the variable's own type, since the gradient of a loop runs outside of the layer's autocast scope.
    """

    def __init__(self, variables: list[Any], values: list[Tensor]) -> None:
        super().__init__()
        self.numbers = {id(variable): number for number, variable in enumerate(variables)}
        self.values = values
        self.read: set[int] = set()

    def get_current_value(self, variable: Any) -> Tensor | None:
        """Give the value that takes the place of a variable's own. The hook of Keras's scope."""
        number = self.numbers.get(id(variable))
        if number is None:
            return super().get_current_value(variable)
        self.read.add(number)
        return self.values[number]


def _add(totals: list[Tensor], more: list[Tensor | None]) -> list[Tensor]:
    return [
        total if addend is None else total + ops.cast(addend, total.dtype)
        for total, addend in zip(totals, more, strict=True)
    ]


def _accumulator(dtype: Any) -> str:
    name = keras.backend.standardize_dtype(dtype)
    return "float32" if name in ("float16", "bfloat16") else name
