"""Recurrent cells: one file for each cell, with its equations in the docstring."""

from keras_rnnkit.cells._gated import GatedCell
from keras_rnnkit.cells._masks import Masks
from keras_rnnkit.cells.coupled_lstm import CoupledLSTMCell
from keras_rnnkit.cells.esn import ESNCell
from keras_rnnkit.cells.gru import GRUCell, GRUGates, GRUTrace
from keras_rnnkit.cells.layer_norm_gru import LayerNormGRUCell
from keras_rnnkit.cells.layer_norm_lstm import LayerNormLSTMCell
from keras_rnnkit.cells.layer_norm_simple_rnn import LayerNormSimpleRNNCell
from keras_rnnkit.cells.lstm import LSTMCell, LSTMGates, LSTMTrace
from keras_rnnkit.cells.min_gru import MinGRUCell, MinGRUGates, MinGRUTrace
from keras_rnnkit.cells.min_lstm import MinLSTMCell, MinLSTMGates, MinLSTMTrace
from keras_rnnkit.cells.nas import NASCell, NASGates, NASTrace
from keras_rnnkit.cells.peephole_lstm import PeepholeLSTMCell
from keras_rnnkit.cells.projected_lstm import ProjectedLSTMCell
from keras_rnnkit.cells.rglru import RGLRUCell, RGLRUGates, RGLRUTrace
from keras_rnnkit.cells.simple_rnn import SimpleRNNCell, SimpleRNNGates, SimpleRNNTrace
from keras_rnnkit.cells.zoneout import Zoneout

__all__ = [
    "CoupledLSTMCell",
    "ESNCell",
    "GRUCell",
    "GRUGates",
    "GRUTrace",
    "GatedCell",
    "LSTMCell",
    "LSTMGates",
    "LSTMTrace",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "LayerNormSimpleRNNCell",
    "Masks",
    "MinGRUCell",
    "MinGRUGates",
    "MinGRUTrace",
    "MinLSTMCell",
    "MinLSTMGates",
    "MinLSTMTrace",
    "NASCell",
    "NASGates",
    "NASTrace",
    "PeepholeLSTMCell",
    "ProjectedLSTMCell",
    "RGLRUCell",
    "RGLRUGates",
    "RGLRUTrace",
    "SimpleRNNCell",
    "SimpleRNNGates",
    "SimpleRNNTrace",
    "Zoneout",
]
