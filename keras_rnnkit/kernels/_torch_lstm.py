"""An LSTM on PyTorch: a loop that writes into preallocated buffers.

It serves where PyTorch's own LSTM cannot: it returns the gates, applies recurrent dropout, and
works in every dtype and on any processor.

The letters are those of the cell's equations: gates `i`, `f`, `g`, `o`, states `h` and `c`. Each
gate has a contiguous block, and a step multiplies with the weights of all four in one batched
product. At a masked step the input gate is 0 and the forget gate is 1, so `c` stays as it is and no
gradient reaches the pre-activations; only `h` is copied from the step before. The gates of a masked
step are undefined: the caller replaces them by zeros, which also stops their gradients.
"""

from typing import Any

import torch

from keras_rnnkit.kernels._arguments import Arguments, Plan, Steps
from keras_rnnkit.kernels._torch_backward import (
    buffer_after,
    sigmoid_backward,
    stacked,
    tanh_backward,
    without_none,
    without_subnormals,
)


def forward_pass(plan: Plan, args: Arguments, save: bool) -> tuple[Any, Steps]:
    """The last states, and the steps with all that the backward pass needs."""
    (time, batch), (h, c), masks = args.inputs[0].shape[:2], args.states, args.recurrent_masks
    x = torch.stack(args.inputs).flatten(1, 2).expand(4, -1, -1)
    projected = torch.baddbmm(args.bias.view(4, 1, -1), x, _by_gate(args.kernel))
    gates = projected.view(4, time, batch, -1)  # pre-activations, until the loop overwrites them
    for mask in args.mask:
        gates[0].masked_fill_(~mask, -torch.inf)
        gates[1].masked_fill_(~mask, torch.inf)
    every_h, every_c = buffer_after(h, time), buffer_after(c, time)
    recurrent, masks = _by_gate(args.recurrent_kernel), stacked(masks)
    for of_step, i_f, i, f, g, o, new_h, new_c, *valid in zip(
        gates.unbind(1),
        gates[:2].unbind(1),
        *(gate.unbind(0) for gate in gates),
        every_h[1:].unbind(0),
        every_c[1:].unbind(0),
        *(mask.unbind(0) for mask in args.mask),
        strict=True,
    ):
        of_step.baddbmm_(h.expand(4, -1, -1) if masks is None else h * masks, recurrent)
        i_f.sigmoid_()
        g.tanh_()
        o.sigmoid_()
        c = torch.mul(f, c, out=new_c).addcmul_(i, g)
        torch.tanh(c, out=new_h).mul_(o)
        h = torch.where(valid[0], new_h, h, out=new_h) if valid else new_h
    previous = [every_h[:-1], every_c[:-1]]
    steps = Steps([every_h[1:], every_c[1:]], list(gates.unbind(0)), previous, [])
    return [h.clone(), c.clone()], steps


def backward_pass(
    plan: Plan, args: Arguments, steps: Steps, d_last: Any, d_steps: Steps
) -> tuple[Any, Any]:
    """The gradients of the first states, and those of the pre-activations of all steps.

    A gradient of an output that was not used is `None`.
    """
    mask = args.mask[0] if args.mask else None
    masks, transposed = stacked(args.recurrent_masks), _by_gate(args.recurrent_kernel)
    transposed = transposed.transpose(1, 2).contiguous()
    d, d_c_by_h = _derivatives(steps, mask)
    direct = _through_activations(steps.gates, d_steps.gates)
    d_h, d_c = (d_state.clone() for d_state in without_none(d_last, args.states))
    for t in reversed(range(len(d_c_by_h))):
        for d_state, d_every in zip((d_h, d_c), d_steps.states, strict=False):
            if d_every is not None:
                d_state.add_(d_every[t])
        d_c.addcmul_(d_h, d_c_by_h[t])
        d[:3, t].mul_(d_c)
        d[3, t].mul_(d_h)
        if direct is not None:
            d[:, t].add_(direct[:, t])
        d_old = torch.bmm(d[:, t], transposed)
        d_old = (d_old if masks is None else d_old.mul_(masks)).sum(0)
        d_h = d_old if mask is None else torch.where(mask[t], d_old, d_h)
        d_c.mul_(steps.gates[1][t])
        if t % 4 == 0:
            d_h, d_c = without_subnormals(d_h), without_subnormals(d_c)
    return [d_h, d_c], list(d.unbind(0))


def _by_gate(weight: Any) -> Any:
    """A weight `(rows, 4 * units)` as a view `(4, rows, units)`."""
    return weight.unflatten(-1, (4, -1)).transpose(0, 1)


def _derivatives(steps: Steps, mask: Any) -> tuple[Any, Any]:
    """The derivatives of all steps, by which the loop multiplies the gradients of the states.

    Returns:
        `(4, time, batch, units)`, the derivatives of `c` by the pre-activations of `i`, `f` and
        `g`, and of `h` by that of `o`; and those of `h` by `c`, `(time, batch, units)`.
    """
    (i, f, g, o), (_, previous_c) = steps.gates, steps.previous_states
    d = i.new_empty(4, *i.shape)
    tanh_c = torch.tanh(steps.states[1])
    sigmoid_backward(g, i, grad_input=d[0])
    sigmoid_backward(previous_c, f, grad_input=d[1])
    tanh_backward(i, g, grad_input=d[2])
    sigmoid_backward(tanh_c, o, grad_input=d[3])
    d_c_by_h = tanh_backward(o, tanh_c, grad_input=tanh_c)
    if mask is not None:  # the `h` of a masked step is that of the step before
        d_c_by_h.mul_(mask)
        d[3].mul_(mask)
    return d, d_c_by_h


def _through_activations(gates: Any, d_gates: Any) -> Any:
    """The gradients of the pre-activations that come directly from those of the gates."""
    if all(d_gate is None for d_gate in d_gates):
        return None
    d = gates[0].new_empty(4, *gates[0].shape)
    for k, (gate, d_gate) in enumerate(zip(gates, without_none(d_gates, gates), strict=True)):
        (tanh_backward if k == 2 else sigmoid_backward)(d_gate, gate, grad_input=d[k])
    return d
