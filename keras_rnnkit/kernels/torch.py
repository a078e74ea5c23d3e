"""Whole sequences on PyTorch: by its own kernels where they serve, else by a loop.

In no case does PyTorch record the steps for the backward pass. Recording costs a small layer time
for each operation, and a large one memory traffic for the gradients.
"""

from collections.abc import Callable
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
    tensors = tree.flatten(args)
    if not needs_gradients(*tensors):
        return outputs(plan, *_passes(plan)[0](plan, args, save=False))
    structure: list[Any] = []
    flat = _Loop.apply(plan, args, structure, *tensors)
    return tree.pack_sequence_as(structure[0], list(flat))


class _Loop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: Plan, like: Arguments, structure: Any, *flat: Any) -> Any:
        args = tree.pack_sequence_as(like, list(flat))
        last, steps = _passes(plan)[0](plan, args, save=True)
        result = outputs(plan, last, steps)
        structure.append(tree.map_structure(_nothing, result))
        ctx.plan, ctx.structure = plan, tree.map_structure(_nothing, (like, steps, result))
        ctx.save_for_backward(*flat, *tree.flatten(steps))
        ctx.set_materialize_grads(plan.method != "preallocated")
        return tuple(tree.flatten(result))

    @staticmethod
    @of_kernel
    def backward(ctx: Any, *gradients: Any) -> Any:
        plan, (like, steps, result) = ctx.plan, ctx.structure
        args, steps = tree.pack_sequence_as((like, steps), list(ctx.saved_tensors))
        d_last, d_steps = tree.pack_sequence_as(result, list(gradients))
        d_first, d_preactivations = _passes(plan)[1](plan, args, steps, d_last, d_steps)
        found = weight_gradients(plan, args, steps, d_first, d_preactivations)
        if any(ctx.needs_input_grad[3 : 3 + len(args.inputs)]):
            found = found._replace(inputs=input_gradients(plan, args, d_preactivations))
        return None, None, None, *tree.flatten(found)


def _nothing(_: Any) -> int:
    """A placeholder for a tensor in a structure."""
    return 0


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
