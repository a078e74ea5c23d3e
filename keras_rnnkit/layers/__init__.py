"""Recurrent layers: sequences in, sequences out, gates on request."""

from keras_rnnkit.layers._states import BidirectionalStates, merge_states
from keras_rnnkit.layers.bidirectional import Bidirectional, BidirectionalTrace
from keras_rnnkit.layers.embedding import Embedding
from keras_rnnkit.layers.gru import GRU
from keras_rnnkit.layers.learned_state import LearnedInitialState
from keras_rnnkit.layers.lstm import LSTM
from keras_rnnkit.layers.min_rnn import RGLRU, MinGRU, MinLSTM
from keras_rnnkit.layers.rnn import RNN
from keras_rnnkit.layers.simple_rnn import SimpleRNN
from keras_rnnkit.layers.stacked import StackedRNN
from keras_rnnkit.layers.take_last import TakeLast
from keras_rnnkit.layers.time_distributed import TimeDistributed

__all__ = [
    "GRU",
    "LSTM",
    "RGLRU",
    "RNN",
    "Bidirectional",
    "BidirectionalStates",
    "BidirectionalTrace",
    "Embedding",
    "LearnedInitialState",
    "MinGRU",
    "MinLSTM",
    "SimpleRNN",
    "StackedRNN",
    "TakeLast",
    "TimeDistributed",
    "merge_states",
]
