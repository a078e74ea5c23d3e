"""PyTorch's own recurrent kernels: oneDNN's LSTM on a CPU, cuDNN's on a GPU, nodes in an export."""

from typing import Any

import torch

from keras_rnnkit.kernels._arguments import Arguments, Plan, Steps
from keras_rnnkit.kernels._cells import LSTM, SimpleRNN
from keras_rnnkit.kernels._torch_backward import check_gradients
from keras_rnnkit.kernels._torch_calls import exporting


def native(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    """An LSTM, a GRU that resets after the product, or a SimpleRNN, by PyTorch.

    Args:
        plan: What is fixed; its method is "native pair" for both directions of a layer by one call.
        args: For both directions, inputs and mask in order of time; the states of the forward
            direction, then those of the backward one, all zero where there is a mask; and each
            weight of the two directions, concatenated.

    Returns:
        The last states, in the same order; of the steps the outputs in order of time, concatenated.
    """
    cell, count = plan.cell, plan.cell.states
    directions = _directions(args, count) if plan.method == "native pair" else [args]
    x, places = args.inputs[0], None
    if args.mask:
        x, places, directions = _packed(cell, x, args.mask[0], directions)
    result, *last = _call(cell, x, directions)
    outputs = list(result.chunk(2, dim=-1)) if len(directions) == 2 else [result]
    if places is not None:
        for k, place in enumerate(places):
            end = place[:1] if k else place[-1:]
            wanted = place if plan.return_sequences else end
            outputs[k] = _unpacked(outputs[k], wanted, directions[k].states[0])
    last_states = []
    for k, output in enumerate(outputs):
        # A copy: a last state that was a view would change with the outputs.
        last_states += [output[0 if k else -1].clone(), *(state[k] for state in last[1:])]
    if not plan.return_sequences:
        return last_states, Steps([])
    return last_states, Steps([outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)])


def _directions(args: Arguments, count: int) -> list[Arguments]:
    """The arguments of the forward and of the backward direction, each with `count` states."""
    weights = (weight.chunk(2, dim=-1) for weight in args[2:5])
    states = args.states[:count], args.states[count:]
    return [
        args._replace(states=states[k], kernel=w, recurrent_kernel=r, bias=b)
        for k, (w, r, b) in enumerate(zip(*weights, strict=True))
    ]


def _call(cell: Any, x: Any, directions: list[Arguments]) -> Any:
    """The outputs, and the last states, `(directions, batch, units)`."""
    first = [torch.stack(states) for states in zip(*(d.states for d in directions), strict=True)]
    weights = [weight for args in directions for weight in _weights(cell, args)]
    weights = _in_one_buffer(weights) if x.is_cuda else [w.contiguous() for w in weights]
    # has_biases, num_layers, dropout, train (without it cuDNN has no backward pass), bidirectional,
    # batch_first
    # Exporters record with gradients and check without them: both must be the same operation.
    train = torch.is_grad_enabled() and not exporting()
    options = (True, 1, 0.0, train, len(directions) == 2, False)
    if cell is LSTM:
        result = torch.lstm(x, first, weights, *options)
    else:
        function = torch.rnn_tanh if cell is SimpleRNN else torch.gru
        result = function(x, first[0], weights, *options)
    for tensor in result:
        if tensor.requires_grad and not exporting():
            tensor.register_hook(check_gradients)
    return result


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


def _packed(
    cell: Any, x: Any, mask: Any, directions: list[Arguments]
) -> tuple[Any, list[Any], list[Arguments]]:
    """The inputs in packed order, each step's place there by direction, and the arguments for them.

    PyTorch's kernels take no mask. So the valid steps of each row are moved to its front, in their
    order, and the masked ones behind them become identity steps, which keep the cell state of an
    LSTM and the state of a GRU: an additional input is 1 there, and its weights saturate the gates.
    A SimpleRNN has no such weights and needs none: `_unpacked` reads the hidden state, its only one
    and that of an LSTM, from the outputs.
    """
    order, valid, place = _packed_order(mask)
    x = x.gather(0, order.expand(x.shape))
    if cell is not SimpleRNN:
        x = torch.cat([x, (~valid).to(x.dtype)], dim=-1)
        kernels = (
            torch.cat([args.kernel, _identity_row(cell, args.kernel)]) for args in directions
        )
        directions = [
            args._replace(kernel=kernel) for args, kernel in zip(directions, kernels, strict=True)
        ]
    # Backward, a masked step has the output of the next valid step.
    return x, [place, place + (~mask).to(place.dtype)][: len(directions)], directions


def _unpacked(outputs: Any, place: Any, first: Any) -> Any:
    """The outputs in order of time: those at `place`, or the first state where it is negative."""
    values = outputs.gather(0, place.clamp(min=0).expand(-1, -1, outputs.shape[-1]))
    return torch.where(place < 0, first, values)


def _packed_order(mask: Any) -> tuple[Any, Any, Any]:
    """The order of steps that puts valid ones first, the mask in that order, and each step's place.

    The place of a masked step is that of the last valid step before it, or -1 if there is none.
    Counted by cumulative sums instead of sorted, because ONNX has no stable sort.
    """
    place = mask.to(torch.int64).cumsum(0) - 1
    behind = place[-1:] + (~mask).to(torch.int64).cumsum(0)
    steps = torch.ones_like(place).cumsum(0) - 1
    order = torch.zeros_like(place).scatter(0, torch.where(mask, place, behind), steps)
    return order, mask.gather(0, order), place


def _identity_row(cell: Any, kernel: Any) -> Any:
    """The weights of the input that is 1 at identity steps, a row more of the kernel.

    They saturate gates: an LSTM's input gate at 0 and its forget gate at 1, a GRU's update gate at
    1. Then the cell state, or the state of a GRU, stays as it is.
    """
    signs = [-1.0, 1.0, 0.0, 0.0] if cell is LSTM else [1.0, 0.0, 0.0]
    gate = torch.ones_like(kernel[:1].chunk(len(signs), dim=-1)[0])
    return torch.cat([gate * (sign * _SATURATION) for sign in signs], dim=-1)


_SATURATION = 1e4  # sigmoid(1e4) is 1 and sigmoid(-1e4) is 0 in every dtype


def _reset_first(weight: Any) -> Any:
    """PyTorch packs a GRU as `r, z, n`, where Keras has `z, r, h`."""
    update, reset, candidate = weight.chunk(3, dim=-1)
    return torch.cat([reset, update, candidate], dim=-1)
