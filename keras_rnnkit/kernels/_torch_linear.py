"""The recurrence h = a h + b over time on PyTorch, with its own backward pass."""

from typing import Any

import torch

from keras_rnnkit.kernels._linear import backward_pass
from keras_rnnkit.kernels._torch_backward import of_kernel, without_subnormals


@torch.compiler.disable  # the compiler would write the steps of the loop out
def linear_scan(a: Any, b: Any, first: Any) -> Any:
    """The state after every step, `(time, batch, units)`, in the dtype of the first state."""
    # Under autocast the gates are in half precision, and the state is not.
    return _Linear.apply(_sequential, a.to(first.dtype), b.to(first.dtype), first)


@torch.compiler.disable
def associative_scan(a: Any, b: Any, first: Any) -> Any:
    """The same by a few operations on all steps, instead of one for each step, as suits a GPU."""
    return _Linear.apply(_associative, a.to(first.dtype), b.to(first.dtype), first)


class _Linear(torch.autograd.Function):
    """A scan whose backward pass is the same scan in reverse."""

    @staticmethod
    def forward(ctx: Any, scan: Any, a: Any, b: Any, first: Any) -> Any:
        every = scan(a, b, first)
        ctx.scan = scan
        ctx.save_for_backward(a, first, every)
        return every

    @staticmethod
    @of_kernel
    def backward(ctx: Any, d_every: Any) -> Any:
        a, first, every = ctx.saved_tensors
        return None, *backward_pass(ctx.scan, a, first, every, d_every)


def _sequential(a: Any, b: Any, first: Any, reverse: bool = False) -> Any:
    """Step by step, into a preallocated buffer."""
    every = torch.empty_like(b, memory_format=torch.contiguous_format)
    steps = list(zip(a.unbind(0), b.unbind(0), every.unbind(0), strict=True))
    h = first
    for t, (a_t, b_t, h_t) in enumerate(reversed(steps) if reverse else steps):
        torch.addcmul(b_t, a_t, h, out=h_t)
        # A fading gradient is zeroed before it reaches the subnormal floats, some twenty steps on.
        h = without_subnormals(h_t) if reverse and t % 8 == 7 else h_t
    return every


def _associative(a: Any, b: Any, first: Any, reverse: bool = False) -> Any:
    """In log2(time) rounds (Hillis and Steele, 1986).

    Two steps in a row are one step of the same form: `a2 (a1 h + b1) + b2 = (a2 a1) h + (a2 b1 +
    b2)`. After each round a step covers twice as many steps as before, up to itself.
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
