"""An LSTM on PyTorch: a loop that writes into preallocated buffers.

Unlike `torch.lstm`, it returns the gates, applies recurrent dropout and, on a CPU, does not depend
on oneDNN.

The letters are those of the cell's equations: gates `i`, `f`, `g`, `o`, states `h` and `c`. Each
gate has a contiguous block, and a step multiplies by the recurrent weights of all four gates in one
batched GEMM (`baddbmm`). At a masked step the input gate is 0 and the forget gate is 1, so `c`
stays as it is and no gradient reaches the pre-activations; only `h` is copied from the step before.
The gates of a masked step are undefined: the caller replaces them by zeros, which also stops their
gradients.
"""

from typing import Any

import torch

from keras_rnnkit.kernels._arguments import Arguments, Plan, Steps
from keras_rnnkit.kernels._torch_backward import (
    flush_to_zero,
    sigmoid_backward,
    stacked,
    states_buffer,
    tanh_backward,
    zeros_for_none,
)
from keras_rnnkit.kernels._torch_resets import cleared, cut, starts_by_step, states_before


def forward_pass(plan: Plan, args: Arguments, save: bool) -> tuple[Any, Steps]:
    """The last states, and the states and gates of every step, which the backward pass needs."""
    (time, batch), masks = args.inputs[0].shape[:2], args.recurrent_masks
    x = torch.stack(args.inputs).flatten(1, 2).expand(4, -1, -1)
    projected = torch.baddbmm(args.bias.view(4, 1, -1), x, _by_gate(args.kernel))
    gates = projected.view(4, time, batch, -1)  # pre-activations, until the loop overwrites them
    for mask in args.mask:
        gates[0].masked_fill_(~mask, -torch.inf)
        gates[1].masked_fill_(~mask, torch.inf)
    every, both = _buffers(args, time)
    (all_h, all_c), starts = every, starts_by_step(args)
    h, c = all_h[0], all_c[0]
    outputs = save or plan.return_sequences or plan.capture_gates
    scratch = torch.stack(args.states) if outputs and args.resets else None
    in_scratch = () if scratch is None else scratch.unbind(0)
    recurrent, masks = _by_gate(args.recurrent_kernel), stacked(masks)
    for start, h_and_c, gates_t, i_and_f, i, f, g, o, new_h, new_c, *valid in zip(
        starts,
        both,
        gates.unbind(1),
        gates[:2].unbind(1),
        *(gate.unbind(0) for gate in gates),
        all_h[1:].unbind(0),
        all_c[1:].unbind(0),
        *(mask.unbind(0) for mask in args.mask),
        strict=True,
    ):
        if start is not None:
            cleared(h_and_c, start, scratch)
            h, c = in_scratch or (h, c)  # `h` and `c` are views of what was cleared
        gates_t.baddbmm_(h.expand(4, -1, -1) if masks is None else h * masks, recurrent)
        i_and_f.sigmoid_()
        g.tanh_()
        o.sigmoid_()
        c = torch.mul(f, c, out=new_c).addcmul_(i, g)
        torch.tanh(c, out=new_h).mul_(o)
        h = torch.where(valid[0], new_h, h, out=new_h) if valid else new_h
    previous = states_before(args, [all_h, all_c]) if save else []
    steps = Steps([all_h[1:], all_c[1:]], list(gates.unbind(0)), previous, [])
    return [h.clone(), c.clone()], steps


def _buffers(args: Arguments, time: int) -> tuple[Any, Any]:
    """A buffer for all `h` and one for all `c`, and views of both before each step.

    The two are one tensor, and the views not `None`, where sequences start inside the rows: one
    operation clears both states.
    """
    if not args.resets:
        return [states_buffer(state, time) for state in args.states], [None] * time
    every = states_buffer(torch.stack(args.states), time)
    return every, every[:, :-1].unbind(1)


def backward_pass(
    plan: Plan, args: Arguments, steps: Steps, d_last: Any, d_steps: Steps
) -> tuple[Any, Any]:
    """The gradients of the initial states, and those of the pre-activations of all steps.

    Those of `args.fresh` follow the first. The gradient of an output that was not used is `None`.
    """
    mask = args.mask[0] if args.mask else None
    masks, transposed = stacked(args.recurrent_masks), _by_gate(args.recurrent_kernel)
    transposed = transposed.transpose(1, 2).contiguous()
    d, dh_dc = _local_derivatives(steps, mask)
    direct = _direct_gradients(steps.gates, d_steps.gates)
    starts, d_fresh = starts_by_step(args), [torch.zeros_like(state) for state in args.fresh]
    d_h, d_c = d_states = torch.stack(zeros_for_none(d_last, args.states))
    for t in reversed(range(len(dh_dc))):
        for d_state, d_all in zip((d_h, d_c), d_steps.states, strict=False):
            if d_all is not None:
                d_state.add_(d_all[t])
        d_c.addcmul_(d_h, dh_dc[t])
        d[:3, t].mul_(d_c)
        d[3, t].mul_(d_h)
        if direct is not None:
            d[:, t].add_(direct[:, t])
        d_h_previous = torch.bmm(d[:, t], transposed)
        d_h_previous = d_h_previous if masks is None else d_h_previous.mul_(masks)
        if mask is None:
            torch.sum(d_h_previous, 0, out=d_h)
        else:
            torch.where(mask[t], d_h_previous.sum(0), d_h, out=d_h)
        d_c.mul_(steps.gates[1][t])
        if starts[t] is not None:
            cut(d_states, starts[t], d_fresh)
        if t % 4 == 0:
            d_h, d_c = d_states = flush_to_zero(d_states)
    return [d_h, d_c, *d_fresh], list(d.unbind(0))


def _by_gate(weight: Any) -> Any:
    """A weight `(rows, 4 * units)` as a view `(4, rows, units)`."""
    return weight.unflatten(-1, (4, -1)).transpose(0, 1)


def _local_derivatives(steps: Steps, mask: Any) -> tuple[Any, Any]:
    """The derivatives within each step; the loop multiplies the gradients of the states by them.

    Returns:
        `(4, time, batch, units)`: the derivatives of `c` with respect to the pre-activations of
        `i`, `f` and `g`, and of `h` with respect to that of `o`; and `(time, batch, units)`: those
        of `h` with respect to `c`.
    """
    (i, f, g, o), (_, previous_c) = steps.gates, steps.previous_states
    d = i.new_empty(4, *i.shape)
    tanh_c = torch.tanh(steps.states[1])
    sigmoid_backward(g, i, grad_input=d[0])
    sigmoid_backward(previous_c, f, grad_input=d[1])
    tanh_backward(i, g, grad_input=d[2])
    sigmoid_backward(tanh_c, o, grad_input=d[3])
    dh_dc = tanh_backward(o, tanh_c, grad_input=tanh_c)
    if mask is not None:  # the `h` of a masked step is that of the step before
        dh_dc.mul_(mask)
        d[3].mul_(mask)
    return d, dh_dc


def _direct_gradients(gates: Any, d_gates: Any) -> Any:
    """The part of the pre-activation gradients that comes from the gradients of returned gates."""
    if all(d_gate is None for d_gate in d_gates):
        return None
    d = gates[0].new_empty(4, *gates[0].shape)
    for k, (gate, d_gate) in enumerate(zip(gates, zeros_for_none(d_gates, gates), strict=True)):
        (tanh_backward if k == 2 else sigmoid_backward)(d_gate, gate, grad_input=d[k])
    return d
