"""Recurrent layers for Keras 3 that show their gates, on TensorFlow, JAX and PyTorch."""

from keras_rnnkit._backend import require_backend

require_backend()

from keras_rnnkit import callbacks, data, plots  # noqa: E402
from keras_rnnkit._version import __version__  # noqa: E402
from keras_rnnkit.cells import (  # noqa: E402
    CoupledLSTMCell,
    ESNCell,
    GRUCell,
    GRUGates,
    GRUTrace,
    LayerNormGRUCell,
    LayerNormLSTMCell,
    LayerNormSimpleRNNCell,
    LSTMCell,
    LSTMGates,
    LSTMTrace,
    NASCell,
    NASGates,
    NASTrace,
    PeepholeLSTMCell,
    ProjectedLSTMCell,
    SimpleRNNCell,
    SimpleRNNGates,
    SimpleRNNTrace,
)
from keras_rnnkit.layers import (  # noqa: E402
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    BidirectionalTrace,
    Explanation,
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
    "CoupledLSTMCell",
    "ESNCell",
    "Explanation",
    "GRUCell",
    "GRUGates",
    "GRUTrace",
    "LSTMCell",
    "LSTMGates",
    "LSTMTrace",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "LayerNormSimpleRNNCell",
    "NASCell",
    "NASGates",
    "NASTrace",
    "PeepholeLSTMCell",
    "ProjectedLSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "SimpleRNNGates",
    "SimpleRNNTrace",
    "__version__",
    "callbacks",
    "data",
    "explain",
    "from_keras",
    "plots",
    "reset_states",
]
