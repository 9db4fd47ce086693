"""Gates, cell states and their gradients of a model in training, from one compiled function.

What it sees is what `variants.trace` and `variants.state_gradients` give, in one pass and, once it is compiled, in a
tenth of their time or less.
"""

import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from experiments.trial.gate_bounds import Bounds, gate_bounds, is_relative
from experiments.trial.gate_statistics import LayerStatistics, layer_statistics
from variants import GatedLSTMCell
from variants.loop import Steps, observed, outputs_of, prepare

Tensor = Any


class Look:
    """Looks into the recurrent layers of a model as it is now. Nothing about the model changes, and dropout is off.

    Args:
        model: A compiled model. Layers of it that carry states start from zeros.

    Attributes:
        compile_s: Seconds that compiling has taken, which the first call does.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.compile_s = 0.0
        self.refused = ""
        self.layers: dict[str, Any] = {}
        self.bounds: dict[str, dict[str, Bounds | None]] = {}
        self.function = tf.function(self._run, autograph=False)

    def __call__(self, inputs: Any, targets: Any, weights: Any) -> dict[str, LayerStatistics]:
        """Compute the statistics of each layer, by its name as in `variants.trace`.

        Args:
            inputs: What the model is called with.
            targets: Targets of the loss.
            weights: Their weights.

        Raises:
            ValueError: if a cell has a `call` of its own.
        """
        began, compiled = time.perf_counter(), self.layers
        try:
            found = self.function(inputs, targets, weights)
        except ValueError as error:  # Keras hides what it says among the arguments of the layer
            raise ValueError(self.refused or str(error)) from error
        if self.layers is not compiled:
            self.bounds = {name: gate_bounds(layer.cell) for name, layer in self.layers.items()}
            self.compile_s += time.perf_counter() - began
        return {name: self._statistics(name, tensors) for name, tensors in found.items()}

    def _statistics(self, name: str, tensors: dict[str, Tensor]) -> LayerStatistics:
        arrays = {quantity: np.swapaxes(tensor.numpy(), 0, 1) for quantity, tensor in tensors.items()}
        remembers = "forget_gate" in self.bounds[name] and not is_relative(self.layers[name].cell)
        return layer_statistics(arrays, arrays.pop("gradient"), self.bounds[name], remembers)

    def _run(self, inputs: Any, targets: Any, weights: Any) -> dict[str, dict[str, Tensor]]:
        """By layer name, tensors by quantity, time first and in the order of reading."""
        self.layers = {}
        found: dict[str, dict[str, Tensor]] = {}

        def observer(layer: Any, sequences: Tensor, states: list[Tensor], mask: Tensor | None) -> Any:
            if type(layer.cell).call is not GatedLSTMCell.call:
                self.refused = f"{type(layer.cell).__name__} of layer {layer.name!r} has a `call` of its own"
                raise ValueError(self.refused)
            calls = sum(other is layer for other in self.layers.values())
            name = f"{layer.name}:{calls + 1}" if calls else layer.name
            self.layers[name] = layer
            states = [ops.zeros_like(state) for state in states] if layer.stateful else list(states)
            result, found[name] = _layer(layer, sequences, states, mask, tape)
            return result

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            outputs = _call(self.model, inputs, observer)
            loss = self.model.compute_loss(inputs, targets, outputs, weights)
        nudges = {name: tensors.pop("nudge") for name, tensors in found.items()}
        gradients = tape.gradient(loss, nudges, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        for name, tensors in found.items():
            norms = tf.norm(tf.cast(gradients[name], "float32"), axis=-1)
            tensors["gradient"] = tf.where(tensors["mask"], norms, np.nan)
        return found


def _call(model: keras.Model, inputs: Any, observer: Any) -> Tensor:
    token = observed.set(observer)
    try:
        with keras.StatelessScope():
            return model(inputs, training=False)
    finally:
        observed.reset(token)


def _layer(
    layer: Any, sequences: Tensor, states: list[Tensor], mask: Tensor | None, tape: tf.GradientTape
) -> tuple[Any, dict[str, Tensor]]:
    """What a layer gives back, and its gates, cell states, mask and nudges."""
    cell = layer.cell
    steps = _NudgedSteps(cell, return_sequences=True)
    each, _ = prepare(cell, sequences, mask, go_backwards=layer.go_backwards)
    shape = tf.shape(each["sums"])[:2]
    each["nudge"] = tf.zeros([*tf.unstack(shape), cell.units], layer.compute_dtype)
    tape.watch(each["nudge"])
    hidden, final, saved = steps.forward(each, None, states, steps.weights())
    with tape.stop_recording():
        gates = cell.activations(steps.sums(each, saved), saved["states"])
        if cell.forget_gate == "coupled":
            gates["forget_gate"] = 1 - gates["input_gate"]
        cells = ops.concatenate([saved["states"][1][1:], final[1][None]])
    found = {name: gates[name] for name in gate_names(cell)} | {"cell_state": cells}
    tensors = {name: tf.cast(value, "float32") for name, value in found.items()}
    keep = each["keep"][..., 0] if "keep" in each else tf.ones(shape, "bool")
    result = (*outputs_of(hidden, final[0], each.get("keep"), layer.zero_output_for_mask), final)
    return result, {**tensors, "mask": keep, "nudge": each["nudge"]}


def gate_names(cell: GatedLSTMCell) -> list[str]:
    """The gates that have a meaning of their own: the learned ones, and a coupled forget gate."""
    coupled = ["forget_gate"] if cell.forget_gate == "coupled" else []
    return [f"{gate}_gate" for gate in cell.learned_gates] + coupled


class _NudgedSteps(Steps):
    """Steps with zeros added to each new cell state, whose gradients are those of the cell state."""

    def step(
        self, parts: list[Tensor], states: list[Tensor], weights: list[Tensor], now: dict[str, Tensor]
    ) -> list[Tensor]:
        self.cell.new_cell_state = lambda cell: cell + now["nudge"]
        try:
            return super().step(parts, states, weights, now)
        finally:
            del self.cell.new_cell_state
