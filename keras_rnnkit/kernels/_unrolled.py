"""A loop over time in Python, whose steps a graph writes out."""

from collections.abc import Callable
from typing import Any

from keras import ops, tree


def unrolled(step: Callable[..., Any], init: Any, xs: Any) -> tuple[Any, Any]:
    """Like `keras.ops.scan`, step by step.

    Args:
        step: Takes the carry and a slice of `xs`, and returns the new carry and what to stack.
        init: The first carry, a structure of tensors.
        xs: A tuple of tensors `(time, ...)`.
    """
    carry, steps = init, []
    for current in zip(*map(ops.unstack, xs), strict=True):
        carry, output = step(carry, current)
        steps.append(output)
    return carry, tree.map_structure(lambda *values: ops.stack(values), *steps)
