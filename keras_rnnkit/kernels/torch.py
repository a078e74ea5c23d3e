"""Whole sequences on PyTorch: by oneDNN or cuDNN where they support the call, else by a loop.

The loop is an `autograd.Function`, so autograd records one node instead of one for each operation
of each step. Recording them would cost time for each operation, which a small layer notices, and
memory traffic for the gradients, which a large one does.
"""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from keras import tree

from keras_rnnkit.kernels import _torch_gru, _torch_lstm
from keras_rnnkit.kernels._arguments import Arguments, Plan, Steps, outputs
from keras_rnnkit.kernels._cells import LSTM, Functions
from keras_rnnkit.kernels._gradients import input_gradients, weight_gradients
from keras_rnnkit.kernels._sequence import backward_pass, forward_pass
from keras_rnnkit.kernels._torch_backward import (
    flush_to_zero,
    kernel_backward,
    needs_gradients,
    without_autocast,
)
from keras_rnnkit.kernels._torch_calls import TorchCalls
from keras_rnnkit.kernels._torch_gates import native_with_gates
from keras_rnnkit.kernels._torch_linear import linear_recurrence
from keras_rnnkit.kernels._torch_native import native

_NATIVE = {
    "native": native,  # not for a GRU with reset_after=False
    "native + gates": native_with_gates,
    "native pair": native,
}


class Torch(TorchCalls):
    """The kernels on PyTorch."""

    # Both are graph breaks for `torch.compile`, and run eagerly: the compiler does not support
    # oneDNN's LSTM, and would unroll a loop.

    @torch.compiler.disable
    def run(self, plan: Plan, args: Arguments, training: bool) -> tuple[Any, Steps]:
        # `training` is not needed: `requires_grad` of the tensors says if there is a backward pass.
        with without_autocast(args.kernel):
            return _NATIVE.get(plan.method, _loop)(plan, args)

    def linear_recurrence(self, a: Any, b: Any, first: Any) -> Any:
        return linear_recurrence(a, b, first)


def _loop(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    """A loop over the steps, with its own backward pass."""
    tensors = _flatten(args)
    if not needs_gradients(*tensors):
        return outputs(plan, *_passes(plan)[0](plan, args, save=False))
    structure: list[Any] = []
    flat = iter(_LoopFunction.apply(plan, args, structure, *tensors))
    last, steps = structure[0]
    return _unflatten(last, flat), _unflatten(steps, flat)


class _LoopFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: Plan, like: Arguments, structure: Any, *flat: Any) -> Any:
        # A Function takes and returns flat tensors: `like` has the structure of the arguments, and
        # that of the results is appended to the list `structure`.
        args = _unflatten(like, iter(flat))
        last, steps = _passes(plan)[0](plan, args, save=True)
        result = outputs(plan, last, steps)
        ctx.plan, zeros = plan, itertools.repeat(0)  # the tensors themselves are in `saved_tensors`
        ctx.structure = [_unflatten(parts, zeros) for parts in (args, steps, *result)]
        structure.append(ctx.structure[2:])
        ctx.save_for_backward(*flat, *_flatten(steps))
        ctx.set_materialize_grads(plan.method != "preallocated")
        return tuple(_flatten(result[0]) + _flatten(result[1]))

    @staticmethod
    @kernel_backward
    def backward(ctx: Any, *gradients: Any) -> Any:
        plan, saved, given = ctx.plan, iter(ctx.saved_tensors), iter(gradients)
        args, steps = (_unflatten(parts, saved) for parts in ctx.structure[:2])
        d_last, d_steps = (_unflatten(parts, given) for parts in ctx.structure[2:])
        d_first, d_preactivations = _passes(plan)[1](plan, args, steps, d_last, d_steps)
        of_inputs = any(ctx.needs_input_grad[3 : 3 + len(args.inputs)])
        if plan.method == "preallocated" and len(d_preactivations) == 1:
            result = _torch_gru.gradients(args, steps, d_first, d_preactivations[0], of_inputs)
        else:
            result = weight_gradients(plan, args, steps, d_first, d_preactivations)
            if of_inputs:
                result = result._replace(inputs=input_gradients(plan, args, d_preactivations))
        return None, None, None, *_flatten(result)


def _flatten(parts: Any) -> list[Any]:
    """The tensors of a sequence of tensors and lists of them; faster than `keras.tree.flatten`."""
    return [t for part in parts for t in (part if isinstance(part, list | tuple) else [part])]


def _unflatten(parts: Any, tensors: Iterator[Any]) -> Any:
    """The structure of `parts`, filled with the next ones of `tensors`."""
    filled = [
        [next(tensors) for _ in part] if isinstance(part, list | tuple) else next(tensors)
        for part in parts
    ]
    return filled if isinstance(parts, list) else type(parts)(*filled)


def _scan(
    step: Callable[..., Any], carry: Any, xs: Any, widths: Any, reverse: bool = False
) -> tuple[Any, Any]:
    steps = list(zip(*(x.unbind(0) for x in tree.flatten(xs)), strict=True))
    collected = []
    for current in reversed(steps) if reverse else steps:
        carry, values = step(carry, tree.pack_sequence_as(xs, list(current)))
        collected.append(tree.flatten(values))
        if reverse:
            carry = [flush_to_zero(gradient) for gradient in carry]
    if reverse:
        collected.reverse()
    stacked = [torch.stack(values) for values in zip(*collected, strict=True)]
    return carry, tree.pack_sequence_as(widths, stacked)


_FUNCTIONS = Functions(torch.sigmoid, torch.tanh)
_SHARED = (
    partial(forward_pass, functions=_FUNCTIONS, loop=_scan),
    partial(backward_pass, functions=_FUNCTIONS, loop=_scan),
)


def _passes(plan: Plan) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The forward and the backward pass of a loop: one that preallocates, or the shared one."""
    if plan.method != "preallocated":
        return _SHARED
    kernel = _torch_lstm if plan.cell is LSTM else _torch_gru
    return kernel.forward_pass, kernel.backward_pass


KERNELS = Torch()
