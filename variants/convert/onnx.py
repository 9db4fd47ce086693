"""Models to ONNX files, each recurrent layer as one native `LSTM` node."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from variants.convert.blocks import Array, refuse
from variants.convert.keras import from_keras
from variants.convert.onnx_graph import Dimensions, Graph
from variants.convert.onnx_operator import FUNCTIONS, operands
from variants.layers import GatedLSTM

_INPUTS = ("W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
_MERGES = {"sum": "ReduceSum", "mul": "ReduceProd", "ave": "ReduceMean"}


def to_onnx(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a trained model to an ONNX file, each recurrent layer as one native `LSTM` node.

    The file computes what the model computes in inference, in float32 whatever the dtype policy of the model. It has
    one input `input` and one output `output`, batch first as in Keras; the number of sequences and their length are
    free. It needs opset 18 (ONNX Runtime 1.14 or later) and `pip install gatelab[onnx]` to write.

    Args:
        model: A `keras.Sequential` or functional `keras.Model`, a chain with one input and one output, of `GatedLSTM`
            and its subclasses, `keras.layers.LSTM`, `Bidirectional` around them, `Dense`, `Embedding`, `Activation`,
            `Dropout`, `SpatialDropout1D`, `TimeDistributed` around `Dense`, `Activation` or `Dropout`, and models of
            these; or one built recurrent layer alone.
        path: The file to write.

    Raises:
        ImportError: if the package onnx is not installed.
        TypeError: if `model` is neither a model nor a recurrent layer.
        ValueError: for a model or layer that is not built, that is no such chain, or that ONNX cannot represent, with
            the reason: gate recurrence, full peepholes, gates with different activations, activations that the operator
            does not have, masks, `stateful`, `return_state`, and subclasses with an equation of their own.

    Example:

    >>> model = keras.Sequential([keras.Input((None, 8)), PeepholeLSTM(32), keras.layers.Dense(1)])
    >>> to_onnx(model, "model.onnx")
    """
    layers, dtype, inputs, outputs = _chain(model)
    graph = Graph()
    value = "input"
    for layer in layers:
        graph.scope = layer.name
        value = _writer(layer)(graph, layer, value)
    graph.add("Identity", [value], name="output")
    graph.save(path, dtype, inputs, outputs)


def _chain(model: Any) -> tuple[list[Any], str, Dimensions, Dimensions]:
    """The layers of a model in the order of computation, the type of its input, its dimensions and the output's."""
    if not isinstance(model, keras.Model | keras.layers.Bidirectional | keras.layers.LSTM | GatedLSTM):
        raise TypeError(f"`model` must be a keras.Model or a recurrent layer. Received: {model!r}")
    if not model.built:
        raise ValueError(
            f"{model.name!r} has no weights yet. Build it, with `build((None, None, features))` or `keras.Input`, "
            "before it is written."
        )
    if not isinstance(model, keras.Model):
        features = _directions(model)[0].cell.kernel.shape[0]
        shape = (None, None, features)
        return [model], "float32", _dimensions(shape), _dimensions(model.compute_output_shape(shape))
    layers = list(_layers(model))
    inputs, outputs = model.inputs[0], model.outputs[0]
    reads_tokens = any(type(layer) is keras.layers.Embedding for layer in layers)
    tokens = "int32" if inputs.dtype == "int32" else "int64"
    dtype = tokens if reads_tokens else "float32"
    return layers, dtype, _dimensions(inputs.shape, reads_tokens), _dimensions(outputs.shape)


def _dimensions(shape: Sequence[int | None], reads_tokens: bool = False) -> Dimensions:
    names = ["batch", "time"] if reads_tokens or len(shape) > 2 else ["batch"]
    rest = [size or f"dimension_{axis}" for axis, size in enumerate(shape)]
    return [*names, *rest[len(names) :]]


def _layers(model: keras.Model) -> Iterator[Any]:
    """The layers of a model in the order of computation, those of the models inside it too."""
    kind = type(model)
    if kind.__name__ not in ("Sequential", "Functional") or not kind.__module__.startswith("keras."):
        raise ValueError(f"`model` must be a keras.Sequential or functional keras.Model. Received: {model!r}")
    for layer in getattr(model, "operations", model.layers):
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            _writer(layer)
            yield layer
    if kind.__name__ == "Functional":
        _check_chain(model)


def _check_chain(model: keras.Model) -> None:
    """With one output, layers that each read one tensor once form a chain."""
    ends = len(model.inputs), len(model.outputs)
    calls = {layer["name"]: layer["inbound_nodes"] for layer in model.get_config()["layers"]}
    branched = [name for name, nodes in calls.items() if nodes and (len(nodes) > 1 or _tensors(nodes) > 1)]
    if ends != (1, 1) or branched:
        raise ValueError(
            f"The model {model.name!r} is not a chain of layers with one input and one output. Received: {ends[0]} "
            f"inputs, {ends[1]} outputs, called twice or on several tensors: {', '.join(branched) or 'no layer'}"
        )


def _tensors(config: Any) -> int:
    """Count the tensors in the config of a call."""
    if isinstance(config, dict):
        is_tensor = config.get("class_name") == "__keras_tensor__"
        return 1 if is_tensor else sum(map(_tensors, config.values()))
    return sum(map(_tensors, config)) if isinstance(config, list | tuple) else 0


Writer = Callable[[Graph, Any, str], str]


def _writer(layer: Any) -> Writer:
    """The function that adds a layer to the graph, from the name of its input to the name of its output."""
    if isinstance(layer, keras.layers.Bidirectional | keras.layers.LSTM | GatedLSTM):
        return _write_recurrent
    if type(layer) not in _WRITERS:
        masks = isinstance(layer, keras.layers.Masking)
        known = ", ".join(layer_class.__name__ for layer_class in _WRITERS)
        reason = "no step can be masked" if masks else f"written are recurrent layers and {known}"
        refuse(layer, "ONNX", f"{type(layer).__name__} ({reason})")
    if getattr(layer, "quantization_mode", None):
        refuse(layer, "ONNX", f"quantization_mode={layer.quantization_mode!r} (the file is float32)")
    return _WRITERS[type(layer)]


def _directions(layer: Any) -> list[GatedLSTM]:
    is_both = isinstance(layer, keras.layers.Bidirectional)
    layers = [layer.forward_layer, layer.backward_layer] if is_both else [layer]
    layers = [from_keras(one) if isinstance(one, keras.layers.LSTM) else one for one in layers]
    if not all(isinstance(one, GatedLSTM) for one in layers):
        refuse(layer, "ONNX", f"layer={type(layers[0]).__name__} (it must be a GatedLSTM or a keras.layers.LSTM)")
    return layers


def _write_recurrent(graph: Graph, layer: Any, value: str) -> str:
    layers = _directions(layer)
    weights, attributes = operands(layers)
    merge_mode = getattr(layer, "merge_mode", "concat")
    if merge_mode not in ("concat", *_MERGES):
        refuse(layer, "ONNX", f"merge_mode={merge_mode!r} (the model must have one output)")
    value = graph.add("Transpose", [value], perm=[1, 0, 2])
    inputs = [graph.constant(name, weights[name]) if name in weights else "" for name in _INPUTS]
    every_step = layers[0].return_sequences
    value = graph.add("LSTM", [value, *inputs], output=0 if every_step else 1, **attributes)
    value = graph.add("Transpose", [value], perm=[2, 0, 1, 3] if every_step else [1, 0, 2])
    value = _merge(graph, value, merge_mode, [0, 0, -1] if every_step else [0, -1])
    return _flip(graph, value) if every_step and layers[0].go_backwards else value


def _merge(graph: Graph, value: str, merge_mode: str, shape: list[int]) -> str:
    """From `(..., directions, units)` to `(..., width)`."""
    if merge_mode == "concat":
        return graph.add("Reshape", [value, graph.constant("shape", shape)])
    return graph.add(_MERGES[merge_mode], [value, graph.constant("axes", [-2])], keepdims=0)


def _flip(graph: Graph, value: str) -> str:
    """Reverse the steps: ONNX puts them out in the order of time, Keras in the order of reading."""
    last_to_first = {"starts": [-1], "ends": [np.iinfo("int64").min], "axes": [1], "steps": [-1]}
    return graph.add("Slice", [value, *(graph.constant(name, indices) for name, indices in last_to_first.items())])


def _write_dense(graph: Graph, layer: Any, value: str) -> str:
    value = graph.add("MatMul", [value, graph.constant("kernel", _float32(layer.kernel))])
    if layer.use_bias:
        value = graph.add("Add", [value, graph.constant("bias", _float32(layer.bias))])
    return _write_activation(graph, layer, value)


def _write_activation(graph: Graph, layer: Any, value: str) -> str:
    if layer.activation == keras.activations.linear:
        return value
    if layer.activation == keras.activations.softmax:
        return graph.add("Softmax", [value], axis=-1)
    if layer.activation not in FUNCTIONS:
        known = ", ".join(sorted([*(activation.__name__ for activation in FUNCTIONS), "softmax"]))
        refuse(layer, "ONNX", f"activation={layer.get_config()['activation']!r} (written are {known})")
    function = FUNCTIONS[layer.activation]
    return graph.add(function.operator, [value], **function.parameters)


def _write_embedding(graph: Graph, layer: Any, value: str) -> str:
    if layer.mask_zero:
        refuse(layer, "ONNX", "mask_zero=True (no step can be masked)")
    return graph.add("Gather", [graph.constant("embeddings", _float32(layer.embeddings)), value])


def _write_time_distributed(graph: Graph, layer: Any, value: str) -> str:
    if type(layer.layer) not in (keras.layers.Dense, keras.layers.Activation, keras.layers.Dropout):
        reason = "TimeDistributed is written around Dense, Activation and Dropout"
        refuse(layer, "ONNX", f"layer={type(layer.layer).__name__} ({reason})")
    return _writer(layer.layer)(graph, layer.layer, value)


_WRITERS: dict[type, Writer] = {
    keras.layers.Dense: _write_dense,
    keras.layers.Embedding: _write_embedding,
    keras.layers.Activation: _write_activation,
    keras.layers.TimeDistributed: _write_time_distributed,
    keras.layers.Dropout: lambda graph, layer, value: value,
    keras.layers.SpatialDropout1D: lambda graph, layer, value: value,
}


def _float32(variable: Any) -> Array:
    return keras.ops.convert_to_numpy(variable).astype("float32")
