"""Functions that take a whole model."""

from keras_rnnkit.models._attribute_result import Attribution
from keras_rnnkit.models._changes import Change
from keras_rnnkit.models.ablation import Ablated, Ablation, ablate
from keras_rnnkit.models.attribution import attribute
from keras_rnnkit.models.chunking import fit_chunks
from keras_rnnkit.models.conversion import from_keras
from keras_rnnkit.models.editing import Edited, edit
from keras_rnnkit.models.explanation import Explanation, explain
from keras_rnnkit.models.gradients import trace_gradients
from keras_rnnkit.models.influences import Influence, influence
from keras_rnnkit.models.monitoring import GateMonitor
from keras_rnnkit.models.padding import PaddingFinding, PaddingReport, check_padding
from keras_rnnkit.models.reset import reset_states
from keras_rnnkit.models.statistics import FieldStatistics, LayerStatistics, TraceStatistics
from keras_rnnkit.models.streaming import Stream, stream
from keras_rnnkit.models.traces import Traces
from keras_rnnkit.models.tracing import trace, trace_batches

__all__ = [
    "Ablated",
    "Ablation",
    "Attribution",
    "Change",
    "Edited",
    "Explanation",
    "FieldStatistics",
    "GateMonitor",
    "Influence",
    "LayerStatistics",
    "PaddingFinding",
    "PaddingReport",
    "Stream",
    "TraceStatistics",
    "Traces",
    "ablate",
    "attribute",
    "check_padding",
    "edit",
    "explain",
    "fit_chunks",
    "from_keras",
    "influence",
    "reset_states",
    "stream",
    "trace",
    "trace_batches",
    "trace_gradients",
]
