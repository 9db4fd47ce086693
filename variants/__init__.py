"""LSTM variants for Keras 3: one equation whose gates can be removed, coupled, swapped or given peepholes."""

from variants.activations import binary, centered_sigmoid
from variants.cell import GatedLSTMCell
from variants.cells import (
    JANET,
    SLSTM,
    JANETCell,
    LayerNormLSTM,
    LayerNormLSTMCell,
    SLSTMCell,
    TiedInputGateLSTM,
    TiedInputGateLSTMCell,
    ZoneoutLSTM,
    ZoneoutLSTMCell,
)
from variants.convert import from_keras, from_tensorflow_addons, from_torch, to_keras, to_onnx, to_torch
from variants.initializers import ChronoInitializer
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

__all__ = [
    "JANET",
    "SLSTM",
    "ChronoInitializer",
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
    "centered_sigmoid",
    "from_keras",
    "from_tensorflow_addons",
    "from_torch",
    "state_gradients",
    "to_keras",
    "to_onnx",
    "to_torch",
    "trace",
]
