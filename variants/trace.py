"""What happens inside the recurrent layers of a model: gates and states of every step, and the gradients of states."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from variants.backend import vjp
from variants.cell import GatedLSTMCell
from variants.loop import Steps, observed, outputs_of, prepare

Array = np.ndarray
Tensor = Any


@dataclass(frozen=True)
class Record:
    """One call of a layer: its name, the layer, and its arrays `(batch, time, ...)`."""

    name: str
    layer: Any
    arrays: dict[str, Array]


def trace(model: keras.Model, x: Any) -> dict[str, dict[str, Array]]:
    """Run a model and return the gates and states of every recurrent layer of this library in it.

    The layers may be stacked, in `keras.layers.Bidirectional` or `TimeDistributed` or any other layer or model, and
    the model may come from a file. Nothing about the model changes, and dropout is off.

    Args:
        model: A Keras model with at least one `GatedLSTM` or a subclass.
        x: What the model is called with: an array, or a list or dict of arrays. All steps of all its sequences are
            kept, six values for each unit.

    Returns:
        By layer name, in the order of the calls (`name:2` is the second call of a shared layer), the arrays
        input_gate, forget_gate, output_gate, candidate, cell_state and hidden_state, each `(batch, time, units)`,
        and mask, `(batch, time)`. What stands at time t belongs to the step that read x at t, also in layers that
        go backwards. An open gate is 1, a coupled forget gate 1 - input_gate. At masked steps the states are those
        that are carried on, gates and candidate NaN.

    Raises:
        ValueError: if the model calls no layer of this library, or one whose cell has a `call` of its own.
    """
    return {record.name: record.arrays for record in _records(model, x)}


def state_gradients(model: keras.Model, x: Any, y: Any, loss: Any = None) -> dict[str, dict[str, Array]]:
    """Compute how strongly the loss depends on the states of each step: the norms of dLoss/dh_t and dLoss/dc_t.

    The derivatives are total: h_t acts through the output of step t and through all later steps, c_t also through
    h_t. Where the norms fall towards early steps, the gradient vanishes. Dropout is off.

    Args:
        model: As in `trace`.
        x: What the model is called with.
        y: The targets.
        loss: A Keras loss or its name. Default: the loss that the model is compiled with.

    Returns:
        By layer name, as in `trace`, the arrays hidden_state and cell_state, each `(batch, time)`: the Euclidean
        norm over the units, NaN at masked steps. A loss that is a mean over the batch, as Keras's are, has
        gradients that shrink with the batch.

    Raises:
        ValueError: as `trace`, and if there is no `loss` and the model is not compiled.
    """
    if loss is None and not model.compiled:
        raise ValueError("`loss` must be given for a model that is not compiled. Received: loss=None")
    records = _records(model, x)
    shapes = [(*np.swapaxes(each.arrays["hidden_state"], 0, 1).shape,) for each in records for _ in range(2)]
    types = [each.layer.compute_dtype for each in records for _ in range(2)]
    nudges = [ops.zeros(shape, dtype) for shape, dtype in zip(shapes, types, strict=True)]
    gradients = vjp(lambda *given: _loss(model, x, y, loss, given), nudges, ops.ones((), "float32"))
    gradients = [nudge if gradient is None else gradient for gradient, nudge in zip(gradients, nudges, strict=True)]
    norms = [np.linalg.norm(_array(gradient), axis=-1) for gradient in gradients]
    return {
        record.name: {
            "hidden_state": _unmasked(_in_time(record.layer, hidden), record.arrays["mask"]),
            "cell_state": _unmasked(_in_time(record.layer, cell), record.arrays["mask"]),
        }
        for record, hidden, cell in zip(records, norms[::2], norms[1::2], strict=True)
    }


def _records(model: keras.Model, x: Any) -> list[Record]:
    records: list[Record] = []

    def record(layer: Any, sequences: Tensor, initial_state: list[Tensor], mask: Tensor | None) -> Any:
        steps = Steps(layer.cell, return_sequences=True)
        each, _ = prepare(layer.cell, sequences, mask, go_backwards=layer.go_backwards)
        hidden, final, saved = steps.forward(each, None, list(initial_state), steps.weights())
        calls = sum(earlier.layer is layer for earlier in records)
        name = f"{layer.name}:{calls + 1}" if calls else layer.name
        records.append(Record(name, layer, _arrays(layer, steps.sums(each, saved), each, saved, final)))
        return (*outputs_of(hidden, final[0], each.get("keep"), layer.zero_output_for_mask), final)

    _call(model, x, record)
    if not records:
        raise ValueError(f"`model` calls no layer of `variants`. Received: a model named {model.name!r}")
    return records


def _call(model: keras.Model, x: Any, observer: Callable[..., Any]) -> Any:
    """Call a model whose recurrent layers are run by an observer, and leave its variables as they are."""

    def checked(layer: Any, *arguments: Any) -> Any:
        if type(layer.cell).call is not GatedLSTMCell.call:
            raise ValueError(f"{type(layer.cell).__name__} of layer {layer.name!r} has a `call` of its own")
        return observer(layer, *arguments)

    token = observed.set(checked)
    try:
        with keras.StatelessScope():
            return model(x, training=False)
    finally:
        observed.reset(token)


def _arrays(
    layer: Any, sums: Tensor, each: dict[str, Tensor], saved: dict[str, Any], final: list[Tensor]
) -> dict[str, Array]:
    cell = layer.cell
    found = cell.activations(sums, saved["states"])
    ones = ops.ones_like(found["candidate"])
    coupled = 1 - found["input_gate"] if cell.forget_gate == "coupled" else ones
    gates = {
        "input_gate": found.get("input_gate", ones),
        "forget_gate": found.get("forget_gate", coupled),
        "output_gate": found.get("output_gate", ones),
        "candidate": found["candidate"],
    }
    states = {
        name: ops.concatenate([before[1:], last[None]])
        for name, before, last in zip(("hidden_state", "cell_state"), saved["states"], final, strict=False)
    }
    time, batch = ops.shape(sums)[:2]
    mask = np.ones((batch, time), bool)
    if "keep" in each:
        mask = _in_time(layer, ops.convert_to_numpy(each["keep"])[..., 0])
    arrays = {name: _in_time(layer, _array(value)) for name, value in {**gates, **states}.items()}
    unmasked = {name: _unmasked(arrays[name], mask[..., None]) for name in gates}
    return {**arrays, **unmasked, "mask": mask}


def _array(tensor: Tensor) -> Array:
    wide = keras.backend.standardize_dtype(tensor.dtype) == "float64"
    return np.asarray(ops.convert_to_numpy(tensor if wide else ops.cast(tensor, "float32")))


def _in_time(layer: Any, values: Array) -> Array:
    """From the order of reading, time first, to batch first and the order of time."""
    return np.swapaxes(values[::-1] if layer.go_backwards else values, 0, 1)


def _unmasked(values: Array, mask: Array) -> Array:
    return np.where(mask, values, np.nan).astype(values.dtype)


class _NudgedSteps(Steps):
    """Steps with something added to each new hidden and cell state: zeros, whose gradients are those of the states."""

    def step(
        self, parts: list[Tensor], states: list[Tensor], weights: list[Tensor], now: dict[str, Tensor]
    ) -> list[Tensor]:
        self.cell.new_cell_state = lambda cell: cell + now["nudge_cell"]
        try:
            hidden, *rest = super().step(parts, states, weights, now)
        finally:
            del self.cell.new_cell_state
        return [hidden + now["nudge_hidden"], *rest]


def _loss(model: keras.Model, x: Any, y: Any, loss: Any, nudges: tuple[Tensor, ...]) -> Tensor:
    pairs = iter(zip(nudges[::2], nudges[1::2], strict=True))

    def nudge(layer: Any, sequences: Tensor, initial_state: list[Tensor], mask: Tensor | None) -> Any:
        steps = _NudgedSteps(layer.cell, return_sequences=True)
        each, _ = prepare(layer.cell, sequences, mask, go_backwards=layer.go_backwards)
        each["nudge_hidden"], each["nudge_cell"] = next(pairs)
        hidden, final, _ = steps.forward(each, None, list(initial_state), steps.weights())
        return (*outputs_of(hidden, final[0], each.get("keep"), layer.zero_output_for_mask), final)

    predicted = _call(model, x, nudge)
    targets = keras.tree.map_structure(ops.convert_to_tensor, y)
    value = keras.losses.get(loss)(targets, predicted) if loss else model.compute_loss(x, targets, predicted)
    return ops.cast(ops.mean(value), "float32")  # a loss function, unlike a loss class, has a value per sequence
