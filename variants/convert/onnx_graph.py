"""A graph of ONNX operators, and the only place that needs the package onnx."""

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from variants.convert.blocks import Array

OPSET = 18
IR_VERSION = 8
Dimensions = Sequence[str | int]


class Graph:
    """Nodes in the order of computation, and constants; without any need of the package onnx until `save`."""

    def __init__(self) -> None:
        self.nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = []
        self.constants: dict[str, Array] = {}
        self.scope = ""
        self._names: Counter[str] = Counter()

    def add(self, operator: str, inputs: Sequence[str], output: int = 0, name: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output; `output` is the number of outputs before it, left out."""
        name = name or self._unique(operator)
        self.nodes.append((operator, list(inputs), [""] * output + [name], attributes))
        return name

    def constant(self, name: str, values: Any) -> str:
        """Add a constant and return its name."""
        name = self._unique(name)
        self.constants[name] = np.asarray(values)
        return name

    def _unique(self, name: str) -> str:
        name = f"{self.scope}/{name}"
        self._names[name] += 1
        return name if self._names[name] == 1 else f"{name}_{self._names[name]}"

    def save(self, path: str | os.PathLike[str], dtype: str, input_shape: Dimensions, output_shape: Dimensions) -> None:
        """Write a file that computes `output` of the type float32 from `input` of the type `dtype`."""
        onnx = _import_onnx()
        helper = onnx.helper
        element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        graph = helper.make_graph(
            [
                helper.make_node(operator, inputs, outputs, name=outputs[-1], **attributes)
                for operator, inputs, outputs, attributes in self.nodes
            ],
            "gatelab",
            [helper.make_tensor_value_info("input", element, input_shape)],
            [helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, output_shape)],
            [onnx.numpy_helper.from_array(values, name) for name, values in self.constants.items()],
        )
        opset = [helper.make_opsetid("", OPSET)]
        file = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="gatelab")
        onnx.checker.check_model(file, full_check=True)
        onnx.save(file, path)


def _import_onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ImportError("`to_onnx` needs the package onnx: pip install gatelab[onnx]") from error
    return onnx
