"""LSTM variants for Keras 3: one equation whose gates can be removed, coupled, swapped or given peepholes."""

from variants.activations import binary, centered_sigmoid
from variants.cell import GatedLSTMCell
from variants.convert import from_keras, from_tensorflow_addons, to_keras
from variants.export import to_onnx
from variants.janet import JANET, JANETCell
from variants.layer_norm import LayerNormLSTM, LayerNormLSTMCell
from variants.layers import (
    GatedLSTM,
    PeepholeLSTM,
    PeepholeLSTMCell,
    StandardLSTM,
    StandardLSTMCell,
    SwappedLSTM,
    SwappedLSTMCell,
)
from variants.pytorch import from_torch, to_torch
from variants.slstm import SLSTM, SLSTMCell
from variants.tied import TiedInputGateLSTM, TiedInputGateLSTMCell
from variants.trace import state_gradients, trace
from variants.zoneout import ZoneoutLSTM, ZoneoutLSTMCell

__all__ = [
    "JANET",
    "SLSTM",
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
