"""What happens inside the recurrent layers of a model: gates and states of every step, and the gradients of states."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from variants.backend import Compiled, Tap, tap_gradients
from variants.cell import GatedLSTMCell
from variants.loop import Steps, layer_runner, mask_outputs, prepare

Array = np.ndarray
Tensor = Any


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
    _, traces = _call(model, x, _trace_layer)
    return {name: _arrays(layer_trace) for name, layer_trace in traces.items()}


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
        return keras.losses.get(loss)(targets, outputs) if loss else model.compute_loss(x, targets, outputs)

    traces, gradients = _differentiate(model, x, compute_loss, ("hidden_state", "cell_state"))
    return {
        name: {state: _norms(layer_trace, tensor) for state, tensor in gradients[name].items()}
        for name, layer_trace in traces.items()
    }


class Tracer:
    """Gates, cell states and gradients of a model in training, in one pass over it.

    On TensorFlow the pass is compiled once, by the first call, and takes a tenth of the time of `trace` and
    `state_gradients` or less. Nothing about the model changes, and dropout is off. Layers that carry states from
    batch to batch start from zeros.

    Args:
        model: As in `trace`, compiled with a loss. It is read as it is at each call.

    Attributes:
        layers: The recurrent layers by their names as in `trace`, from the first call on.

    Example:

    >>> tracer = Tracer(model)
    >>> tracer(inputs, targets)["first"]["forget_gate"].shape
    (64, 20, 32)
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.layers: dict[str, Any] = {}
        self._compiled = Compiled(self._run)

    @property
    def compile_s(self) -> float:
        """Seconds that compiling has taken, which the first call does, and one with other shapes."""
        return self._compiled.compile_s

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
        traced = self._compiled(inputs, targets, sample_weights)
        return {
            name: {quantity: np.swapaxes(ops.convert_to_numpy(tensor), 0, 1) for quantity, tensor in tensors.items()}
            for name, tensors in traced.items()
        }

    def _run(self, inputs: Any, targets: Any, sample_weights: Any) -> dict[str, dict[str, Tensor]]:
        """Compute tensors by layer and quantity, time first."""

        def compute_loss(outputs: Tensor) -> Tensor:
            return self.model.compute_loss(inputs, targets, outputs, sample_weights)

        traces, gradients = _differentiate(self.model, inputs, compute_loss, ("cell_state",), from_zeros=True)
        self.layers = {name: layer_trace.layer for name, layer_trace in traces.items()}
        tensors = {}
        for name, layer_trace in traces.items():
            norms = ops.norm(ops.cast(gradients[name]["cell_state"], "float32"), axis=-1)
            values = {quantity: ops.cast(tensor, "float32") for quantity, tensor in layer_trace.tensors.items()}
            gradient = ops.where(layer_trace.mask, norms, np.nan)
            tensors[name] = {**values, "mask": layer_trace.mask, "gradient": gradient}
        return tensors


def gate_names(cell: GatedLSTMCell) -> list[str]:
    """Name the gates of a cell that have a meaning of their own: the learned ones, and a coupled forget gate.

    As the activations are named: input_gate, forget_gate, output_gate.
    """
    coupled = ["forget_gate"] if cell.forget_gate == "coupled" else []
    return [f"{gate}_gate" for gate in cell.learned_gates] + coupled


@dataclass(frozen=True)
class LayerTrace:
    """One call of a layer, time first and in the order of reading."""

    layer: Any
    tensors: dict[str, Tensor]
    """Activations and states by name, `(time, batch, units)`; an open gate is the number 1."""
    mask: Tensor
    """`(time, batch)`."""


def _call(model: keras.Model, x: Any, trace_layer: Callable[..., Any]) -> tuple[Tensor, dict[str, LayerTrace]]:
    """Call a model whose recurrent layers `trace_layer` runs, and leave its variables as they are."""
    traces: dict[str, LayerTrace] = {}
    refusal = ""

    def runner(layer: Any, sequences: Tensor, initial_state: Sequence[Tensor], mask: Tensor | None) -> Any:
        nonlocal refusal
        if type(layer.cell).call is not GatedLSTMCell.call:
            refusal = f"{type(layer.cell).__name__} of layer {layer.name!r} has a `call` of its own"
            raise ValueError(refusal)
        calls = sum(earlier.layer is layer for earlier in traces.values())
        name = f"{layer.name}:{calls + 1}" if calls else layer.name
        outputs, traces[name] = trace_layer(layer, sequences, list(initial_state), mask)
        return outputs

    token = layer_runner.set(runner)
    try:
        with keras.StatelessScope():
            outputs = model(x, training=False)
    except ValueError as error:
        if not refusal:
            raise
        raise ValueError(refusal) from error  # without the arguments of the layer, which Keras adds
    finally:
        layer_runner.reset(token)
    if not traces:
        raise ValueError(f"`model` calls no layer of `variants`. Received: a model named {model.name!r}")
    return outputs, traces


def _trace_layer(
    layer: Any,
    sequences: Tensor,
    initial_state: list[Tensor],
    mask: Tensor | None,
    tap: Tap | None = None,
    states: Sequence[str] = (),
    from_zeros: bool = False,
) -> tuple[Any, LayerTrace]:
    """Run a layer as Keras's loop would, with taps on the given states; what it returns, and its trace."""
    cell = layer.cell
    steps = _TappedSteps(cell, return_sequences=True)
    inputs, _ = prepare(cell, sequences, mask, go_backwards=layer.go_backwards)
    time, batch = ops.shape(inputs["sums"])[:2]
    if tap is not None:
        inputs |= {f"{state}_tap": tap((time, batch, cell.units), layer.compute_dtype) for state in states}
    if from_zeros and layer.stateful:
        initial_state = [ops.zeros_like(state) for state in initial_state]
    hidden, final, saved = steps.forward(inputs, None, initial_state, steps.weights())
    tensors = cell.activations(steps.sums(inputs, saved), saved["states"])
    # At masked steps the states that are carried on, not those of the equation.
    tensors |= {"hidden_state": hidden, "cell_state": ops.concatenate([saved["states"][1][1:], final[1][None]])}
    step_mask = inputs["mask"][..., 0] if "mask" in inputs else ops.ones((time, batch), "bool")
    outputs = mask_outputs(hidden, final[0], inputs.get("mask"), layer.zero_output_for_mask)
    return (*outputs, final), LayerTrace(layer, tensors, step_mask)


class _TappedSteps(Steps):
    """Steps that add zeros to each new state that has a tap: their gradients are those of the state."""

    def step(
        self, parts: list[Tensor], states: list[Tensor], weights: list[Tensor], now: dict[str, Tensor]
    ) -> list[Tensor]:
        if "cell_state_tap" not in now:
            return super().step(parts, states, weights, now)
        self.cell.new_cell_state = lambda c: c + now["cell_state_tap"]
        try:
            hidden, *rest = super().step(parts, states, weights, now)
        finally:
            del self.cell.new_cell_state
        return [hidden + now["hidden_state_tap"] if "hidden_state_tap" in now else hidden, *rest]


def _differentiate(
    model: keras.Model,
    x: Any,
    compute_loss: Callable[[Tensor], Tensor],
    states: Sequence[str],
    from_zeros: bool = False,
) -> tuple[dict[str, LayerTrace], dict[str, dict[str, Tensor]]]:
    """Trace a model, and differentiate the loss with respect to the states of each step.

    Args:
        model: The model.
        x: What it is called with.
        compute_loss: From its outputs to the loss, or losses whose mean it is.
        states: The states: cell_state, with hidden_state before it or not.
        from_zeros: Whether layers that carry states start from zeros.

    Returns:
        By layer name the trace, with the gates of `gate_names` and cell_state; and the gradients `(time, batch,
        units)` by state.
    """
    layers: dict[str, Any] = {}

    def run(tap: Tap) -> tuple[Tensor, dict[str, Any]]:
        trace_layer = partial(_trace_layer, tap=tap, states=states, from_zeros=from_zeros)
        outputs, traces = _call(model, x, trace_layer)
        layers.update({name: layer_trace.layer for name, layer_trace in traces.items()})
        loss = ops.cast(ops.mean(compute_loss(outputs)), "float32")
        return loss, {name: _meaningful(layer_trace) for name, layer_trace in traces.items()}

    gradients, traced = tap_gradients(run)
    traces = {name: LayerTrace(layer, *traced[name]) for name, layer in layers.items()}  # JAX sorts `traced` by name
    remaining = iter(gradients)
    return traces, {name: {state: next(remaining) for state in states} for name in traces}


def _meaningful(layer_trace: LayerTrace) -> tuple[dict[str, Tensor], Tensor]:
    names = [*gate_names(layer_trace.layer.cell), "cell_state"]
    return {name: layer_trace.tensors[name] for name in names}, layer_trace.mask


def _arrays(layer_trace: LayerTrace) -> dict[str, Array]:
    layer, tensors = layer_trace.layer, layer_trace.tensors
    mask = _in_time(layer, ops.convert_to_numpy(layer_trace.mask))
    states = {name: _in_time(layer, _array(tensors[name])) for name in ("hidden_state", "cell_state")}
    arrays: dict[str, Array] = {}
    for name in ("input_gate", "forget_gate", "output_gate", "candidate"):
        is_open = isinstance(tensors[name], int)
        values = np.ones_like(states["cell_state"]) if is_open else _in_time(layer, _array(tensors[name]))
        arrays[name] = _unmasked(values, mask[..., None])
    return {**arrays, **states, "mask": mask}


def _norms(layer_trace: LayerTrace, gradient: Tensor) -> Array:
    layer = layer_trace.layer
    norms = np.linalg.norm(_array(gradient), axis=-1)
    return _unmasked(_in_time(layer, norms), _in_time(layer, ops.convert_to_numpy(layer_trace.mask)))


def _array(tensor: Tensor) -> Array:
    is_wide = keras.backend.standardize_dtype(tensor.dtype) == "float64"
    return np.asarray(ops.convert_to_numpy(tensor if is_wide else ops.cast(tensor, "float32")))


def _in_time(layer: Any, values: Array) -> Array:
    """From the order of reading, time first, to batch first and the order of time."""
    return np.swapaxes(values[::-1] if layer.go_backwards else values, 0, 1)


def _unmasked(values: Array, mask: Array) -> Array:
    return np.where(mask, values, np.nan).astype(values.dtype)
