"""The recurrence h = a h + b over time on PyTorch, with its own backward pass."""

from typing import Any

import torch

from keras_rnnkit.kernels._linear import linear_backward_pass
from keras_rnnkit.kernels._torch_backward import flush_to_zero, kernel_backward


@torch.compiler.disable  # the compiler would unroll the loop
def linear_recurrence(a: Any, b: Any, first: Any, associative: bool = False) -> Any:
    """The state after every step, `(time, batch, units)`, in the dtype of the first state.

    `associative` takes a few operations on all steps, instead of one for each step: on a GPU and
    for a small state this is faster.
    """
    method = _associative if associative else _sequential
    # Under autocast the gates are in half precision, and the state is not.
    return _LinearRecurrence.apply(method, a.to(first.dtype), b.to(first.dtype), first)


class _LinearRecurrence(torch.autograd.Function):
    """The backward pass is the same recurrence in reverse."""

    @staticmethod
    def forward(ctx: Any, method: Any, a: Any, b: Any, first: Any) -> Any:
        states = method(a, b, first)
        ctx.method = method
        ctx.save_for_backward(a, first, states)
        return states

    @staticmethod
    @kernel_backward
    def backward(ctx: Any, d_states: Any) -> Any:
        a, first, states = ctx.saved_tensors
        return None, *linear_backward_pass(ctx.method, a, first, states, d_states)


def _sequential(a: Any, b: Any, first: Any, reverse: bool = False) -> Any:
    """Step by step, into a preallocated buffer."""
    states = torch.empty_like(b, memory_format=torch.contiguous_format)
    steps = list(zip(a.unbind(0), b.unbind(0), states.unbind(0), strict=True))
    h = first
    for t, (a_t, b_t, h_t) in enumerate(reversed(steps) if reverse else steps):
        torch.addcmul(b_t, a_t, h, out=h_t)
        # A gradient that vanishes is subnormal for some twenty steps: it is set to zero before.
        h = flush_to_zero(h_t) if reverse and t % 8 == 7 else h_t
    return states


def _associative(a: Any, b: Any, first: Any, reverse: bool = False) -> Any:
    """An associative scan in log2(time) rounds (Hillis and Steele, 1986).

    In each round every step is combined with the one `reach` steps before it, by `a2 (a1 h + b1) +
    b2 = (a2 a1) h + (a2 b1 + b2)`, so that it then covers twice as many steps.
    """
    if reverse:
        return _associative(a.flip(0), b.flip(0), first).flip(0)
    b = torch.cat([torch.addcmul(b[:1], a[:1], first[None]), b[1:]])
    reach = 1
    while reach < len(b):
        b = torch.cat([b[:reach], torch.addcmul(b[reach:], a[reach:], b[:-reach])])
        a = torch.cat([a[:reach], a[reach:] * a[:-reach]])
        reach *= 2
    return b
