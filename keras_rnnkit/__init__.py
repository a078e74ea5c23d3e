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
    SimpleRNNCell,
    SimpleRNNGates,
    SimpleRNNTrace,
)
from keras_rnnkit.layers import (  # noqa: E402
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    BidirectionalStates,
    BidirectionalTrace,
    Explanation,
    SimpleRNN,
    StackedRNN,
    Stream,
    explain,
    from_keras,
    merge_states,
    reset_states,
    stream,
)

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "BidirectionalStates",
    "BidirectionalTrace",
    "Explanation",
    "GRUCell",
    "GRUGates",
    "GRUTrace",
    "LSTMCell",
    "LSTMGates",
    "LSTMTrace",
    "SimpleRNN",
    "SimpleRNNCell",
    "SimpleRNNGates",
    "SimpleRNNTrace",
    "StackedRNN",
    "Stream",
    "__version__",
    "callbacks",
    "data",
    "explain",
    "from_keras",
    "merge_states",
    "plots",
    "reset_states",
    "stream",
]
