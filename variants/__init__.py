"""LSTM variants for Keras 3: one equation whose gates can be removed, coupled, swapped or given peepholes."""

import sys
from importlib.abc import MetaPathFinder
from importlib.metadata import PackageNotFoundError, version

from variants.activations import binary, bipolar_sigmoid, centered_sigmoid, shifted_tanh
from variants.cell import GatedLSTMCell
from variants.cells.janet import JANET, JANETCell
from variants.cells.layer_norm import LayerNormLSTM, LayerNormLSTMCell
from variants.cells.slstm import SLSTM, SLSTMCell
from variants.cells.tied_input_gate import TiedInputGateLSTM, TiedInputGateLSTMCell
from variants.cells.zoneout import ZoneoutLSTM, ZoneoutLSTMCell
from variants.clamp import clamped
from variants.convert import from_keras, from_tensorflow_addons, from_torch, to_keras, to_onnx, to_torch
from variants.initializers import ChronoInitializer, GateBiases
from variants.layers import (
    GatedLSTM,
    PeepholeLSTM,
    PeepholeLSTMCell,
    StandardLSTM,
    StandardLSTMCell,
    SwappedLSTM,
    SwappedLSTMCell,
)
from variants.trace import Tracer, state_gradients, trace
from variants.trace_batches import trace_batches

__all__ = [
    "JANET",
    "SLSTM",
    "ChronoInitializer",
    "GateBiases",
    "GatedLSTM",
    "GatedLSTMCell",
    "JANETCell",
    "LayerNormLSTM",
    "LayerNormLSTMCell",
    "PeepholeLSTM",
    "PeepholeLSTMCell",
    "SLSTMCell",
    "StandardLSTM",
    "StandardLSTMCell",
    "SwappedLSTM",
    "SwappedLSTMCell",
    "TiedInputGateLSTM",
    "TiedInputGateLSTMCell",
    "Tracer",
    "ZoneoutLSTM",
    "ZoneoutLSTMCell",
    "binary",
    "bipolar_sigmoid",
    "centered_sigmoid",
    "clamped",
    "from_keras",
    "from_tensorflow_addons",
    "from_torch",
    "shifted_tanh",
    "state_gradients",
    "to_keras",
    "to_onnx",
    "to_torch",
    "trace",
    "trace_batches",
]

try:
    __version__ = version("gatelab")
except PackageNotFoundError:  # run from a clone that is not installed
    __version__ = "0+unknown"

# Modules of version 0.1.0. For one release an import of them says where they are now.
MOVED = """
    blocks=convert.blocks checks=validation export=convert.onnx janet=cells.janet layer_norm=cells.layer_norm
    onnx_graph=convert.onnx_graph onnx_operator=convert.onnx_operator products=cell pytorch=convert.torch
    slstm=cells.slstm tied=cells.tied_input_gate zoneout=cells.zoneout
"""
PLACES = dict(word.split("=") for word in MOVED.split())


class _MovedModules(MetaPathFinder):
    """Asked last, when a module is nowhere else."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """Raise an error with the new place of a module, if the name is one of 0.1.0."""
        package, _, name = fullname.rpartition(".")
        if package == __name__ and name in PLACES:
            raise ModuleNotFoundError(f"{fullname} is called {package}.{PLACES[name]} now", name=fullname)


sys.meta_path.append(_MovedModules())
