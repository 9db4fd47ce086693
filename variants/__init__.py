"""LSTM variants for Keras 3: one equation whose gates can be removed, coupled, swapped or given peepholes."""

from variants.cell import GatedLSTMCell
from variants.layers import (
    GatedLSTM,
    PeepholeLSTM,
    PeepholeLSTMCell,
    StandardLSTM,
    StandardLSTMCell,
    SwappedLSTM,
    SwappedLSTMCell,
)

__all__ = [
    "GatedLSTM",
    "GatedLSTMCell",
    "PeepholeLSTM",
    "PeepholeLSTMCell",
    "StandardLSTM",
    "StandardLSTMCell",
    "SwappedLSTM",
    "SwappedLSTMCell",
]
