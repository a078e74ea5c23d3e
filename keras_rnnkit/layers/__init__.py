"""Recurrent layers: sequences in, sequences out, gates on request."""

from keras_rnnkit.layers.bidirectional import Bidirectional, BidirectionalTrace
from keras_rnnkit.layers.explain import Explanation, explain
from keras_rnnkit.layers.from_keras import from_keras
from keras_rnnkit.layers.gru import GRU
from keras_rnnkit.layers.learned_state import LearnedInitialState
from keras_rnnkit.layers.lstm import LSTM
from keras_rnnkit.layers.min_gru import MinGRU
from keras_rnnkit.layers.min_lstm import MinLSTM
from keras_rnnkit.layers.reset import reset_states
from keras_rnnkit.layers.rnn import RNN
from keras_rnnkit.layers.simple_rnn import SimpleRNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "BidirectionalTrace",
    "Explanation",
    "LearnedInitialState",
    "MinGRU",
    "MinLSTM",
    "SimpleRNN",
    "explain",
    "from_keras",
    "reset_states",
]
