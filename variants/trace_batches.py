"""Gates and states of every step, for texts and data that are too long for one batch."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras

from variants.backend import compiled
from variants.trace import Array, Pass, Tensor, layer_arrays


def trace_batches(
    model: keras.Model, batches: Iterable[Any], carry: bool = False
) -> Iterator[dict[str, dict[str, Array]]]:
    """Trace a model on one batch after another, in bounded memory.

    On TensorFlow the pass is compiled for each shape of a batch, and takes a tenth of the time of `trace` or less from
    the second batch on. Nothing about the model changes, and dropout is off.

    Args:
        model: As in `trace`.
        batches: What the model is called with, one after the other.
        carry: Whether each layer goes on from the states in which the batch before left it, so that the batches are
            pieces of the same sequences. The first starts as in `trace`. Default False: each batch does.

    Yields:
        For each batch what `trace` returns.

    Raises:
        ValueError: as `trace`, and with `carry` for a layer that goes backwards, which would read the last piece first.

    Example:

    >>> pieces = (text[:, start : start + 1000] for start in range(0, text.shape[1], 1000))
    >>> for layers in variants.trace_batches(model, pieces, carry=True):
    ...     print(layers["first"]["cell_state"].shape)
    (1, 1000, 32)
    """
    layers: dict[str, Any] = {}

    def run(x: Any, initial: dict[str, list[Tensor]]) -> Any:
        traces = Pass(initial=dict(initial))
        traces.call(model, x)
        layers.update(traces.layers)
        return traces.tensors, traces.final

    run_compiled = compiled(run)
    states: dict[str, list[Tensor]] = {}
    for number, x in enumerate(batches):
        if carry and number == 0:
            states = _initial_states(model, x)
        tensors, final = run_compiled(x, states)
        if carry:
            states = final
        yield layer_arrays(layers, tensors)


def _initial_states(model: keras.Model, x: Any) -> dict[str, list[Tensor]]:
    """The states in which the layers of a model start, by layer name, from a pass over the first step."""
    traces = Pass()
    traces.call(model, keras.tree.map_structure(lambda array: array[:, :1], x))
    for name, layer in traces.layers.items():
        if layer.go_backwards:
            raise ValueError(f"`carry` must be False for layers that go backwards, as layer {name!r} does")
    return traces.initial
