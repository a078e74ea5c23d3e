"""A scan for TensorFlow that XLA can differentiate.

`keras.ops.scan` does not tell TensorFlow the number of steps, so XLA cannot give the gradient's
stacks a size, and training with `jit_compile=True` fails. This one does.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import tree


def scan(step: Callable[..., Any], init: Any, xs: Any) -> tuple[Any, Any]:
    """Like `keras.ops.scan`, for a step whose output is its carry.

    Args:
        step: Takes the carry and a slice of `xs`, and returns the new carry twice.
        init: The first carry, a structure of tensors.
        xs: A structure of tensors `(time, ...)`.

    Returns:
        The last carry, and the carries of every step, each `(time, ...)`.
    """
    flat = [tf.convert_to_tensor(x) for x in tree.flatten(xs)]
    length = flat[0].shape[0] if flat[0].shape[0] is not None else tf.shape(flat[0])[0]
    sources = [_array(x.dtype, length, x.shape[1:]).unstack(x) for x in flat]
    carry = [tf.convert_to_tensor(value) for value in tree.flatten(init)]

    def body(t: Any, carry: Any, targets: Any) -> tuple[Any, Any, Any]:
        current = tree.pack_sequence_as(xs, [source.read(t) for source in sources])
        new, _ = step(tree.pack_sequence_as(init, list(carry)), current)
        new = [_shaped(value, old) for value, old in zip(tree.flatten(new), carry, strict=True)]
        targets = [target.write(t, value) for target, value in zip(targets, new, strict=True)]
        return t + 1, new, targets

    _, last, targets = tf.while_loop(
        lambda t, *_: t < length,
        body,
        (0, carry, [_array(value.dtype, length, value.shape) for value in carry]),
        maximum_iterations=length,
    )
    steps = [target.stack() for target in targets]
    return tree.pack_sequence_as(init, last), tree.pack_sequence_as(init, steps)


def _array(dtype: Any, length: Any, shape: Any) -> Any:
    return tf.TensorArray(dtype, size=length, element_shape=shape)


def _shaped(value: Any, old: Any) -> Any:
    """The value with the static shape it had a step ago, which the loop insists on."""
    return tf.ensure_shape(value, old.shape)
