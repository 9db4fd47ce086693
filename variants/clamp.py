"""Interventions at test time: a model one of whose gates is held fixed, or shuffled over time."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from variants.backend import inlined, uniform
from variants.cell import GatedLSTMCell
from variants.layers import GatedLSTM
from variants.loop import Steps, layer_runner, mask_outputs, prepare
from variants.trace import trace

Array = np.ndarray
Tensor = Any

QUANTITIES = ("input_gate", "forget_gate", "output_gate", "candidate", "cell_state")
SHORT = {"input": "input_gate", "forget": "forget_gate", "output": "output_gate"}
ROWS = 64  # sequences of the reference that are traced at once


def clamped(
    model: keras.Model,
    layer: str,
    gate: str,
    value: Any,
    unit: int | Sequence[int] | None = None,
    *,
    x: Any = None,
    seed: int | None = None,
) -> "ClampedModel":
    """Make a model that is the given one with a gate of a recurrent layer clamped, to see what the gate is needed for.

    In the equation of the layer (see `GatedLSTMCell`) the value takes the place of what the gate computes, at every
    step, and everything that reads the gate reads the value: with i = 0 clamped, c' = f * c, and a coupled forget gate
    is 1 - i = 1. What the gate itself reads stays as it is: with a coupled forget gate f clamped, i is as computed. At
    masked steps the states stay as they are. Dropout is off.

    Args:
        model: A Keras model with layers of this library in it, trained or from a file: sequential, functional or of a
            class of its own.
        layer: The name of a recurrent layer, as `variants.trace` gives it, also of one in `keras.layers.Bidirectional`
            (`forward_...`, `backward_...`), `TimeDistributed` or another model. A layer that is called several times
            is clamped in all its calls.
        gate: input_gate, forget_gate or output_gate, or in short input, forget or output; candidate; or cell_state,
            the new one c', which the output, the output gate and the next step read.
        value: A number; an array `(units,)` with a number for each unit; `"mean"`, for each unit its mean over all
            steps of `x` that are not masked; or `"shuffled"`: what the gate computes without the clamp on the same
            input, with the steps of each sequence that are not masked in a random order, the same for all units.
        unit: The unit, or a list of the units, that are clamped, from 0. Default: all.
        x: What the mean is taken over: an input of the model, which has all steps of 64 sequences in memory at once.
        seed: Of the random orders, default 0. They depend on it and on the number of sequences and steps of a batch
            alone, so that the same batch is always shuffled alike.

    Returns:
        A new model whose weights are those of the given one, now and after further training, and so are the states of
        stateful layers. The given model is not changed and can be used beside it. Like a `keras.models.clone_model`
        the new one is not compiled: compile it with a loss and metrics before `evaluate`; `predict` and calling it
        need nothing. `clamped`, `trace` and `state_gradients` take it as any model. It cannot be trained or saved.

    Raises:
        ValueError: for a layer that the model does not have; a gate that is open, that is none, or that has no value
            of its own (sLSTM's i, f and c, which are divided by exp(m'), and zoneout's c', which is mixed); and for an
            impossible value, unit, x or seed. When it is called: if the model does not call the layer.

    Example:

    >>> shut = clamped(model, "lstm", "input_gate", 0, unit=[2, 5])
    >>> shut.predict(x)
    """
    target = _layer(model, layer)
    quantity = _quantity(target, gate)
    units = _units(target, unit)
    if (x is None) is (isinstance(value, str) and value == "mean"):
        received = "no x" if x is None else "an x"
        raise ValueError(f"`x` must be given for value='mean', and for no other. Received: value={value!r}, {received}")
    if seed is not None and not (isinstance(value, str) and value == "shuffled"):
        raise ValueError(f"`seed` must be given for value='shuffled' only. Received: value={value!r}, seed={seed!r}")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31):
        raise ValueError(f"`seed` must be an integer from 0 to 2**31 - 1. Received: seed={seed!r}")
    numbers = _numbers(target, value) if x is None else _means(model, target, quantity, x)
    return ClampedModel(model, Clamp(target, quantity, units, numbers, seed or 0))


def clampable(cell: GatedLSTMCell) -> list[str]:
    """Name the gates of a cell that `clamped` takes: those that are not open, candidate and cell_state."""
    is_open = {f"{gate}_gate": getattr(cell, f"{gate}_gate") == "open" for gate in ("input", "forget", "output")}
    # An input gate that a subclass computes from something else has no weights of its own either.
    is_open["input_gate"] &= type(cell).compute_input_gate is GatedLSTMCell.compute_input_gate
    return [quantity for quantity in QUANTITIES if not is_open.get(quantity) and quantity not in cell.not_clamped]


def mean_activations(model: keras.Model, x: Any) -> dict[str, dict[str, Array]]:
    """Compute the means of the gates and states of all recurrent layers over the steps of `x` that are not masked.

    Args:
        model: As in `trace`.
        x: As in `trace`; a model that takes any number of sequences gets 64 at once.

    Returns:
        By the names of the layers, those of all calls of a layer together, and by gate or state `(units,)`; NaN if all
        steps are masked.
    """
    rows = len(keras.tree.flatten(x)[0])
    step = ROWS if _takes_any_batch(model) else max(rows, 1)
    totals: dict[str, dict[str, Array]] = {}
    counts: dict[str, int] = {}
    for start in range(0, rows, step):
        part = keras.tree.map_structure(lambda array, start=start: array[start : start + step], x)
        for name, arrays in trace(model, part).items():
            layer, mask = re.sub(r":\d+$", "", name), arrays.pop("mask")
            counts[layer] = counts.get(layer, 0) + int(mask.sum())
            sums = {quantity: values[mask].sum(axis=0, dtype="float64") for quantity, values in arrays.items()}
            before = totals.get(layer, {})
            totals[layer] = {quantity: total + before.get(quantity, 0) for quantity, total in sums.items()}
    return {
        layer: {quantity: total / (counts[layer] or math.nan) for quantity, total in sums.items()}
        for layer, sums in totals.items()
    }


@dataclass(eq=False)
class Clamp:
    """An intervention in the steps of a layer.

    Args:
        layer: The layer.
        quantity: What is clamped, such as input_gate.
        units: `(units,)`, True for the units that are.
        value: `(units,)`, what they are clamped to; None: shuffled.
        seed: Of the random orders.

    Attributes:
        is_reached: Whether the quantity has come by.
    """

    layer: GatedLSTM
    quantity: str
    units: Array
    value: Array | None
    seed: int
    is_reached: bool = False

    def __call__(self, quantity: str, value: Tensor, now: dict[str, Tensor]) -> Tensor:
        """Give what takes the place of a value, for one step or for all."""
        if quantity != self.quantity:
            return value
        self.is_reached = True
        series = now[self._name] if self.value is None else ops.cast(self.value, value.dtype)
        return ops.where(self.units, series, value)

    def inputs(
        self, cell: GatedLSTMCell, inputs: dict[str, Tensor], initial: list[Tensor], earlier: Sequence["Clamp"]
    ) -> dict[str, Tensor]:
        """Compute what the steps read for it, `(time, batch, units)`, given the clamps that come before it."""
        if self.value is not None:
            return {}
        steps = Steps(cell, return_sequences=False, interventions=earlier)
        _, _, saved = steps.forward(inputs, None, initial, steps.weights())
        return {self._name: shuffled(steps.activations(inputs, saved)[self.quantity], inputs.get("mask"), self.seed)}

    @property
    def _name(self) -> str:
        return f"{self.quantity}_{id(self)}"


def shuffled(series: Tensor, mask: Tensor | None, seed: int) -> Tensor:
    """Bring the steps of each sequence that are not masked into a random order.

    Args:
        series: `(time, batch, units)`.
        mask: `(time, batch, 1)`, None: no step is masked.
        seed: Of the orders.
    """
    steps, batch = ops.shape(series)[:2]
    keys = uniform((steps, batch), seed)
    places = ops.broadcast_to(ops.arange(steps, dtype="float32")[:, None], (steps, batch))
    if mask is not None:  # those that are come last, in both orders at the same places
        keys, places = (ops.where(mask[..., 0], order, steps + places) for order in (keys, places))
    sources = ops.take_along_axis(ops.argsort(keys, axis=0), ops.argsort(ops.argsort(places, axis=0), axis=0), axis=0)
    return ops.take_along_axis(series, ops.broadcast_to(sources[..., None], ops.shape(series)), axis=0)


class ClampedModel(keras.Model):
    """A model with a clamp on one of its layers: see `clamped`, which makes it.

    Args:
        model: The model, whose weights it has.
        clamp: The clamp.
    """

    def __init__(self, model: keras.Model, clamp: Clamp) -> None:
        super().__init__(name=f"{model.name}_clamped", dtype=model.dtype_policy, autocast=False)
        self.model = model
        self.clamp = clamp

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """The layers of the model."""
        return self.model.layers

    def build(self, input_shape: Any = None) -> None:
        """Leave it to the model, which builds itself when it is called."""
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        if training:
            raise ValueError(f"A clamped model cannot be trained: train {self.model.name!r}. Received: training=True")
        outer = layer_runner.get()

        def run_layer(layer: Any, sequences: Tensor, initial: Any, mask: Any, clamps: Sequence[Clamp] = ()) -> Any:
            """Run a layer with the clamps of models that this one is in, and its own if it is on this layer."""
            own = (*clamps, self.clamp) if layer is self.clamp.layer else clamps
            return (outer or _run)(layer, sequences, initial, mask, own)

        self.clamp.is_reached = False
        token = layer_runner.set(run_layer)
        try:
            with inlined():  # a function compiled with the clamp in it would keep it
                outputs = self.model(inputs, training=False)
        finally:
            layer_runner.reset(token)
        if not self.clamp.is_reached:
            raise ValueError(
                f"`layer` must be one that the model calls, and whose cell passes its {self.clamp.quantity} through "
                f"`self.intervene`. Received: layer={self.clamp.layer.name!r}"
            )
        return outputs

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError(f"A clamped model cannot be saved: save {self.model.name!r}, and clamp it again")


def _run(layer: Any, sequences: Tensor, initial_state: Any, mask: Tensor | None, clamps: Sequence[Clamp]) -> Any:
    """Run a layer with its clamps, and any other one with Keras's loop."""
    if not clamps:
        token = layer_runner.set(None)
        try:
            return layer.inner_loop(sequences, initial_state, mask)
        finally:
            layer_runner.reset(token)
    inputs, _ = prepare(layer.cell, sequences, mask, go_backwards=layer.go_backwards)
    initial = list(initial_state)
    for number, clamp in enumerate(clamps):
        inputs |= clamp.inputs(layer.cell, inputs, initial, clamps[:number])
    steps = Steps(layer.cell, layer.return_sequences, clamps)
    hidden, final, _ = steps.forward(inputs, None, initial, steps.weights())
    return *mask_outputs(hidden, final[0], inputs.get("mask"), layer.zero_output_for_mask), final


def _layer(model: keras.Model, name: str) -> GatedLSTM:
    """The one recurrent layer of this name, at any depth."""
    layers = [layer for layer in model._flatten_layers(include_self=False) if isinstance(layer, GatedLSTM)]
    namesakes = [layer for layer in layers if layer.name == name]
    if len(namesakes) != 1:
        names = ", ".join(dict.fromkeys(layer.name for layer in layers)) or "none: the model has no such layer"
        several = f", which {len(namesakes)} layers are called" if namesakes else ""
        raise ValueError(
            f"`layer` must be the name of one layer of `variants`: {names}. Received: layer={name!r}{several}"
        )
    if type(namesakes[0].cell).call is not GatedLSTMCell.call:
        cell = type(namesakes[0].cell).__name__
        raise ValueError(f"`layer` must have the `call` of GatedLSTMCell. Received: layer={name!r} with {cell}'s own")
    return namesakes[0]


def _quantity(layer: GatedLSTM, gate: str) -> str:
    quantity = SHORT.get(gate, gate)
    allowed = clampable(layer.cell)
    if quantity in allowed:
        return quantity
    reason = layer.cell.not_clamped.get(quantity) or ("is open" if quantity in QUANTITIES else "is none")
    short = [*allowed, *(name for name, long in SHORT.items() if long in allowed)]
    raise ValueError(
        f"`gate` of layer {layer.name!r} must be one of {', '.join(short)}. Received: gate={gate!r}, which {reason}"
    )


def _units(layer: GatedLSTM, unit: Any) -> Array:
    """Which units are clamped, `(units,)`."""
    chosen = range(layer.units) if unit is None else list(unit) if isinstance(unit, Sequence | np.ndarray) else [unit]
    for number in chosen:
        if isinstance(number, bool) or not hasattr(number, "__index__") or not 0 <= number < layer.units:
            raise ValueError(
                f"`unit` of layer {layer.name!r} must be a number, or a list of numbers, from 0 to {layer.units - 1}. "
                f"Received: unit={unit!r}"
            )
    if not len(chosen):
        raise ValueError(f"`unit` must name a unit; None is all of them. Received: unit={unit!r}")
    return np.isin(np.arange(layer.units), list(chosen))


def _numbers(layer: GatedLSTM, value: Any) -> Array | None:
    """What the units are clamped to, `(units,)`; None if they are shuffled."""
    if isinstance(value, str) and value == "shuffled":
        return None
    try:
        numbers = np.asarray(value, "float64")
    except (TypeError, ValueError):
        numbers = np.array(math.nan)
    if isinstance(value, bool | str) or numbers.shape not in ((), (layer.units,)) or not np.isfinite(numbers).all():
        raise ValueError(
            f"`value` must be a number, {layer.units} numbers (one for each unit), 'mean' or 'shuffled'. "
            f"Received: value={value!r}"
        )
    return np.broadcast_to(numbers, layer.units)


def _means(model: keras.Model, layer: GatedLSTM, quantity: str, x: Any) -> Array:
    numbers = mean_activations(model, x).get(layer.name, {}).get(quantity)
    if numbers is None or np.isnan(numbers).any():
        raise ValueError(f"`x` must have steps that layer {layer.name!r} reads. Received: an x with none")
    return numbers


def _takes_any_batch(model: keras.Model) -> bool:
    """Whether a model can be called with any number of sequences."""
    while isinstance(model, ClampedModel):
        model = model.model
    layers = model._flatten_layers(include_self=False)
    fixed = any(tensor.shape[0] is not None for tensor in getattr(model, "inputs", None) or [])
    return not fixed and not any(getattr(layer, "stateful", False) for layer in layers)
