"""What XLA compiles on TensorFlow: kernels of lengths that pay for it, in graphs that stay here.

XLA compiles for each shape by itself, which takes as long as hundreds of batches. A graph of one
length compiles it at once. A graph of any length counts, whenever it runs, how often the shape
came, and compiles those that came often. For the others, and in a graph for export, whose readers
know no XLA, the same operations run as they are.
"""

import sys
import uuid
from collections.abc import Callable
from types import FrameType
from typing import Any

import tensorflow as tf
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

# A shape is compiled when it comes for the `OFTEN`-th time, when compiling it before would just
# have paid, as long as a layer has compiled fewer than `MOST`. Set with
# `benchmarks/changing_lengths.py`.
OFTEN, MOST = 100, 24

# The packages, or modules, that write a traced graph to a file.
_EXPORTERS = ("keras.src.export.", "tensorflow.python.saved_model.", "tensorflow.lite.", "tf2onnx.")


def compiles(steps: int | None) -> bool:
    """Whether a kernel over so many steps, `None` where that is not known, is to be compiled."""
    return steps is not None and not tf.executing_eagerly() and not _exporting()


def by_xla(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as an XLA program, once a shape."""
    compiled = tf.function(function, jit_compile=True, autograph=False)

    def call(*args: Any) -> Any:
        # As tensors of this graph: the gradient of a `tf.cond` cannot hand those of its branch to
        # a compiled function.
        return compiled(*tf.nest.map_structure(_local, args))

    return call


def _local(value: Any) -> Any:
    return tf.identity(value) if tf.is_tensor(value) else value


def for_steps(tensor: Any, compiled: Any, plain: Any) -> tuple[Callable[..., Any], ...]:
    """Those of two sequences of functions to call for such a tensor, or a choice between them.

    Args:
        tensor: `(time, batch, ...)`, where both may be unknown.
        compiled: Functions by `by_xla`.
        plain: The same functions as they are.

    Returns:
        As many functions. Those that choose do so by one count, of the calls of this function.
    """
    if compiles(tensor.shape[0]):
        return tuple(compiled)
    if tensor.shape[0] is not None or not _counts():
        return tuple(plain)
    often = _often(tf.shape(tensor, out_type=tf.int64))
    return tuple(_either(often, *pair) for pair in zip(compiled, plain, strict=True))


def _counts() -> bool:
    """Whether this graph may count: not where it is compiled as a whole, for each shape anyway."""
    graph = tf.compat.v1.get_default_graph
    return not (tf.executing_eagerly() or _exporting() or GraphOrParentsInXlaContext(graph()))


def _either(
    often: Any, compiled: Callable[..., Any], plain: Callable[..., Any]
) -> Callable[..., Any]:
    """One of the two, as the graph runs: what is not called is not compiled."""
    return lambda *args: tf.cond(often, lambda: compiled(*args), lambda: plain(*args))


def _often(shape: Any) -> Any:
    """Count this shape, and tell whether it is one of those to compile.

    Args:
        shape: `(time, batch, ...)`, an int64 tensor.
    """
    with tf.device("/CPU:0"):  # where tables are
        # It belongs to the graph, by its name: a variable would have to be saved with the model.
        table = tf.raw_ops.MutableHashTableV2(
            key_dtype=tf.int64, value_dtype=tf.int64, shared_name=f"lengths_{uuid.uuid4().hex}"
        )
        keys = tf.stack([shape[0] * 2**32 + shape[1], -1])  # under -1: how many are compiled
        zero = tf.zeros([], tf.int64)
        found = tf.raw_ops.LookupTableFindV2(table_handle=table, keys=keys, default_value=zero)
        count, used = found[0] + 1, found[1]
        is_new = (count == OFTEN) & (used < MOST)
        often = is_new | (count > OFTEN)
        # What finds no place stays below.
        count = tf.where(often, tf.cast(OFTEN, tf.int64), tf.minimum(count, OFTEN - 1))
        values = tf.stack([count, used + tf.cast(is_new, tf.int64)])
        tf.raw_ops.LookupTableInsertV2(table_handle=table, keys=keys, values=values)
    return often


def _exporting() -> bool:
    """Whether this graph is traced for a file: no state of TensorFlow or Keras says so."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if f"{frame.f_globals.get('__name__')}.".startswith(_EXPORTERS):
            return True
        frame = frame.f_back
    return False
