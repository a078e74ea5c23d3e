"""Recurrent layers for Keras 3 that expose their gates, on TensorFlow, JAX and PyTorch."""

import importlib
from typing import TYPE_CHECKING

from keras_rnnkit._backend import require_backend

require_backend()

from keras_rnnkit import callbacks, data, plots  # noqa: E402
from keras_rnnkit._version import __version__  # noqa: E402
from keras_rnnkit.cells import (  # noqa: E402
    CoupledLSTMCell,
    ESNCell,
    GatedCell,
    GRUCell,
    GRUGates,
    GRUTrace,
    LayerNormGRUCell,
    LayerNormLSTMCell,
    LayerNormSimpleRNNCell,
    LSTMCell,
    LSTMGates,
    LSTMTrace,
    Masks,
    MinGRUCell,
    MinGRUGates,
    MinGRUTrace,
    MinLSTMCell,
    MinLSTMGates,
    MinLSTMTrace,
    NASCell,
    NASGates,
    NASTrace,
    PeepholeLSTMCell,
    ProjectedLSTMCell,
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
    BidirectionalStates,
    BidirectionalTrace,
    Embedding,
    LearnedInitialState,
    MinGRU,
    MinLSTM,
    SimpleRNN,
    StackedRNN,
    TimeDistributed,
    merge_states,
)
from keras_rnnkit.models import (  # noqa: E402
    Ablated,
    Ablation,
    Attribution,
    Change,
    Edited,
    Explanation,
    FieldStatistics,
    Influence,
    LayerStatistics,
    Stream,
    Traces,
    TraceStatistics,
    ablate,
    attribute,
    edit,
    explain,
    from_keras,
    influence,
    reset_states,
    stream,
    trace,
    trace_batches,
    trace_gradients,
)

if TYPE_CHECKING:
    from keras_rnnkit.interop import export_onnx
    from keras_rnnkit.text import TextClassifier, TextExplanation
else:
    _LAZY = {
        "TextClassifier": "text",
        "TextExplanation": "text",
        "export_onnx": "interop",
    }

    def __getattr__(name: str) -> object:
        """Load a package when one of its names is used, and with it the libraries it needs."""
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)


__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Ablated",
    "Ablation",
    "Attribution",
    "Bidirectional",
    "BidirectionalStates",
    "BidirectionalTrace",
    "Change",
    "CoupledLSTMCell",
    "ESNCell",
    "Edited",
    "Embedding",
    "Explanation",
    "FieldStatistics",
    "GRUCell",
    "GRUGates",
    "GRUTrace",
    "GatedCell",
    "Influence",
    "LSTMCell",
    "LSTMGates",
    "LSTMTrace",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "LayerNormSimpleRNNCell",
    "LayerStatistics",
    "LearnedInitialState",
    "Masks",
    "MinGRU",
    "MinGRUCell",
    "MinGRUGates",
    "MinGRUTrace",
    "MinLSTM",
    "MinLSTMCell",
    "MinLSTMGates",
    "MinLSTMTrace",
    "NASCell",
    "NASGates",
    "NASTrace",
    "PeepholeLSTMCell",
    "ProjectedLSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "SimpleRNNGates",
    "SimpleRNNTrace",
    "StackedRNN",
    "Stream",
    "TextClassifier",
    "TextExplanation",
    "TimeDistributed",
    "TraceStatistics",
    "Traces",
    "Zoneout",
    "__version__",
    "ablate",
    "attribute",
    "callbacks",
    "data",
    "edit",
    "explain",
    "export_onnx",
    "from_keras",
    "influence",
    "merge_states",
    "plots",
    "reset_states",
    "stream",
    "trace",
    "trace_batches",
    "trace_gradients",
]
