"""The loop of a cell over a sequence: as little as possible inside it, and an exact gradient of its own.

The input products of all steps are one matrix product before the loop. Inside the loop only the recurrent product
and the pointwise step remain. Backwards, a second loop differentiates one step at a time, from the sums and states
that the first loop saved, and the gradients of the matrices are one product over all steps after it.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import keras
from keras import ops

from variants.backend import differentiable, scan, value, vjp
from variants.cell import GatedLSTMCell

Tensor = Any

# What runs the layers instead of `run`, while a tool looks inside a model: see `variants.trace`.
observed: ContextVar[Callable[..., Any] | None] = ContextVar("observed", default=None)


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
        return_sequences: Whether the outputs of all steps are wanted.
        zero_output_for_mask: Whether masked steps put out zeros instead of the previous output.

    Returns:
        The last output `(batch, units)`; the outputs `(batch, time, units)`, or the last one alone without
        `return_sequences`; the final states.
    """
    each, hidden_mask = prepare(cell, sequences, mask, True, go_backwards)
    steps = Steps(cell, return_sequences)
    if keras.backend.backend() == "tensorflow":
        hidden, final = steps.with_gradient(each, hidden_mask, list(initial_state))
    else:
        hidden, final, _ = steps.forward(each, hidden_mask, list(initial_state), steps.weights())
    last, outputs = outputs_of(hidden, final[0], each.get("keep"), zero_output_for_mask)
    return last, outputs, final


def prepare(
    cell: Any, sequences: Tensor, mask: Tensor | None, training: bool = False, go_backwards: bool = False
) -> tuple[dict[str, Tensor], Tensor | None]:
    """What each step needs, time first and in the order of reading, and the dropout mask of the hidden state.

    The first is a dict with the products of the inputs as `sums`, whose place the sums will take, and, where there
    are any, the mask as `keep`, `(time, batch, 1)`, and the random numbers of the cell as `noise`.
    """
    inputs = ops.transpose(sequences, (1, 0, 2))
    keep = None
    if mask is not None:
        mask = mask[..., None] if len(mask.shape) == 2 else mask
        keep = ops.cast(ops.transpose(mask, (1, 0, 2)), "bool")
    if go_backwards:
        inputs = ops.flip(inputs, axis=0)
        keep = None if keep is None else ops.flip(keep, axis=0)
    hidden_mask = None
    if training and cell.dropout > 0:
        inputs = inputs * cell.get_dropout_mask(inputs[0])
    if training and cell.recurrent_dropout > 0:
        hidden_mask = cell.get_recurrent_dropout_mask(ops.zeros((ops.shape(inputs)[1], cell.units), inputs.dtype))
    noise = cell.noise(ops.shape(inputs)[:2]) if training else None
    each = {"sums": cell.input_product(inputs), "keep": keep, "noise": noise}
    return {name: value for name, value in each.items() if value is not None}, hidden_mask


def outputs_of(
    hidden: Tensor | None, last: Tensor, keep: Tensor | None, zero_output_for_mask: bool
) -> tuple[Tensor, Tensor]:
    """From hidden states to outputs, which are zeros before the first step that is not masked.

    On JAX they are the initial state there, as in Keras's loop, unless masked steps put out zeros.
    """
    if keep is not None and (zero_output_for_mask or keras.backend.backend() != "jax"):
        shown = keep if zero_output_for_mask else ops.cumsum(ops.cast(keep, "int32"), axis=0) > 0
        last = ops.where(shown[-1], last, ops.zeros_like(last))
        hidden = None if hidden is None else ops.where(shown, hidden, ops.zeros_like(hidden))
    return last, last[:, None] if hidden is None else ops.transpose(hidden, (1, 0, 2))


class Steps:
    """The steps of a cell over a sequence, forwards and back, as functions of tensors."""

    def __init__(self, cell: Any, return_sequences: bool) -> None:
        self.cell = cell
        self.return_sequences = return_sequences
        self.state_count = len(cell.state_size)
        self.variables = list(cell.weights)
        self.read_by_step: set[int] = set()
        # What a step starts from besides the states: the sums where they are sums, else both of their parts.
        self.adds = type(cell).combine is GatedLSTMCell.combine
        self.parts = ("sums",) if self.adds else ("recurrent_product", "sums")

    def weights(self) -> list[Tensor]:
        """The values of the cell's variables, in the type of the computation."""
        return [value(variable) for variable in self.variables]

    def recurrent_product(self, states: list[Tensor], hidden_mask: Tensor | None, weights: list[Tensor]) -> Tensor:
        """What the sums owe to the states, after dropout, for one step or for all."""
        hidden = states[0] if hidden_mask is None else states[0] * hidden_mask
        with _Values(self.variables, weights):
            return self.cell.recurrent_product([hidden, *states[1:]])

    def step(
        self, parts: list[Tensor], states: list[Tensor], weights: list[Tensor], now: dict[str, Tensor]
    ) -> list[Tensor]:
        """The states after a step; a masked step leaves them as they are."""
        with _Values(self.variables, weights) as values:
            sums = parts[0] if self.adds else self.cell.combine(parts[1], parts[0])
            _, new = self.cell.step(sums, states, now.get("noise"))
        self.read_by_step |= values.read
        if "keep" in now:
            return [ops.where(now["keep"], after, before) for after, before in zip(new, states, strict=True)]
        return new

    def sums(self, each: dict[str, Tensor], saved: dict[str, Any]) -> Tensor:
        """The sums of all steps, after `forward`."""
        return saved["sums"] if self.adds else self.cell.combine(each["sums"], saved["recurrent_product"])

    def forward(
        self, each: dict[str, Tensor], hidden_mask: Tensor | None, initial: list[Tensor], weights: list[Tensor]
    ) -> tuple[Tensor | None, list[Tensor], dict[str, Any]]:
        """The hidden states (time first), the final states, and the first part and the states of each step's start."""

        def body(states: list[Tensor], now: dict[str, Tensor]) -> tuple[list[Tensor], Any]:
            part = self.recurrent_product(states, hidden_mask, weights)
            part = now["sums"] + part if self.adds else part
            parts = [part, *(now[name] for name in self.parts[1:])]
            return self.step(parts, states, weights, now), {self.parts[0]: part, "states": states}

        saved_once = {self.parts[0]: each["sums"][0], "states": initial}
        final, saved = scan(body, initial, each, saved_once, ahead=tuple(each))
        hidden = ops.concatenate([saved["states"][0][1:], final[0][None]]) if self.return_sequences else None
        return hidden, final, saved

    def with_gradient(
        self, each: dict[str, Tensor], hidden_mask: Tensor | None, initial: list[Tensor]
    ) -> tuple[Tensor | None, list[Tensor]]:
        """`forward` without what it saves, differentiated by `backward`."""
        rest = {name: value for name, value in each.items() if name != "sums"}

        def forward(variables: list[Tensor]) -> tuple[list[Tensor], Any]:
            product, states, weights = self._unpack(variables)
            hidden, final, saved = self.forward({"sums": product, **rest}, hidden_mask, states, weights)
            return final if hidden is None else [hidden, *final], saved

        def backward(variables: list[Tensor], saved: dict[str, Any], upstream: list[Tensor]) -> list[Any]:
            product, _, weights = self._unpack(variables)
            started = saved if self.adds else {"sums": product, **saved}
            return self.backward({**rest, **started}, hidden_mask, weights, upstream)

        outputs = differentiable(forward, backward, [each["sums"], *initial, *self.weights()])
        return (outputs[0], outputs[1:]) if self.return_sequences else (None, outputs)

    def _unpack(self, variables: list[Tensor]) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        last_state = 1 + self.state_count
        return variables[0], list(variables[1:last_state]), list(variables[last_state:])

    def backward(
        self, each: dict[str, Any], hidden_mask: Tensor | None, weights: list[Tensor], upstream: list[Tensor]
    ) -> list[Tensor | None]:
        """The gradients of the input products, the initial states and the weights.

        Args:
            each: For each step the parts and the states that it started from, and its `keep` and `noise`.
            hidden_mask: Dropout mask of the hidden state.
            weights: Values of the variables.
            upstream: Gradients of the hidden states, with `return_sequences`, and of the final states.
        """
        if self.return_sequences:
            each = {**each, "upstream": upstream[0]}
            upstream = upstream[1:]
        read = sorted(self.read_by_step)

        def body(carry: Any, now: dict[str, Any]) -> tuple[Any, dict[str, Tensor]]:
            after, totals = carry
            if self.return_sequences:
                after = [after[0] + now["upstream"], *after[1:]]
            d_parts, before, of_weights = self._step_gradient(now, weights, read, after)
            before = _add(before, self._states_gradient(now["states"], hidden_mask, weights, d_parts[0]))
            return (before, _add(totals, of_weights)), dict(zip(self.parts, d_parts, strict=True))

        zeros = [ops.zeros(weights[k].shape, _accumulator(weights[k].dtype)) for k in read]
        once = {name: each[name][0] for name in self.parts}
        carry, d_parts = scan(body, (list(upstream), zeros), each, once, reverse=True, ahead=self.parts)
        product = d_parts[self.parts[0]]
        d_weights = vjp(lambda *w: self.recurrent_product(each["states"], hidden_mask, list(w)), weights, product)
        for number, total in zip(read, carry[1], strict=True):
            total = ops.cast(total, weights[number].dtype)
            d_weights[number] = total if d_weights[number] is None else total + d_weights[number]
        return [d_parts["sums"], *carry[0], *d_weights]

    def _step_gradient(
        self, now: dict[str, Any], weights: list[Tensor], read: list[int], after: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Gradients of the parts, of the states before the step, and of the weights that the step itself reads."""
        states = now["states"]
        first, last = len(self.parts), len(self.parts) + len(states)

        def step(*given: Tensor) -> list[Tensor]:
            bound = dict(enumerate(weights)) | dict(zip(read, given[last:], strict=True))
            return self.step(list(given[:first]), list(given[first:last]), list(bound.values()), now)

        arguments = [*(now[name] for name in self.parts), *states, *(weights[k] for k in read)]
        gradients = vjp(step, arguments, after)
        gradients = [
            ops.zeros_like(a) if gradient is None else gradient
            for gradient, a in zip(gradients, arguments, strict=True)
        ]
        return gradients[:first], gradients[first:last], gradients[last:]

    def _states_gradient(
        self, states: list[Tensor], hidden_mask: Tensor | None, weights: list[Tensor], d_product: Tensor
    ) -> list[Tensor | None]:
        """Gradients of the states before the step, through the recurrent product."""
        return vjp(lambda *s: self.recurrent_product(list(s), hidden_mask, weights), states, d_product)


class _Values(keras.StatelessScope):
    """Inside, the given variables have the given values; remembers which of them were read."""

    def __init__(self, variables: list[Any], values: list[Tensor]) -> None:
        super().__init__()
        self.numbers = {id(variable): number for number, variable in enumerate(variables)}
        self.values = values
        self.read: set[int] = set()

    def get_current_value(self, variable: Any) -> Tensor | None:
        number = self.numbers.get(id(variable))
        if number is None:
            return super().get_current_value(variable)
        self.read.add(number)
        return self.values[number]


def _add(totals: list[Tensor], more: list[Tensor | None]) -> list[Tensor]:
    return [
        total if each is None else total + ops.cast(each, total.dtype) for total, each in zip(totals, more, strict=True)
    ]


def _accumulator(dtype: Any) -> str:
    name = keras.backend.standardize_dtype(dtype)
    return "float32" if name in ("float16", "bfloat16") else name
