"""PyTorch's own recurrent kernels: oneDNN's LSTM on a CPU, cuDNN's on a GPU, nodes in an export."""

from typing import Any

import torch

from keras_rnnkit.kernels._cells import LSTM, SimpleRNN
from keras_rnnkit.kernels._sequence import Arguments, Plan, Steps
from keras_rnnkit.kernels._torch_backward import check_gradients
from keras_rnnkit.kernels._torch_modes import exporting


def native(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    """An LSTM, a GRU that resets after the product, or a SimpleRNN, by PyTorch.

    PyTorch's kernels take no masks. So each row's valid steps are packed to its front, and the
    others follow as identity steps, in which the states of an LSTM and a GRU stay as they are.
    """
    (x,), kernel = args.inputs, args.kernel
    if args.keep:
        order, valid, index = _packed_order(args.keep[0])
        x = x.gather(0, order.expand(x.shape))
        if plan.cell is not SimpleRNN:  # its only state is its output, which is gathered below
            x = torch.cat([x, (~valid).to(x.dtype)], dim=-1)
            kernel = torch.cat([kernel, _identity_row(plan.cell, kernel)])
    outputs, *last = _call(plan.cell, x, args.states, _weights(plan.cell, kernel, args))
    last = [state[0] for state in last]
    if args.keep:
        # In the order of the input again; before the first valid step, the first state.
        wanted = index if plan.sequences else index[-1:]
        outputs = outputs.gather(0, wanted.clamp(min=0).expand(-1, -1, outputs.shape[-1]))
        outputs = torch.where(wanted < 0, args.states[0], outputs)
    # A copy: a last state that was a view would change with the outputs.
    return [outputs[-1].clone(), *last[1:]], Steps([outputs] if plan.sequences else [])


def _call(cell: Any, x: Any, states: Any, weights: Any) -> Any:
    """The outputs, and the last states."""
    first = [state[None].contiguous() for state in states]
    # has_biases, num_layers, dropout, train (without it cuDNN has no backward pass), bidirectional,
    # batch_first
    options = (True, 1, 0.0, torch.is_grad_enabled(), False, False)
    if cell is LSTM:
        found = torch.lstm(x, first, weights, *options)
    else:
        function = torch.rnn_tanh if cell is SimpleRNN else torch.gru
        found = function(x, first[0], weights, *options)
    for tensor in found:
        if tensor.requires_grad and not exporting():
            tensor.register_hook(check_gradients)
    return found


def _weights(cell: Any, kernel: Any, args: Arguments) -> list[Any]:
    """The weights as PyTorch wants them: one row for each column of a gate, gates in its order."""
    if cell is LSTM or cell is SimpleRNN:
        weights = [kernel, args.recurrent_kernel, args.bias, torch.zeros_like(args.bias)]
    else:
        biases = args.bias[0], args.bias[1]
        weights = [_reset_first(weight) for weight in (kernel, args.recurrent_kernel, *biases)]
    weights[:2] = weights[0].T, weights[1].T
    return in_one_buffer(weights) if kernel.is_cuda else [w.contiguous() for w in weights]


def in_one_buffer(weights: list[Any]) -> list[Any]:
    """The weights as views of one buffer, in their order.

    cuDNN takes them from there. Else PyTorch would copy them into such a buffer in every call, and
    warn about it.
    """
    buffer = torch.cat([weight.reshape(-1) for weight in weights])
    parts = buffer.split([weight.numel() for weight in weights])
    return [part.view(w.shape) for part, w in zip(parts, weights, strict=True)]


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


def _identity_row(cell: Any, kernel: Any) -> Any:
    """The weights of an additional input, one at identity steps, which saturates the gates there.

    It closes the input gate and opens the forget gate of an LSTM, and opens the update gate of a
    GRU.
    """
    signs = [-1.0, 1.0, 0.0, 0.0] if cell is LSTM else [1.0, 0.0, 0.0]
    gate = torch.ones_like(kernel[:1].chunk(len(signs), dim=-1)[0])
    return torch.cat([gate * (sign * _SATURATION) for sign in signs], dim=-1)


_SATURATION = 1e4  # sigmoid(1e4) is 1 and sigmoid(-1e4) is 0 in every dtype


def _reset_first(weight: Any) -> Any:
    """PyTorch packs a GRU as `r, z, n`, where Keras has `z, r, h`."""
    update, reset, candidate = weight.chunk(3, dim=-1)
    return torch.cat([reset, update, candidate], dim=-1)
