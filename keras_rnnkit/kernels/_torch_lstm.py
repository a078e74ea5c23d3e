"""An LSTM on PyTorch: a loop that writes into preallocated buffers.

It serves where PyTorch's own LSTM cannot: it returns the gates, applies recurrent dropout, and
works in every dtype and on any processor.

The letters are those of the cell's equations: gates `i`, `f`, `g`, `o`, states `h` and `c`. Each
gate has a contiguous block, and a step multiplies with the weights of all four in one batched
product. At a masked step the input gate is 0 and the forget gate is 1, so `c` stays as it is and no
gradient reaches the pre-activations; only `h` is copied from the step before.
"""

from typing import Any, NamedTuple

import torch

from keras_rnnkit.kernels._torch_backward import (
    needs_gradients,
    of_kernel,
    states_of_gates,
    weight_gradient,
    without_subnormals,
)

_sigmoid_backward = torch.ops.aten.sigmoid_backward
_tanh_backward = torch.ops.aten.tanh_backward


class Steps(NamedTuple):
    """The states and gates of every step."""

    h: Any  # (time, batch, units)
    c: Any  # (time, batch, units)
    gates: Any  # (4, time, batch, units)


def lstm(
    inputs: Any,
    states: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    mask: Any,
    recurrent_masks: Any,
) -> tuple[Any, Any, Any, Any, Any]:
    """`h`, `c` and the gates of every step, and the last `h` and `c`.

    Args:
        inputs: A list of `(time, batch, features)`, one tensor, or one for each gate.
        states: `h` and `c`, each `(batch, units)`.
        kernel: `(features, 4 * units)`.
        recurrent_kernel: `(units, 4 * units)`.
        bias: `(4 * units,)`.
        mask: `(time, batch, 1)`, false where a step is skipped, or `None`.
        recurrent_masks: `(4, batch, units)`, the recurrent dropout masks, by which `h` is
            multiplied before the products, or `None`.

    The gates of a masked step are undefined: the caller replaces them by zeros, which also stops
    their gradients.
    """
    tensors = (*states, kernel, recurrent_kernel, bias)
    if needs_gradients(*tensors, *inputs):
        return _LSTM.apply(*tensors, mask, recurrent_masks, *inputs)
    steps = _forward(*tensors, mask, recurrent_masks, *inputs)
    return *steps, steps.h[-1].clone(), steps.c[-1].clone()


def _by_gate(weight: Any) -> Any:
    """A weight `(rows, 4 * units)` as a view `(4, rows, units)`."""
    return weight.unflatten(-1, (4, -1)).transpose(0, 1)


def _rows(inputs: Any) -> Any:
    """The inputs of each gate, `(4, time * batch, features)`."""
    return torch.stack(inputs).flatten(1, 2).expand(4, -1, -1)


def _forward(
    h: Any,
    c: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    mask: Any,
    recurrent_masks: Any,
    *inputs: Any,
) -> Steps:
    (time, batch), u = inputs[0].shape[:2], h.shape[1]
    from_inputs = torch.baddbmm(bias.view(4, 1, u), _rows(inputs), _by_gate(kernel))
    gates = from_inputs.view(4, time, batch, u)  # pre-activations, until the loop overwrites them
    if mask is not None:
        gates[0].masked_fill_(~mask, -torch.inf)
        gates[1].masked_fill_(~mask, torch.inf)
    steps = Steps(gates.new_empty(time, batch, u), gates.new_empty(time, batch, u), gates)
    recurrent = _by_gate(recurrent_kernel)
    for of_step, i_f, i, f, g, o, new_h, new_c, valid in zip(
        gates.unbind(1),
        gates[:2].unbind(1),
        *(gate.unbind(0) for gate in gates),
        steps.h.unbind(0),
        steps.c.unbind(0),
        [None] * time if mask is None else mask.unbind(0),
        strict=True,
    ):
        previous = h.expand(4, -1, -1) if recurrent_masks is None else h * recurrent_masks
        of_step.baddbmm_(previous, recurrent)
        i_f.sigmoid_()
        g.tanh_()
        o.sigmoid_()
        c = torch.mul(f, c, out=new_c).addcmul_(i, g)
        torch.tanh(c, out=new_h).mul_(o)
        h = new_h if valid is None else torch.where(valid, new_h, h, out=new_h)
    return steps


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Any:
        steps = _forward(*arguments)
        h, c, kernel, recurrent_kernel, _, *others = arguments
        ctx.save_for_backward(*steps, h, c, kernel, recurrent_kernel, *others)
        ctx.set_materialize_grads(False)
        return *steps, steps.h[-1].clone(), steps.c[-1].clone()

    @staticmethod
    @of_kernel
    def backward(ctx: Any, d_every_h: Any, d_every_c: Any, d_gates: Any, *d_last: Any) -> Any:
        h, c, gates, first_h, first_c, kernel, recurrent_kernel, *others = ctx.saved_tensors
        mask, recurrent_masks, *inputs = others
        d, d_c_by_h = _derivatives(Steps(h, c, gates), first_c, mask)
        direct = None if d_gates is None else _through_activations(gates, d_gates)
        transposed = _by_gate(recurrent_kernel).transpose(1, 2).contiguous()
        d_h, d_c = (
            torch.zeros_like(first_h) if d_state is None else d_state.clone() for d_state in d_last
        )
        for t in reversed(range(h.shape[0])):
            if d_every_h is not None:
                d_h.add_(d_every_h[t])
            if d_every_c is not None:
                d_c.add_(d_every_c[t])
            d_c.addcmul_(d_h, d_c_by_h[t])
            d[:3, t].mul_(d_c)
            d[3, t].mul_(d_h)
            if direct is not None:
                d[:, t].add_(direct[:, t])
            d_old = torch.bmm(d[:, t], transposed)
            d_old = (d_old if recurrent_masks is None else d_old.mul_(recurrent_masks)).sum(0)
            d_h = d_old if mask is None else torch.where(mask[t], d_old, d_h)
            d_c.mul_(gates[1, t])
            if t % 4 == 0:
                d_h, d_c = without_subnormals(d_h), without_subnormals(d_c)

        del d_c_by_h, direct  # before the large products
        d_preactivations = d.flatten(1, 2)
        d_kernel = weight_gradient(_rows(inputs), d_preactivations)
        of_first = states_of_gates(first_h, recurrent_masks, 4)
        of_others = states_of_gates(h[:-1], recurrent_masks, 4)
        d_recurrent = weight_gradient(of_first, d[:, 0])
        d_recurrent.add_(weight_gradient(of_others, d[:, 1:].flatten(1, 2)))
        d_inputs = [None] * len(inputs)
        if any(ctx.needs_input_grad[-len(inputs) :]):
            d_inputs = _input_gradients(inputs, d_preactivations, _by_gate(kernel).transpose(1, 2))
        d_bias = d_preactivations.sum(1).flatten()
        return d_h, d_c, d_kernel, d_recurrent, d_bias, None, None, *d_inputs


def _derivatives(steps: Steps, first_c: Any, mask: Any) -> tuple[Any, Any]:
    """The derivatives of all steps, by which the loop multiplies the gradients of the states.

    Returns:
        In the shape of the gates, the derivatives of `c` by the pre-activations of `i`, `f` and
        `g`, and of `h` by that of `o`; and those of `h` by `c`, `(time, batch, units)`.
    """
    i, f, g, o = steps.gates
    d = torch.empty_like(steps.gates)
    tanh_c = torch.tanh(steps.c)
    _sigmoid_backward(g, i, grad_input=d[0])
    _sigmoid_backward(first_c, f[0], grad_input=d[1, 0])
    _sigmoid_backward(steps.c[:-1], f[1:], grad_input=d[1, 1:])
    _tanh_backward(i, g, grad_input=d[2])
    _sigmoid_backward(tanh_c, o, grad_input=d[3])
    d_c_by_h = _tanh_backward(o, tanh_c, grad_input=tanh_c)
    if mask is not None:  # the `h` of a masked step is that of the step before
        d_c_by_h.mul_(mask)
        d[3].mul_(mask)
    return d, d_c_by_h


def _through_activations(gates: Any, d_gates: Any) -> Any:
    """The gradients of the pre-activations that come directly from those of the gates."""
    d = torch.empty_like(gates)
    for k, (gate, d_gate) in enumerate(zip(gates, d_gates, strict=True)):
        (_tanh_backward if k == 2 else _sigmoid_backward)(d_gate, gate, grad_input=d[k])
    return d


def _input_gradients(inputs: Any, d_preactivations: Any, transposed: Any) -> list[Any]:
    """The gradients of the input that all gates share, or of the input of each."""
    shape = inputs[0].shape
    pairs = zip(d_preactivations, transposed, strict=True)
    if len(inputs) > 1:
        return [(d @ weight).view(shape) for d, weight in pairs]
    d, weight = next(pairs)
    total = d @ weight
    for d, weight in pairs:
        total.addmm_(d, weight)
    return [total.view(shape)]
