"""Cells with an equation of their own, each with its layer."""

from variants.cells.janet import JANET, JANETCell
from variants.cells.layer_norm import LayerNormLSTM, LayerNormLSTMCell
from variants.cells.slstm import SLSTM, SLSTMCell
from variants.cells.tied_input_gate import TiedInputGateLSTM, TiedInputGateLSTMCell
from variants.cells.zoneout import ZoneoutLSTM, ZoneoutLSTMCell

__all__ = [
    "JANET",
    "SLSTM",
    "JANETCell",
    "LayerNormLSTM",
    "LayerNormLSTMCell",
    "SLSTMCell",
    "TiedInputGateLSTM",
    "TiedInputGateLSTMCell",
    "ZoneoutLSTM",
    "ZoneoutLSTMCell",
]
