"""Whole sequences on PyTorch: by its own kernels where they serve, else by a loop.

In no case does PyTorch record the steps for the backward pass. Recording costs a small layer time
for each operation, and a large one memory traffic for the gradients.
"""

from collections.abc import Callable
from typing import Any

import torch
from keras import tree

from keras_rnnkit.kernels._arguments import Arguments, Plan, Steps, outputs
from keras_rnnkit.kernels._cells import LSTM, Functions
from keras_rnnkit.kernels._defaults import (
    as_one_program,
    call_compiled,
    recompiles_loops,
    with_batch_size,
)
from keras_rnnkit.kernels._gradients import input_gradients, weight_gradients
from keras_rnnkit.kernels._sequence import backward, forward
from keras_rnnkit.kernels._torch_backward import (
    needs_gradients,
    of_kernel,
    without_autocast,
    without_subnormals,
)
from keras_rnnkit.kernels._torch_calls import compiled, has_onednn, on_gpu, value_and_gradients
from keras_rnnkit.kernels._torch_gates import native_with_gates
from keras_rnnkit.kernels._torch_gru import gru
from keras_rnnkit.kernels._torch_linear import linear_scan
from keras_rnnkit.kernels._torch_lstm import lstm
from keras_rnnkit.kernels._torch_modes import exporting, exporting_to_onnx, transforming
from keras_rnnkit.kernels._torch_native import native, native_pair
from keras_rnnkit.kernels._unrolled import unrolled as scan

__all__ = [
    "as_one_program",
    "call_compiled",
    "compiled",
    "exporting",
    "exporting_to_onnx",
    "has_onednn",
    "linear_scan",
    "on_gpu",
    "recompiles_loops",
    "run",
    "scan",
    "transforming",
    "value_and_gradients",
    "with_batch_size",
]

_TO = Functions(torch.sigmoid, torch.tanh)


# `torch.compile` calls it from between its graphs: the compiler does not know oneDNN's LSTM, and it
# would unroll a loop.
@torch.compiler.disable
def run(plan: Plan, args: Arguments, training: bool) -> tuple[Any, Steps]:
    """The last states, and of the steps what the plan asks for.

    Args:
        plan: What is fixed; its method is "native" (all but a GRU that resets before the product),
            "native + gates", "native pair" or "preallocated" (an LSTM, or a GRU that resets after
            the product), or one of those that the backends share.
        args: The tensors, time first.
        training: Unused: PyTorch says of each tensor whether it needs a gradient.
    """
    with without_autocast(args.kernel):
        return _METHODS.get(plan.method, _shared)(plan, args)


def _preallocated(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    """A loop over the steps that writes into preallocated buffers."""
    keep = args.mask[0] if args.mask else None
    drop = torch.stack(args.recurrent_masks) if args.recurrent_masks else None
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
    return last, Steps([h] if plan.sequences else [])


def _shared(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    tensors = tree.flatten(args)
    if not needs_gradients(*tensors):
        return outputs(plan, *forward(plan, args, _TO, _scan, save=False))
    structure: list[Any] = []
    flat = _Differentiable.apply(plan, args, structure, *tensors)
    return tree.pack_sequence_as(structure[0], list(flat))


class _Differentiable(torch.autograd.Function):
    """The shared kernel with its own backward pass."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, like: Arguments, structure: Any, *flat: Any) -> Any:
        last, steps = forward(plan, tree.pack_sequence_as(like, list(flat)), _TO, _scan, save=True)
        result = outputs(plan, last, steps)
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
    """A placeholder for a tensor in a structure."""
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
            carry = [without_subnormals(gradient) for gradient in carry]
    if reverse:
        kept.reverse()
    stacked = [torch.stack(values) for values in zip(*kept, strict=True)]
    return carry, tree.pack_sequence_as(widths, stacked)


_METHODS = {
    "native": native,
    "native + gates": native_with_gates,
    "native pair": native_pair,
    "preallocated": _preallocated,
}
