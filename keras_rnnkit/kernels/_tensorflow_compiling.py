"""Which kernels XLA compiles on TensorFlow: those of a fixed length, or of one that comes often.

XLA compiles each shape separately, which takes as long as hundreds of batches. A graph of a fixed
length compiles its kernels. A graph of any length counts how often each shape comes, and compiles
for those that come often. For other shapes the same operations run uncompiled. So they do in a
graph for export, because programs that read exported graphs have no XLA.
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
    """The functions to call for such a tensor: compiled, plain, or chosen when the graph runs.

    Args:
        tensor: `(time, batch, ...)`, where both may be unknown.
        compiled: Functions by `by_xla`.
        plain: The same functions, uncompiled.

    Returns:
        As many functions. Those chosen when the graph runs share one count for each shape.
    """
    if compiles(tensor.shape[0]):
        return tuple(compiled)
    if tensor.shape[0] is not None or not _counts():
        return tuple(plain)
    often = _often(tf.shape(tensor, out_type=tf.int64))
    return tuple(either(often, *pair) for pair in zip(compiled, plain, strict=True))


def _counts() -> bool:
    """Whether this graph may count shapes: not if XLA compiles it as a whole, for each shape."""
    graph = tf.compat.v1.get_default_graph
    return not (tf.executing_eagerly() or _exporting() or GraphOrParentsInXlaContext(graph()))


def either(
    condition: Any, first: Callable[..., Any], second: Callable[..., Any]
) -> Callable[..., Any]:
    """The first function where the condition holds when the graph runs, else the second.

    XLA compiles a function only when it is called.
    """
    return lambda *args: tf.cond(condition, lambda: first(*args), lambda: second(*args))


def _often(shape: Any) -> Any:
    """Count this shape, and return whether it is one of those to compile.

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
        values = tf.raw_ops.LookupTableFindV2(table_handle=table, keys=keys, default_value=zero)
        count, used = values[0] + 1, values[1]
        is_new = (count == OFTEN) & (used < MOST)
        often = is_new | (count > OFTEN)
        # Once `MOST` shapes are compiled, the count of another one stays below `OFTEN`.
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
