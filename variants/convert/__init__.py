"""Layers and models from and to other libraries."""

from variants.convert.keras import from_keras, to_keras
from variants.convert.onnx import to_onnx
from variants.convert.tensorflow_addons import from_tensorflow_addons
from variants.convert.torch import from_torch, to_torch

__all__ = ["from_keras", "from_tensorflow_addons", "from_torch", "to_keras", "to_onnx", "to_torch"]
