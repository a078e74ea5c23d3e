"""PyTorch's own recurrent kernels: oneDNN's LSTM on a CPU, cuDNN's on a GPU, nodes in an export."""

from typing import Any

import torch

from keras_rnnkit.kernels._arguments import Arguments, Plan, Steps
from keras_rnnkit.kernels._cells import LSTM, SimpleRNN
from keras_rnnkit.kernels._torch_backward import check_gradients
from keras_rnnkit.kernels._torch_modes import exporting


def native(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    """An LSTM, a GRU that resets after the product, or a SimpleRNN, by PyTorch."""
    cell, index = plan.cell, None
    if args.mask:
        args, index = _packed(cell, args)
    outputs, *last = _call(cell, args, [state[None] for state in args.states], _weights(cell, args))
    if index is not None:
        outputs = _unpacked(outputs, index if plan.sequences else index[-1:], args.states[0])
    # A copy: a last state that was a view would change with the outputs.
    last = [outputs[-1].clone(), *(state[0] for state in last[1:])]
    return last, Steps([outputs] if plan.sequences else [])


def native_pair(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    """Both directions of an LSTM or a GRU, by one call of PyTorch's.

    Args:
        plan: What is fixed.
        args: Inputs and mask of both directions, in order of time; the states of the forward
            direction, then those of the backward one, all zero where there is a mask; and each
            weight of the two directions, concatenated.

    Returns:
        The last states, in the same order; of the steps the outputs in order of time, concatenated.
    """
    cell, mask = plan.cell, args.mask
    if mask:
        args, index = _packed(cell, args)
    weights = [args.kernel, args.recurrent_kernel, args.bias]
    of_directions = zip(*(weight.chunk(2, dim=-1) for weight in weights), strict=True)
    count = cell.states
    outputs, *last = _call(
        cell,
        args,
        [torch.stack([args.states[i], args.states[i + count]]) for i in range(count)],
        [
            weight
            for kernel, recurrent, bias in of_directions
            for weight in _weights(cell, Arguments([], [], kernel, recurrent, bias, [], []))
        ],
    )
    forward, backward = outputs.chunk(2, dim=-1)
    if mask:
        # At a masked step, the backward direction has the output of the next valid step.
        backward = _unpacked(backward, index + (~mask[0]).to(index.dtype), args.states[count])
        forward = _unpacked(forward, index, args.states[0])
    last = [
        *(forward[-1].clone(), *(state[0] for state in last[1:])),
        *(backward[0].clone(), *(state[1] for state in last[1:])),
    ]
    return last, Steps([torch.cat([forward, backward], dim=-1)] if plan.sequences else [])


def _call(cell: Any, args: Arguments, first: list[Any], weights: list[Any]) -> Any:
    """The outputs, and the last states, `(directions, batch, units)` like the first ones."""
    (x,) = args.inputs
    first, bidirectional = [state.contiguous() for state in first], first[0].shape[0] == 2
    weights = _in_one_buffer(weights) if x.is_cuda else [w.contiguous() for w in weights]
    # has_biases, num_layers, dropout, train (without it cuDNN has no backward pass), bidirectional,
    # batch_first
    options = (True, 1, 0.0, torch.is_grad_enabled(), bidirectional, False)
    if cell is LSTM:
        found = torch.lstm(x, first, weights, *options)
    else:
        function = torch.rnn_tanh if cell is SimpleRNN else torch.gru
        found = function(x, first[0], weights, *options)
    for tensor in found:
        if tensor.requires_grad and not exporting():
            tensor.register_hook(check_gradients)
    return found


def _weights(cell: Any, args: Arguments) -> list[Any]:
    """The weights as PyTorch wants them: one row for each column of a gate, gates in its order."""
    if cell is LSTM or cell is SimpleRNN:
        weights = [args.kernel, args.recurrent_kernel, args.bias, torch.zeros_like(args.bias)]
    else:
        biases = args.bias[0], args.bias[1]
        weights = [_reset_first(w) for w in (args.kernel, args.recurrent_kernel, *biases)]
    return [weights[0].T, weights[1].T, *weights[2:]]


def _in_one_buffer(weights: list[Any]) -> list[Any]:
    """The weights as views of one buffer, in which all matrices precede all biases.

    cuDNN takes them from there. Otherwise PyTorch copies them into such a buffer in every call, and
    warns about it.
    """
    order = sorted(range(len(weights)), key=lambda i: weights[i].dim() == 1)
    buffer = torch.cat([weights[i].reshape(-1) for i in order])
    parts = buffer.split([weights[i].numel() for i in order])
    views = {i: part.view(weights[i].shape) for i, part in zip(order, parts, strict=True)}
    return [views[i] for i in range(len(weights))]


def _packed(cell: Any, args: Arguments) -> tuple[Arguments, Any]:
    """The arguments for steps in packed order, without a mask, and the place of each step there.

    PyTorch's kernels take no masks. So each row's valid steps are packed to its front, and the
    others follow as identity steps, in which the states of an LSTM and a GRU stay as they are.
    """
    (x,) = args.inputs
    order, valid, index = _packed_order(args.mask[0])
    x, kernel = x.gather(0, order.expand(x.shape)), args.kernel
    if cell is not SimpleRNN:  # its only state is its output, which `_unpacked` gathers
        x = torch.cat([x, (~valid).to(x.dtype)], dim=-1)
        row = _identity_row(cell, kernel[:1], len(args.states) // cell.states)
        kernel = torch.cat([kernel, row])
    return args._replace(inputs=[x], kernel=kernel, mask=[]), index


def _unpacked(outputs: Any, index: Any, first: Any) -> Any:
    """The outputs in order of time: those at `index`, and the first state where it is negative."""
    found = outputs.gather(0, index.clamp(min=0).expand(-1, -1, outputs.shape[-1]))
    return torch.where(index < 0, first, found)


def _packed_order(mask: Any) -> tuple[Any, Any, Any]:
    """The order of steps that packs valid ones first, their mask in it, and each step's place.

    The place of a masked step is that of the last valid step before it, or -1. From running counts
    and not from a sort, since ONNX cannot sort as PyTorch does.
    """
    index = mask.to(torch.int64).cumsum(0) - 1
    others = index[-1:] + (~mask).to(torch.int64).cumsum(0)
    steps = torch.ones_like(index).cumsum(0) - 1
    order = torch.zeros_like(index).scatter(0, torch.where(mask, index, others), steps)
    return order, mask.gather(0, order), index


def _identity_row(cell: Any, like: Any, directions: int) -> Any:
    """The weights of an additional input, one at identity steps, which saturates the gates there.

    It closes the input gate and opens the forget gate of an LSTM, and opens the update gate of a
    GRU.
    """
    signs = [-1.0, 1.0, 0.0, 0.0] if cell is LSTM else [1.0, 0.0, 0.0]
    signs *= directions
    gate = torch.ones_like(like.chunk(len(signs), dim=-1)[0])
    return torch.cat([gate * (sign * _SATURATION) for sign in signs], dim=-1)


_SATURATION = 1e4  # sigmoid(1e4) is 1 and sigmoid(-1e4) is 0 in every dtype


def _reset_first(weight: Any) -> Any:
    """PyTorch packs a GRU as `r, z, n`, where Keras has `z, r, h`."""
    update, reset, candidate = weight.chunk(3, dim=-1)
    return torch.cat([reset, update, candidate], dim=-1)
