"""Whole sequences on PyTorch: by its own kernels where they serve, else by a loop.

In no case does PyTorch record the steps for the backward pass. Recording costs a small layer time
for each operation, and a large one memory traffic for the gradients.
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
    needs_gradients,
    of_kernel,
    without_autocast,
    without_subnormals,
)
from keras_rnnkit.kernels._torch_calls import TorchCalls
from keras_rnnkit.kernels._torch_gates import native_with_gates
from keras_rnnkit.kernels._torch_linear import linear_recurrence
from keras_rnnkit.kernels._torch_native import native

_NATIVE = {
    "native": native,  # all but a GRU that resets before the product
    "native + gates": native_with_gates,
    "native pair": native,
}


class Torch(TorchCalls):
    """The kernels on PyTorch."""

    # `torch.compile` leaves both to PyTorch as it is, between its graphs: the compiler does not
    # know oneDNN's LSTM, and it would unroll a loop.

    @torch.compiler.disable
    def run(self, plan: Plan, args: Arguments, training: bool) -> tuple[Any, Steps]:
        # Whether a gradient is needed, each tensor says.
        with without_autocast(args.kernel):
            return _NATIVE.get(plan.method, _loop)(plan, args)

    def linear_recurrence(self, a: Any, b: Any, first: Any) -> Any:
        return linear_recurrence(a, b, first)


def _loop(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    """A loop over the steps, with its own backward pass."""
    tensors = _flat(args)
    if not needs_gradients(*tensors):
        return outputs(plan, *_passes(plan)[0](plan, args, save=False))
    structure: list[Any] = []
    flat = iter(_Loop.apply(plan, args, structure, *tensors))
    last, steps = structure[0]
    return _like(last, flat), _like(steps, flat)


class _Loop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: Plan, like: Arguments, structure: Any, *flat: Any) -> Any:
        args = _like(like, iter(flat))
        last, steps = _passes(plan)[0](plan, args, save=True)
        result = outputs(plan, last, steps)
        ctx.plan, zeros = plan, itertools.repeat(0)  # without the tensors, which are saved
        ctx.structure = [_like(parts, zeros) for parts in (args, steps, *result)]
        structure.append(ctx.structure[2:])
        ctx.save_for_backward(*flat, *_flat(steps))
        ctx.set_materialize_grads(plan.method != "preallocated")
        return tuple(_flat(result[0]) + _flat(result[1]))

    @staticmethod
    @of_kernel
    def backward(ctx: Any, *gradients: Any) -> Any:
        plan, saved, given = ctx.plan, iter(ctx.saved_tensors), iter(gradients)
        args, steps = (_like(parts, saved) for parts in ctx.structure[:2])
        d_last, d_steps = (_like(parts, given) for parts in ctx.structure[2:])
        d_first, d_preactivations = _passes(plan)[1](plan, args, steps, d_last, d_steps)
        of_inputs = any(ctx.needs_input_grad[3 : 3 + len(args.inputs)])
        if plan.method == "preallocated" and len(d_preactivations) == 1:
            found = _torch_gru.gradients(args, steps, d_first, d_preactivations[0], of_inputs)
        else:
            found = weight_gradients(plan, args, steps, d_first, d_preactivations)
            if of_inputs:
                found = found._replace(inputs=input_gradients(plan, args, d_preactivations))
        return None, None, None, *_flat(found)


def _flat(parts: Any) -> list[Any]:
    """The tensors of a sequence of tensors and lists of them, without the cost of `keras.tree`."""
    return [t for part in parts for t in (part if isinstance(part, list | tuple) else [part])]


def _like(parts: Any, tensors: Iterator[Any]) -> Any:
    """The same structure, of these tensors."""
    found = [
        [next(tensors) for _ in part] if isinstance(part, list | tuple) else next(tensors)
        for part in parts
    ]
    return found if isinstance(parts, list) else type(parts)(*found)


def _scan(
    step: Callable[..., Any], carry: Any, xs: Any, widths: Any, reverse: bool = False
) -> tuple[Any, Any]:
    steps = list(zip(*(x.unbind(0) for x in tree.flatten(xs)), strict=True))
    found = []
    for current in reversed(steps) if reverse else steps:
        carry, values = step(carry, tree.pack_sequence_as(xs, list(current)))
        found.append(tree.flatten(values))
        if reverse:
            carry = [without_subnormals(gradient) for gradient in carry]
    if reverse:
        found.reverse()
    stacked = [torch.stack(values) for values in zip(*found, strict=True)]
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
