"""Whole sequences on PyTorch: in its own kernels where they serve, else in a loop.

Whichever it is, the backward pass is not recorded step by step: what a small layer costs on
PyTorch is the number of operations, and what a large one costs is the traffic of the gradients.
"""

from collections.abc import Callable
from typing import Any

import torch
from keras import tree

from keras_rnnkit.kernels._cells import LSTM, Functions
from keras_rnnkit.kernels._linear import backward_pass
from keras_rnnkit.kernels._sequence import (
    Arguments,
    Plan,
    Steps,
    backward,
    forward,
    input_gradients,
    shown,
    weight_gradients,
)
from keras_rnnkit.kernels._torch_backward import (
    needs_gradients,
    of_kernel,
    without_autocast,
    without_traces,
)
from keras_rnnkit.kernels._torch_gru import gru
from keras_rnnkit.kernels._torch_lstm import lstm
from keras_rnnkit.kernels._torch_modes import exporting, exporting_to_onnx, transforming
from keras_rnnkit.kernels._torch_native import native

__all__ = [
    "compiled",
    "exporting",
    "exporting_to_onnx",
    "has_onednn",
    "linear_scan",
    "run",
    "together",
    "transforming",
]

_TO = Functions(torch.sigmoid, torch.tanh)


# Beside a graph of `torch.compile`, not in it: the compiler has no LSTM of oneDNN's, and would
# write the steps of a loop out.
@torch.compiler.disable
def run(plan: Plan, args: Arguments, training: bool) -> tuple[Any, Steps]:
    """The last states, and of the steps what the plan asks for.

    Args:
        plan: What is fixed; its method is "native" (all but a GRU that resets before the product),
            "preallocated" (an LSTM, or a GRU that resets after the product), or one of those that
            the backends share.
        args: The tensors, time first.
        training: Not needed here: what the backward pass needs is saved where a gradient is asked.
    """
    how = {"native": native, "preallocated": _in_place}.get(plan.method, _shared)
    with without_autocast(args.kernel):
        return how(plan, args)


def compiled(function: Callable[..., Any], variables: list[Any], xla: bool) -> Callable[..., Any]:
    """The function of tensors without a backward pass; it reads the variables as they then are."""
    return torch.no_grad()(function)


def has_onednn() -> bool:
    """Whether PyTorch has oneDNN, and may use it."""
    return torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled


def _in_place(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    keep = args.keep[0] if args.keep else None
    drop = torch.stack(args.drop) if args.drop else None
    tensors = (args.kernel, args.recurrent_kernel, args.bias, keep, drop)
    if plan.cell is LSTM:
        h, c, gates, *last = lstm(args.inputs, args.states, *tensors)
        states, gates = [h, c], gates.unbind(0)
    else:
        asked = (plan.sequences, plan.capture_gates)
        h, gates, *last = gru(args.inputs, args.states[0], *tensors, *asked)
        states, gates = [h], gates.chunk(3, -1) if plan.capture_gates else ()
    if plan.capture_gates:
        return last, Steps(states, list(gates))
    return last, Steps([h][: int(plan.sequences)])


def _shared(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    tensors = tree.flatten(args)
    if not needs_gradients(*tensors):
        return shown(plan, *forward(plan, args, _TO, _scan, save=False))
    structure: list[Any] = []
    flat = _Differentiable.apply(plan, args, structure, *tensors)
    return tree.pack_sequence_as(structure[0], list(flat))


class _Differentiable(torch.autograd.Function):
    """The shared kernel with its own backward pass."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, like: Arguments, structure: Any, *flat: Any) -> Any:
        last, steps = forward(plan, tree.pack_sequence_as(like, list(flat)), _TO, _scan, save=True)
        result = shown(plan, last, steps)
        structure.append(tree.map_structure(_nothing, result))
        ctx.plan, ctx.structure = plan, tree.map_structure(_nothing, (like, steps, result))
        ctx.save_for_backward(*flat, *tree.flatten(steps))
        return tuple(tree.flatten(result))

    @staticmethod
    @of_kernel
    def backward(ctx: Any, *gradients: Any) -> Any:
        like, steps, result = ctx.structure
        args, steps = tree.pack_sequence_as((like, steps), list(ctx.saved_tensors))
        d_last, d_steps = tree.pack_sequence_as(result, list(gradients))
        d_first, d_pre = backward(ctx.plan, args, steps, d_last, d_steps, _TO, _scan)
        found = weight_gradients(ctx.plan, args, steps, d_first, d_pre)
        if any(ctx.needs_input_grad[3 : 3 + len(args.inputs)]):
            found = found._replace(inputs=input_gradients(ctx.plan, args, d_pre))
        return None, None, None, *tree.flatten(found)


def _nothing(_: Any) -> int:
    """What stands for a tensor in a structure."""
    return 0


def _scan(
    step: Callable[..., Any], carry: Any, xs: Any, widths: Any, reverse: bool = False
) -> tuple[Any, Any]:
    steps = list(zip(*(x.unbind(0) for x in tree.flatten(xs)), strict=True))
    kept = []
    for current in reversed(steps) if reverse else steps:
        carry, values = step(carry, tree.pack_sequence_as(xs, list(current)))
        kept.append(tree.flatten(values))
        if reverse:
            carry = [without_traces(gradient) for gradient in carry]
    if reverse:
        kept.reverse()
    stacked = [torch.stack(values) for values in zip(*kept, strict=True)]
    return carry, tree.pack_sequence_as(widths, stacked)


def together(function: Callable[..., Any], variables: list[Any]) -> Callable[..., Any]:
    """The function itself: PyTorch runs operation by operation."""
    return function


@torch.compiler.disable  # as `run`
def linear_scan(a: Any, b: Any, first: Any) -> Any:
    """H = a h + b, step by step.

    Args:
        a: `(time, batch, units)`.
        b: `(time, batch, units)`.
        first: `(batch, units)`.

    Returns:
        The state after every step, `(time, batch, units)`.
    """
    # Under autocast the gates come in half precision, and the state does not.
    return _Linear.apply(a.to(first.dtype), b.to(first.dtype), first)


class _Linear(torch.autograd.Function):
    """The loop, in place, with its own backward pass."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any, first: Any) -> Any:
        every = _linear(a, b, first)
        ctx.save_for_backward(a, first, every)
        return every

    @staticmethod
    @of_kernel
    def backward(ctx: Any, d_every: Any) -> Any:
        a, first, every = ctx.saved_tensors
        return backward_pass(_linear, a, first, every, d_every)


def _linear(a: Any, b: Any, first: Any, reverse: bool = False) -> Any:
    every = torch.empty_like(b, memory_format=torch.contiguous_format)
    steps = list(zip(a.unbind(0), b.unbind(0), every.unbind(0), strict=True))
    h = first
    for t, (a_t, b_t, h_t) in enumerate(reversed(steps) if reverse else steps):
        torch.addcmul(b_t, a_t, h, out=h_t)
        # What fades takes some twenty steps from here to the subnormal floats' end.
        h = without_traces(h_t) if reverse and t % 8 == 7 else h_t
    return every
