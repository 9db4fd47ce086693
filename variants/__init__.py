"""LSTM variants for Keras 3: one equation whose gates can be removed, coupled, swapped or given peepholes."""

from variants.activations import binary
from variants.cell import GatedLSTMCell
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
from variants.slstm import SLSTM, SLSTMCell
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
    "ZoneoutLSTM",
    "ZoneoutLSTMCell",
    "binary",
]
