"""Presets of plain Keras callbacks for `model.fit(callbacks=...)`."""

from keras_rnnkit.callbacks.presets import chapter, standard
from keras_rnnkit.callbacks.progress_line import progress
from keras_rnnkit.callbacks.resuming import resumable
from keras_rnnkit.models import GateMonitor

__all__ = ["GateMonitor", "chapter", "progress", "resumable", "standard"]
