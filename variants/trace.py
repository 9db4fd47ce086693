"""What happens inside the recurrent layers of a model: gates and states of every step, and the gradients of states."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops

from variants.backend import Tap, compilations, compiled, inlined, tap_gradients
from variants.cell import GatedLSTMCell
from variants.loop import Intervention, Steps, layer_runner, mask_outputs, prepare

Array = np.ndarray
Tensor = Any

ACTIVATIONS = ("input_gate", "forget_gate", "output_gate", "candidate")
STATES = ("hidden_state", "cell_state")


def trace(model: keras.Model, x: Any) -> dict[str, dict[str, Array]]:
    """Run a model and return the gates and states of every recurrent layer of this library in it.

    The layers may be stacked, in `keras.layers.Bidirectional` or `TimeDistributed` or any other layer or model, and
    the model may come from a file. Nothing about the model changes, and dropout is off.

    Args:
        model: A Keras model with at least one `GatedLSTM` or a subclass.
        x: What the model is called with: an array, or a list or dict of arrays. All steps of all its sequences stay
            in memory, six values for each unit.

    Returns:
        By layer name, in the order of the calls (`name:2` is the second call of a shared layer), the arrays
        input_gate, forget_gate, output_gate, candidate, cell_state and hidden_state, each `(batch, time, units)`,
        and mask, `(batch, time)`. What stands at time t belongs to the step that read x at t, also in layers that
        go backwards. An open gate is 1, a coupled forget gate 1 - input_gate. At masked steps the states are those
        that are carried on, gates and candidate NaN.

    Raises:
        ValueError: if the model calls no layer of this library, or one whose cell has a `call` of its own.
    """
    traces = Pass()
    traces.call(model, x)
    return layer_arrays(traces.layers, traces.tensors)


def layer_arrays(layers: Mapping[str, Any], tensors: Mapping[str, Any]) -> dict[str, dict[str, Array]]:
    """From the tensors of a pass to the arrays of `trace`."""
    arrays = {}
    for name, layer in layers.items():
        quantities = (*ACTIVATIONS, *STATES, "mask")
        arrays[name] = {quantity: _in_time(layer, tensors[name][quantity]) for quantity in quantities}
        for quantity in ACTIVATIONS:
            arrays[name][quantity] = _unmasked(arrays[name][quantity], arrays[name]["mask"][..., None])
    return arrays


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
    targets = keras.tree.map_structure(ops.convert_to_tensor, y)

    def compute_loss(outputs: Tensor) -> Tensor:
        """The named loss, or the one that the model was compiled with."""
        return keras.losses.get(loss)(targets, outputs) if loss else model.compute_loss(x, targets, outputs)

    layers, traces = _differentiate(model, x, compute_loss, STATES)
    norms = {}
    for name, layer in layers.items():
        mask = _in_time(layer, traces[name]["mask"])
        gradients = {state: _in_time(layer, traces[name][f"{state}_gradient"]) for state in STATES}
        norms[name] = {state: _unmasked(np.linalg.norm(g, axis=-1), mask) for state, g in gradients.items()}
    return norms


class Tracer:
    """Gates, cell states and gradients of a model in training, in one pass over it.

    On TensorFlow the pass is compiled once, by the first call, and takes a tenth of the time of `trace` and
    `state_gradients` or less. Nothing about the model changes, and dropout is off. Layers that carry states from
    batch to batch start from zeros.

    Args:
        model: As in `trace`, compiled with a loss. It is read as it is at each call.

    Attributes:
        layers: The recurrent layers by their names as in `trace`, from the first call on.
        compile_s: Seconds that compiling has taken, which the first call does, and one with other shapes.

    Example:

    >>> tracer = Tracer(model)
    >>> tracer(inputs, targets)["first"]["forget_gate"].shape
    (64, 20, 32)
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.layers: dict[str, Any] = {}
        self.compile_s = 0.0
        self._compiled = compiled(self._run)

    def __call__(self, inputs: Any, targets: Any, sample_weights: Any = None) -> dict[str, dict[str, Array]]:
        """Trace the layers on a batch.

        Args:
            inputs: What the model is called with.
            targets: Targets of the loss.
            sample_weights: Their weights. Default: all the same.

        Returns:
            By layer name, float32 arrays in the order of reading: the gates of `gate_names` and cell_state, each
            `(batch, time, units)`; mask `(batch, time)`; and gradient `(batch, time)`, the norms of dLoss/dc_t, NaN
            at masked steps. Gates at masked steps are not defined.

        Raises:
            ValueError: as `trace`, and if the model is not compiled.
        """
        if not self.model.compiled:
            raise ValueError(f"`model` must be compiled with a loss. Received: {self.model!r}, which is not")
        start, before = time.perf_counter(), compilations(self._compiled)
        traced = self._compiled(inputs, targets, sample_weights)
        if compilations(self._compiled) > before:
            self.compile_s += time.perf_counter() - start
        return {
            name: {quantity: np.swapaxes(ops.convert_to_numpy(tensor), 0, 1) for quantity, tensor in tensors.items()}
            for name, tensors in traced.items()
        }

    def _run(self, inputs: Any, targets: Any, sample_weights: Any) -> dict[str, dict[str, Tensor]]:
        """Compute tensors by layer and quantity, time first."""

        def compute_loss(outputs: Tensor) -> Tensor:
            return self.model.compute_loss(inputs, targets, outputs, sample_weights)

        self.layers, traces = _differentiate(self.model, inputs, compute_loss, ["cell_state"], from_zeros=True)
        tensors = {}
        for name, layer in self.layers.items():
            traced = traces[name]
            quantities = [*gate_names(layer.cell), "cell_state"]
            norms = ops.norm(ops.cast(traced["cell_state_gradient"], "float32"), axis=-1)
            tensors[name] = {quantity: ops.cast(traced[quantity], "float32") for quantity in quantities}
            tensors[name] |= {"mask": traced["mask"], "gradient": ops.where(traced["mask"], norms, np.nan)}
        return tensors


def gate_names(cell: GatedLSTMCell) -> list[str]:
    """Name the gates of a cell that have a meaning of their own: the learned ones, and a coupled forget gate.

    As the activations are named: input_gate, forget_gate, output_gate.
    """
    coupled = ["forget_gate"] if cell.forget_gate == "coupled" else []
    return [f"{gate}_gate" for gate in cell.learned_gates] + coupled


@dataclass
class Pass:
    """A call of a model that records what happens in its recurrent layers.

    Args:
        tap: Gives zeros to add to the states that are to be differentiated. Default: none are.
        states: Those states: cell_state, with hidden_state or not.
        from_zeros: Whether layers that carry states start from zeros.
        initial: The states in which layers start, by layer name, added where they are not given.

    Attributes:
        layers: The layers by name, in the order of the calls.
        tensors: By layer name the activations, the states and the mask, time first and in the order of reading.
        final: The states in which layers end, by layer name.
    """

    tap: Tap | None = None
    states: Sequence[str] = ()
    from_zeros: bool = False
    initial: dict[str, list[Tensor]] = field(default_factory=dict)
    final: dict[str, list[Tensor]] = field(default_factory=dict)
    layers: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    refusal: str = ""

    def call(self, model: keras.Model, x: Any) -> Tensor:
        """Call the model, and leave its variables as they are."""
        if not model.built:
            model(x, training=False)  # Keras builds it with tensors that have no values
        token = layer_runner.set(self._run_layer)
        try:
            with keras.StatelessScope(), inlined():
                outputs = model(x, training=False)
        except ValueError as error:
            if not self.refusal:
                raise
            raise ValueError(self.refusal) from error  # without the arguments of the layer, which Keras adds
        finally:
            layer_runner.reset(token)
        if not self.layers:
            raise ValueError(f"`model` calls no layer of `variants`. Received: a model named {model.name!r}")
        return outputs

    def _run_layer(
        self,
        layer: Any,
        sequences: Tensor,
        initial_state: Sequence[Tensor],
        mask: Tensor | None,
        clamps: Sequence[Any] = (),
    ) -> Any:
        """Run a layer as Keras's loop would, with taps on the states, and return what it returns.

        Clamps are those that the model called puts on the layer, see `variants.clamp`.
        """
        cell = layer.cell
        if type(cell).call is not GatedLSTMCell.call:
            self.refusal = f"{type(cell).__name__} of layer {layer.name!r} has a `call` of its own"
            raise ValueError(self.refusal)
        steps = (_TappedSteps if self.tap else Steps)(cell, return_sequences=True, interventions=clamps)
        inputs, _ = prepare(cell, sequences, mask, go_backwards=layer.go_backwards)
        shape = ops.shape(inputs["sums"])[:2]
        if self.tap is not None:
            inputs |= {f"{state}_tap": self.tap((*shape, cell.units), cell.compute_dtype) for state in self.states}
        calls = sum(other is layer for other in self.layers.values())
        name = f"{layer.name}:{calls + 1}" if calls else layer.name
        initial = self.initial.setdefault(name, list(initial_state))
        if self.from_zeros and layer.stateful:
            initial = [ops.zeros_like(state) for state in initial]
        for number, clamp in enumerate(clamps):
            inputs |= clamp.inputs(cell, inputs, initial, clamps[:number])
        hidden, final, saved = steps.forward(inputs, None, initial, steps.weights())
        tensors = steps.activations(inputs, saved)
        # At masked steps the states that are carried on, not those of the equation.
        tensors |= {"hidden_state": hidden, "cell_state": ops.concatenate([saved["states"][1][1:], final[1][None]])}
        tensors["mask"] = inputs["mask"][..., 0] if "mask" in inputs else ops.ones(shape, "bool")
        self.layers[name], self.final[name] = layer, list(final)
        self.tensors[name] = {q: ops.ones_like(hidden) if isinstance(t, int) else t for q, t in tensors.items()}
        return *mask_outputs(hidden, final[0], inputs.get("mask"), layer.zero_output_for_mask), final


class _TappedSteps(Steps):
    """Steps that add zeros, the taps, to the new cell state and, if it has one, the hidden state."""

    def __init__(self, cell: Any, return_sequences: bool, interventions: Sequence[Intervention] = ()) -> None:
        super().__init__(cell, return_sequences, (*interventions, _tap_cell_state))

    def step(
        self, parts: list[Tensor], states: list[Tensor], weights: list[Tensor], now: dict[str, Tensor]
    ) -> list[Tensor]:
        hidden, *rest = super().step(parts, states, weights, now)
        return [hidden + now["hidden_state_tap"] if "hidden_state_tap" in now else hidden, *rest]


def _tap_cell_state(quantity: str, value: Tensor, now: dict[str, Tensor]) -> Tensor:
    return value + now["cell_state_tap"] if quantity == "cell_state" else value


def _differentiate(
    model: keras.Model,
    x: Any,
    compute_loss: Callable[[Tensor], Tensor],
    states: Sequence[str],
    from_zeros: bool = False,
) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Trace a model, and differentiate the loss with respect to the states of each step.

    Args:
        model: The model.
        x: What it is called with.
        compute_loss: From its outputs to the loss, or losses whose mean it is.
        states: The states: cell_state, with hidden_state before it or not.
        from_zeros: Whether layers that carry states start from zeros.

    Returns:
        The layers by name; and by layer name the tensors, as of a `Pass`, with the gradients of the states.
    """
    layers: dict[str, Any] = {}

    def run(tap: Tap) -> tuple[Tensor, dict[str, dict[str, Tensor]]]:
        traces = Pass(tap, states, from_zeros)
        outputs = traces.call(model, x)
        layers.update(traces.layers)
        return ops.cast(ops.mean(compute_loss(outputs)), "float32"), traces.tensors

    gradients, traces = tap_gradients(run)
    remaining = iter(gradients)
    for name in layers:  # in the order of the taps; JAX sorts `traces` by name
        traces[name] |= {f"{state}_gradient": next(remaining) for state in states}
    return layers, traces


def _in_time(layer: Any, tensor: Tensor) -> Array:
    """From the order of reading, time first, to batch first and the order of time, in float32 at least."""
    is_exact = keras.backend.standardize_dtype(tensor.dtype) in ("float64", "bool")
    values = ops.convert_to_numpy(tensor if is_exact else ops.cast(tensor, "float32"))
    return np.swapaxes(values[::-1] if layer.go_backwards else values, 0, 1)


def _unmasked(values: Array, mask: Array) -> Array:
    return np.where(mask, values, np.nan).astype(values.dtype)
