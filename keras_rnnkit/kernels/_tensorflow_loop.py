"""A loop over time on TensorFlow that XLA can differentiate.

`keras.ops.scan` does not tell TensorFlow the number of steps, so XLA cannot give the gradient's
stacks a size, and training with `jit_compile=True` fails. The loop here does.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import tree


def loop(
    step: Callable[..., Any],
    carry: Any,
    xs: Any,
    kinds: Any,
    reverse: bool = False,
    parallel: int = 10,
) -> tuple[Any, list[Any]]:
    """Run over time, collecting a list of tensors of the dtypes and shapes in `kinds`.

    TensorFlow may run so many steps in parallel, as far as they do not depend on each other.
    """
    flat = [tf.convert_to_tensor(x) for x in tree.flatten(xs)]
    length = flat[0].shape[0] if flat[0].shape[0] is not None else tf.shape(flat[0])[0]
    sources = [_array(x.dtype, length, x.shape[1:]).unstack(x) for x in flat]

    def body(i: Any, states: Any, targets: Any) -> tuple[Any, Any, Any]:
        t = length - 1 - i if reverse else i
        current = tree.pack_sequence_as(xs, [source.read(t) for source in sources])
        new, outputs = step(tree.pack_sequence_as(carry, list(states)), current)
        new = [_shaped(value, old) for value, old in zip(tree.flatten(new), states, strict=True)]
        targets = [
            target.write(t, value)
            for target, value in zip(targets, tree.flatten(outputs), strict=True)
        ]
        return i + 1, new, targets

    _, last, targets = tf.while_loop(
        lambda i, *_: i < length,
        body,
        (0, tree.flatten(carry), [_array(dtype, length, shape) for dtype, shape in kinds]),
        parallel_iterations=parallel,
        maximum_iterations=length,
    )
    return tree.pack_sequence_as(carry, last), [target.stack() for target in targets]


def _array(dtype: Any, length: Any, shape: Any) -> Any:
    return tf.TensorArray(dtype, size=length, element_shape=shape)


def _shaped(value: Any, old: Any) -> Any:
    """The value with the static shape it had a step ago, which the loop insists on."""
    return tf.ensure_shape(value, old.shape)
