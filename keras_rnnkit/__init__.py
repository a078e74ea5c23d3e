"""Recurrent layers for Keras 3 that show their gates, on TensorFlow, JAX and PyTorch."""

from keras_rnnkit._backend import require_backend

require_backend()

from keras_rnnkit import callbacks, data, plots  # noqa: E402
from keras_rnnkit._version import __version__  # noqa: E402
from keras_rnnkit.cells import (  # noqa: E402
    GRUCell,
    GRUGates,
    GRUTrace,
    LSTMCell,
    LSTMGates,
    LSTMTrace,
    MinGRUCell,
    MinGRUGates,
    MinGRUTrace,
    MinLSTMCell,
    MinLSTMGates,
    MinLSTMTrace,
    SimpleRNNCell,
    SimpleRNNGates,
    SimpleRNNTrace,
    Zoneout,
)
from keras_rnnkit.layers import (  # noqa: E402
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    BidirectionalTrace,
    Explanation,
    LearnedInitialState,
    MinGRU,
    MinLSTM,
    SimpleRNN,
    explain,
    from_keras,
    reset_states,
)

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "BidirectionalTrace",
    "Explanation",
    "GRUCell",
    "GRUGates",
    "GRUTrace",
    "LSTMCell",
    "LSTMGates",
    "LSTMTrace",
    "LearnedInitialState",
    "MinGRU",
    "MinGRUCell",
    "MinGRUGates",
    "MinGRUTrace",
    "MinLSTM",
    "MinLSTMCell",
    "MinLSTMGates",
    "MinLSTMTrace",
    "SimpleRNN",
    "SimpleRNNCell",
    "SimpleRNNGates",
    "SimpleRNNTrace",
    "Zoneout",
    "__version__",
    "callbacks",
    "data",
    "explain",
    "from_keras",
    "plots",
    "reset_states",
]
