"""The recurrence h = a h + b over time, for every backend: a step, and the backward pass."""

from collections.abc import Callable
from typing import Any

from keras import ops


def linear_step(h: Any, current: Any) -> tuple[Any, Any]:
    """The new state, twice: as the carry of a loop, and as its output.

    Not a closure: eager calls of `lax.scan` compile it once for each shape.
    """
    a, b = current
    h = a * h + b
    return h, h


def linear_backward_pass(
    loop: Callable[..., Any], a: Any, first: Any, states: Any, d_states: Any
) -> tuple[Any, Any, Any]:
    """The gradients by `a`, `b` and the first state: the same recurrence in reverse.

    Args:
        loop: `loop(a, b, first, reverse)`, the backend's loop: the states after all steps.
        a: `(time, batch, units)`.
        first: `(batch, units)`.
        states: The state after every step, `(time, batch, units)`.
        d_states: Its gradient.
    """
    following = ops.concatenate([a[1:], ops.zeros_like(a[:1])])
    d_b = loop(following, d_states, ops.zeros_like(first), reverse=True)
    previous = ops.concatenate([first[None], states[:-1]])
    return previous * d_b, d_b, a[0] * d_b[0]
