"""Recurrent cells: one file a cell, each the equations of its docstring."""

from keras_rnnkit.cells._gated import GatedCell
from keras_rnnkit.cells.gru import GRUCell, GRUGates, GRUTrace
from keras_rnnkit.cells.lstm import LSTMCell, LSTMGates, LSTMTrace
from keras_rnnkit.cells.min_gru import MinGRUCell, MinGRUGates, MinGRUTrace
from keras_rnnkit.cells.min_lstm import MinLSTMCell, MinLSTMGates, MinLSTMTrace
from keras_rnnkit.cells.simple_rnn import SimpleRNNCell, SimpleRNNGates, SimpleRNNTrace
from keras_rnnkit.cells.zoneout import Zoneout

__all__ = [
    "GRUCell",
    "GRUGates",
    "GRUTrace",
    "GatedCell",
    "LSTMCell",
    "LSTMGates",
    "LSTMTrace",
    "MinGRUCell",
    "MinGRUGates",
    "MinGRUTrace",
    "MinLSTMCell",
    "MinLSTMGates",
    "MinLSTMTrace",
    "SimpleRNNCell",
    "SimpleRNNGates",
    "SimpleRNNTrace",
    "Zoneout",
]
