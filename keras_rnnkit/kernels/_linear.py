"""The backward pass of h = a h + b over time, for every backend: the same recurrence in reverse."""

from collections.abc import Callable
from typing import Any

from keras import ops


def backward_pass(
    scan: Callable[..., Any], a: Any, first: Any, every: Any, d_every: Any
) -> tuple[Any, Any, Any]:
    """The gradients by `a`, `b` and the first state.

    Args:
        scan: `scan(a, b, first, reverse)`, the backend's loop.
        a: `(time, batch, units)`.
        first: `(batch, units)`.
        every: The state after every step, `(time, batch, units)`.
        d_every: Its gradient.
    """
    after = ops.concatenate([a[1:], ops.zeros_like(a[:1])])
    d_b = scan(after, d_every, ops.zeros_like(first), reverse=True)
    before = ops.concatenate([first[None], every[:-1]])
    return before * d_b, d_b, a[0] * d_b[0]
