"""PyTorch's own recurrent kernels: oneDNN's LSTM on a CPU, cuDNN's on a GPU, nodes in an export."""

from typing import Any

import torch

from keras_rnnkit.kernels._cells import LSTM, SimpleRNN
from keras_rnnkit.kernels._sequence import Arguments, Plan, Steps
from keras_rnnkit.kernels._torch_backward import check_gradients
from keras_rnnkit.kernels._torch_modes import exporting


def native(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    """An LSTM, a GRU that resets after the product, or a SimpleRNN, by PyTorch.

    They know no masks, so kept steps move to the front, in their order; behind them an additional
    input, one where there is nothing, holds the states of an LSTM and a GRU where they are.
    """
    (x,), kernel = args.inputs, args.kernel
    if args.keep:
        order, real, index = _to_front(args.keep[0])
        x = x.gather(0, order.expand(x.shape))
        if plan.cell is not SimpleRNN:  # whose one state is an output
            x = torch.cat([x, (~real).to(x.dtype)], dim=-1)
            kernel = torch.cat([kernel, _hold(plan.cell, kernel)])
    outputs, *last = _call(plan.cell, x, args.states, _packed(plan.cell, kernel, args))
    last = [state[0] for state in last]
    if args.keep:
        # In the order of the input again; before the first kept step, the initial state.
        before = args.states[0][None]
        wanted = index if plan.sequences else index[-1:]
        outputs = outputs.gather(0, wanted.clamp(min=0).expand(-1, -1, outputs.shape[-1]))
        outputs = torch.where(wanted < 0, before, outputs)
    return [outputs[-1].clone(), *last[1:]], Steps([outputs][: int(plan.sequences)])


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
    if not exporting():
        for tensor in found:
            if tensor.requires_grad:
                tensor.register_hook(check_gradients)
    return found


def _packed(cell: Any, kernel: Any, args: Arguments) -> list[Any]:
    """The weights in PyTorch's order, each gate's in rows."""
    if cell in (LSTM, SimpleRNN):
        packed = [kernel, args.recurrent_kernel, args.bias, torch.zeros_like(args.bias)]
    else:
        biases = args.bias[0], args.bias[1]
        packed = [_reset_first(weight) for weight in (kernel, args.recurrent_kernel, *biases)]
    return [packed[0].T.contiguous(), packed[1].T.contiguous(), *packed[2:]]


def _to_front(keep: Any) -> tuple[Any, Any, Any]:
    """How to move kept steps to the front, what is real there, and where each step went.

    By running counts, and not by sorting: ONNX cannot sort as PyTorch does.
    """
    index = keep.to(torch.int64).cumsum(0) - 1
    others = index[-1:] + (~keep).to(torch.int64).cumsum(0)
    steps = torch.ones_like(index).cumsum(0) - 1
    order = torch.zeros_like(index).scatter(0, torch.where(keep, index, others), steps)
    return order, keep.gather(0, order), index


def _hold(cell: Any, kernel: Any) -> Any:
    """A row of the input kernel that shuts the states off from a step.

    An LSTM's input gate closes and its forget gate opens; a GRU's update gate opens.
    """
    signs = [-1.0, 1.0, 0.0, 0.0] if cell is LSTM else [1.0, 0.0, 0.0]
    block = torch.ones_like(kernel[:1].chunk(len(signs), dim=-1)[0])
    return torch.cat([block * (sign * _FAR) for sign in signs], dim=-1)


_FAR = 1e4  # sigmoid(1e4) is 1 and sigmoid(-1e4) is 0 in every dtype


def _reset_first(weight: Any) -> Any:
    """PyTorch packs a GRU as `r, z, n`, where Keras has `z, r, h`."""
    update, reset, candidate = weight.chunk(3, dim=-1)
    return torch.cat([reset, update, candidate], dim=-1)
