"""Functions that take a whole model."""

from keras_rnnkit.models.conversion import from_keras
from keras_rnnkit.models.explanation import Explanation, explain
from keras_rnnkit.models.monitoring import GateMonitor
from keras_rnnkit.models.reset import reset_states
from keras_rnnkit.models.statistics import FieldStatistics, LayerStatistics, TraceStatistics
from keras_rnnkit.models.streaming import Stream, stream
from keras_rnnkit.models.traces import Traces
from keras_rnnkit.models.tracing import trace, trace_batches

__all__ = [
    "Explanation",
    "FieldStatistics",
    "GateMonitor",
    "LayerStatistics",
    "Stream",
    "TraceStatistics",
    "Traces",
    "explain",
    "from_keras",
    "reset_states",
    "stream",
    "trace",
    "trace_batches",
]
