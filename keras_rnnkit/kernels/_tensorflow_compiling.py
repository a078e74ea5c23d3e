"""What XLA compiles on TensorFlow: kernels of a fixed number of steps, in graphs that stay here.

XLA compiles for each shape by itself, which takes as long as hundreds of batches. Where lengths
change, and in a graph for export, whose readers know no XLA, the same operations run as they are.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import tensorflow as tf

# The packages, or modules, that write a traced graph to a file.
_EXPORTERS = ("keras.src.export.", "tensorflow.python.saved_model.", "tensorflow.lite.", "tf2onnx.")


def compiles(steps: int | None) -> bool:
    """Whether a kernel over so many steps, `None` where that is not known, is to be compiled."""
    return steps is not None and not tf.executing_eagerly() and not _exporting()


def by_xla(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as an XLA program, once a shape."""
    return tf.function(function, jit_compile=True, autograph=False)


def _exporting() -> bool:
    """Whether this graph is traced for a file: no state of TensorFlow or Keras says so."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if f"{frame.f_globals.get('__name__')}.".startswith(_EXPORTERS):
            return True
        frame = frame.f_back
    return False
