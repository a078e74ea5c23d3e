"""cuDNN's LSTM and GRU with their gates, which cuDNN does not return.

A gate depends only on the input and the previous hidden state. So once cuDNN has returned every
hidden state, two GEMMs compute the gates of all steps, and the LSTM's cell states follow from the
gates by a linear recurrence. On a GPU this takes a fraction of the time of a loop over the steps;
on a CPU it would take longer than the loop.

Autograd differentiates the GEMMs; the gradient of a gate reaches earlier steps through the hidden
states, by cuDNN's backward pass.
"""

from typing import Any

import torch

from keras_rnnkit.kernels._arguments import Arguments, Plan, Steps
from keras_rnnkit.kernels._cells import LSTM
from keras_rnnkit.kernels._torch_linear import linear_recurrence
from keras_rnnkit.kernels._torch_native import native


def native_with_gates(plan: Plan, args: Arguments) -> tuple[Any, Steps]:
    """The last states from cuDNN, and the states and gates of every step.

    The gates of a masked step are undefined: the caller replaces them by zeros, which also stops
    their gradients.
    """
    last, (hidden, *_) = native(plan, args)
    (h,) = hidden
    gates = _gates(plan.cell, args, torch.cat([args.states[0][None], h[:-1]]))
    states = [h, _cell_states(args, *gates[:3])] if plan.cell is LSTM else [h]
    return last, Steps(states, gates)


def _gates(cell: Any, args: Arguments, previous: Any) -> list[Any]:
    """The gates of all steps, from the hidden state before each, `(time, batch, units)`."""
    (x,) = args.inputs
    if cell is LSTM:
        from_inputs = torch.addmm(args.bias, x.flatten(0, 1), args.kernel)
        preactivations = from_inputs.addmm(previous.flatten(0, 1), args.recurrent_kernel)
        i, f, g, o = preactivations.unflatten(0, x.shape[:2]).chunk(4, dim=-1)
        return [torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)]
    from_inputs = torch.addmm(args.bias[0], x.flatten(0, 1), args.kernel)
    from_state = torch.addmm(args.bias[1], previous.flatten(0, 1), args.recurrent_kernel)
    (z, r, g), (state_z, state_r, state_g) = (
        part.unflatten(0, x.shape[:2]).chunk(3, dim=-1) for part in (from_inputs, from_state)
    )
    z, r = torch.sigmoid(z + state_z), torch.sigmoid(r + state_r)
    return [z, r, torch.tanh(g + r * state_g)]


def _cell_states(args: Arguments, i: Any, f: Any, g: Any) -> Any:
    """An LSTM's cell state after every step; a masked step leaves it as it is."""
    update = i * g
    if args.mask:
        f, update = f.where(args.mask[0], 1.0), update.where(args.mask[0], 0.0)
    # Accumulated in float32: in half precision, rounding would lose small updates.
    initial = args.states[1]
    dtype = torch.promote_types(initial.dtype, torch.float32)
    return linear_recurrence(f, update, initial.to(dtype), associative=True).to(initial.dtype)
