"""Whole sequences on PyTorch: in its own kernels where they serve, else in a loop.

Whichever it is, the backward pass is not recorded step by step: what a small layer costs on
PyTorch is the number of operations, and what a large one costs is the traffic of the gradients.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from keras import tree

from keras_rnnkit.kernels._cells import LSTM, Functions
from keras_rnnkit.kernels._linear import way_back
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
from keras_rnnkit.kernels._torch_gru import gru
from keras_rnnkit.kernels._torch_lstm import lstm
from keras_rnnkit.kernels._torch_way_back import (
    check_first_order,
    needs_gradients,
    without_traces,
)

_TO = Functions(torch.sigmoid, torch.tanh)


def run(plan: Plan, args: Arguments, training: bool) -> tuple[Any, Steps]:
    """The last states, and of the steps what the plan asks for.

    Args:
        plan: What is fixed; its method is "native" or "in place" (an LSTM, or a GRU that resets
            after the product), or one of those that the backends share.
        args: The tensors, time first.
        training: Not needed here: what the way back takes is kept where a gradient is asked for.
    """
    if plan.method == "in place":
        with _without_autocast(args.kernel.device):
            return _in_place(plan, args)
    return _native(plan, args) if plan.method == "native" else _shared(plan, args)


def compiled(function: Callable[..., Any], variables: list[Any], xla: bool) -> Callable[..., Any]:
    """The function of tensors without a way back; it reads the variables as they then are."""
    return torch.no_grad()(function)


def _without_autocast(device: Any) -> Any:
    """Autocast would give some operations other dtypes, and not those that write in place.

    It knows no meta device, which Keras asks for shapes: an error there would have Keras call the
    layer for them, and draw random numbers for nothing.
    """
    if device.type == "meta":
        return contextlib.nullcontext()
    return torch.autocast(device.type, enabled=False)


def has_onednn() -> bool:
    """Whether PyTorch has oneDNN, and may use it."""
    return torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled


def _native(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    """PyTorch's LSTM (oneDNN's on a CPU, cuDNN's on a GPU) and GRU.

    They know no masks, so kept steps move to the front, in their order; behind them an additional
    input, one where there is nothing, holds the states where they are.
    """
    (x,), kernel = args.inputs, args.kernel
    if args.keep:
        order, real, index = _to_front(args.keep[0])
        x = torch.cat([x.gather(0, order.expand(x.shape)), (~real).to(x.dtype)], dim=-1)
        kernel = torch.cat([kernel, _hold(plan.cell, kernel)])
    if plan.cell is LSTM:
        packed = [kernel, args.recurrent_kernel, args.bias, torch.zeros_like(args.bias)]
    else:
        packed = [_reset_first(w) for w in (kernel, args.recurrent_kernel, *args.bias)]
    weights = [packed[0].T.contiguous(), packed[1].T.contiguous(), *packed[2:]]
    first = [state[None].contiguous() for state in args.states]
    # has_biases, num_layers, dropout, train (without it cuDNN has no way back), bidirectional,
    # batch_first
    options = (True, 1, 0.0, torch.is_grad_enabled(), False, False)
    if plan.cell is LSTM:
        outputs, *last = torch.lstm(x, first, weights, *options)
    else:
        outputs, *last = torch.gru(x, first[0], weights, *options)
    last = [state[0] for state in last]
    if args.keep:
        # In the order of the input again; before the first kept step, the initial state.
        before = args.states[0][None]
        wanted = index if plan.sequences else index[-1:]
        outputs = outputs.gather(0, wanted.clamp(min=0).expand(-1, -1, outputs.shape[-1]))
        outputs = torch.where(wanted < 0, before, outputs)
    return [outputs[-1].clone(), *last[1:]], Steps([outputs][: int(plan.sequences)])


def _to_front(keep: Any) -> tuple[Any, Any, Any]:
    """How to move kept steps to the front, what is real there, and where each step went."""
    order = torch.argsort((~keep).to(torch.uint8), dim=0, stable=True)
    return order, keep.gather(0, order), keep.to(torch.int64).cumsum(0) - 1


def _hold(cell: Any, kernel: Any) -> Any:
    """A row of the input kernel that shuts the states off from a step.

    An LSTM's input gate closes and its forget gate opens; a GRU's update gate opens.
    """
    count = 4 if cell is LSTM else 3
    signs = [-1.0, 1.0, 0.0, 0.0] if cell is LSTM else [1.0, 0.0, 0.0]
    values = torch.tensor(signs, dtype=kernel.dtype, device=kernel.device) * _FAR
    return values.repeat_interleave(kernel.shape[1] // count)[None]


_FAR = 1e4  # sigmoid(1e4) is 1 and sigmoid(-1e4) is 0 in every dtype


def _reset_first(weight: Any) -> Any:
    """PyTorch packs a GRU as `r, z, n`, where Keras has `z, r, h`."""
    update, reset, candidate = weight.chunk(3, dim=-1)
    return torch.cat([reset, update, candidate], dim=-1)


def _in_place(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    keep = args.keep[0] if args.keep else None
    drop = torch.stack(args.drop) if args.drop else None
    tensors = (args.kernel, args.recurrent_kernel, args.bias, keep, drop)
    if plan.cell is LSTM:
        h, c, gates, *last = lstm(args.inputs, args.states, *tensors)
        states, gates = [h, c], gates.unbind(0)
    else:
        asked = (plan.sequences, plan.record)
        h, gates, *last = gru(args.inputs, args.states[0], *tensors, *asked)
        states, gates = [h], gates.chunk(3, -1) if plan.record else ()
    if plan.record:
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
    """The shared kernel with its own way back."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, like: Arguments, structure: Any, *flat: Any) -> Any:
        last, steps = forward(plan, tree.pack_sequence_as(like, list(flat)), _TO, _scan, save=True)
        result = shown(plan, last, steps)
        structure.append(tree.map_structure(_nothing, result))
        ctx.plan, ctx.structure = plan, tree.map_structure(_nothing, (like, steps, result))
        ctx.save_for_backward(*flat, *tree.flatten(steps))
        return tuple(tree.flatten(result))

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        check_first_order()
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


def linear_scan(a: Any, b: Any, first: Any) -> Any:
    """H = a h + b, step by step.

    Args:
        a: `(time, batch, units)`.
        b: `(time, batch, units)`.
        first: `(batch, units)`.

    Returns:
        The state after every step, `(time, batch, units)`.
    """
    return _Linear.apply(a, b, first)


class _Linear(torch.autograd.Function):
    """The loop, in place, with its own way back."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any, first: Any) -> Any:
        every = _linear(a, b, first)
        ctx.save_for_backward(a, first, every)
        return every

    @staticmethod
    def backward(ctx: Any, d_every: Any) -> Any:
        check_first_order()
        a, first, every = ctx.saved_tensors
        return way_back(_linear, a, first, every, d_every)


def _linear(a: Any, b: Any, first: Any, reverse: bool = False) -> Any:
    every = torch.empty_like(b, memory_format=torch.contiguous_format)
    steps = list(zip(a.unbind(0), b.unbind(0), every.unbind(0), strict=True))
    h = first
    for t, (a_t, b_t, h_t) in enumerate(reversed(steps) if reverse else steps):
        torch.addcmul(b_t, a_t, h, out=h_t)
        # What fades takes some twenty steps from here to the subnormal floats' end.
        h = without_traces(h_t) if reverse and t % 8 == 7 else h_t
    return every
