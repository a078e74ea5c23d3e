"""An LSTM on PyTorch that works in place, for what PyTorch's own does not show or cannot do.

It serves with gates on request, with recurrent dropout, in every dtype, and on any processor.

The letters are those of the cell's equations: gates `i`, `f`, `g`, `o`, states `h` and `c`. Every
gate lies in one piece, and a step multiplies with the weights of all four in one call. A masked
step has its input gate shut and its forget gate open, so that `c` stays by itself and no gradient
flows; only `h` has to be carried past it.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch

from keras_rnnkit.kernels._torch_backward import needs_gradients, of_kernel, without_traces

_sigmoid_backward = torch.ops.aten.sigmoid_backward
_tanh_backward = torch.ops.aten.tanh_backward


class Steps(NamedTuple):
    """What every step leaves."""

    h: Any  # (time, batch, units)
    c: Any  # (time, batch, units)
    gates: Any  # (4, time, batch, units)


def lstm(
    inputs: Any, states: Any, kernel: Any, recurrent_kernel: Any, bias: Any, keep: Any, drop: Any
) -> tuple[Any, Any, Any, Any, Any]:
    """`h`, `c` and the gates of every step, and the last `h` and `c`.

    Args:
        inputs: A list of `(time, batch, features)`, one tensor, or one for each gate.
        states: `h` and `c`, each `(batch, units)`.
        kernel: `(features, 4 * units)`.
        recurrent_kernel: `(units, 4 * units)`.
        bias: `(4 * units,)`.
        keep: `(time, batch, 1)`, false where a step is skipped, or `None`.
        drop: `(4, batch, units)`, by which `h` is multiplied ahead of the products, or `None`.

    The gates of a masked step mean nothing: whoever shows them has to put zeros there, which
    keeps gradients away from them, too.
    """
    tensors = (*states, kernel, recurrent_kernel, bias)
    if needs_gradients(*tensors, *inputs):
        return _LSTM.apply(*tensors, keep, drop, *inputs)
    steps = _forward(*tensors, keep, drop, *inputs)
    return *steps, steps.h[-1].clone(), steps.c[-1].clone()


def _by_gate(weight: Any) -> Any:
    """A weight `(rows, 4 * units)` as a view `(4, rows, units)`."""
    return weight.unflatten(-1, (4, -1)).transpose(0, 1)


def _rows(inputs: Any) -> Any:
    """What each gate multiplies with its weights, `(4, time * batch, features)`."""
    return torch.stack(inputs).flatten(1, 2).expand(4, -1, -1)


def _forward(
    h: Any,
    c: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    keep: Any,
    drop: Any,
    *inputs: Any,
) -> Steps:
    (time, batch), u = inputs[0].shape[:2], h.shape[1]
    sums = torch.baddbmm(bias.view(4, 1, u), _rows(inputs), _by_gate(kernel))
    gates = sums.view(4, time, batch, u)  # in the loop; here what goes into them
    if keep is not None:
        gates[0].masked_fill_(~keep, -torch.inf)
        gates[1].masked_fill_(~keep, torch.inf)
    steps = Steps(gates.new_empty(time, batch, u), gates.new_empty(time, batch, u), gates)
    recurrent = _by_gate(recurrent_kernel)
    for pre, i_f, i, f, g, o, new_h, new_c, real in zip(
        gates.unbind(1),
        gates[:2].unbind(1),
        *(gate.unbind(0) for gate in gates),
        steps.h.unbind(0),
        steps.c.unbind(0),
        [None] * time if keep is None else keep.unbind(0),
        strict=True,
    ):
        pre.baddbmm_(h.expand(4, -1, -1) if drop is None else h * drop, recurrent)
        i_f.sigmoid_()
        g.tanh_()
        o.sigmoid_()
        c = torch.mul(f, c, out=new_c).addcmul_(i, g)
        torch.tanh(c, out=new_h).mul_(o)
        h = new_h if real is None else torch.where(real, new_h, h, out=new_h)
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
        keep, drop, *inputs = others
        d, through = _derivatives(Steps(h, c, gates), first_c, keep)
        own = None if d_gates is None else _from_gates(gates, d_gates)
        turned = _by_gate(recurrent_kernel).transpose(1, 2).contiguous()
        d_h, d_c = (
            torch.zeros_like(first_h) if d_state is None else d_state.clone() for d_state in d_last
        )
        for t in reversed(range(h.shape[0])):
            if d_every_h is not None:
                d_h.add_(d_every_h[t])
            if d_every_c is not None:
                d_c.add_(d_every_c[t])
            d_c.addcmul_(d_h, through[t])
            d[:3, t].mul_(d_c)
            d[3, t].mul_(d_h)
            if own is not None:
                d[:, t].add_(own[:, t])
            d_old = torch.bmm(d[:, t], turned)
            d_old = (d_old if drop is None else d_old.mul_(drop)).sum(0)
            d_h = d_old if keep is None else torch.where(keep[t], d_old, d_h)
            d_c.mul_(gates[1, t])
            if t % 4 == 0:  # what fades takes some twenty steps to the subnormal floats' end
                d_h, d_c = without_traces(d_h), without_traces(d_c)

        del through, own  # ahead of the large products
        d_pre = d.flatten(1, 2)
        d_kernel = _weight_gradient(_rows(inputs), d_pre)
        d_recurrent = _weight_gradient(_dropped(first_h, drop), d[:, 0])
        d_recurrent.add_(_weight_gradient(_dropped(h[:-1], drop), d[:, 1:].flatten(1, 2)))
        d_inputs = [None] * len(inputs)
        if any(ctx.needs_input_grad[-len(inputs) :]):
            d_inputs = _input_gradients(inputs, d_pre, _by_gate(kernel).transpose(1, 2))
        d_bias = d_pre.sum(1).flatten()
        return d_h, d_c, d_kernel, d_recurrent, d_bias, None, None, *d_inputs


def _derivatives(steps: Steps, first_c: Any, keep: Any) -> tuple[Any, Any]:
    """Those of all steps at once, by which the loop multiplies the gradients of the states.

    Returns:
        In the shape of the gates, the derivatives by the sums in front of them: of `c`, and for
        the last gate of `h`; and those of `h` by `c`, `(time, batch, units)`.
    """
    i, f, g, o = steps.gates
    d = torch.empty_like(steps.gates)
    tanh_c = torch.tanh(steps.c)
    _sigmoid_backward(g, i, grad_input=d[0])
    _sigmoid_backward(first_c, f[0], grad_input=d[1, 0])
    _sigmoid_backward(steps.c[:-1], f[1:], grad_input=d[1, 1:])
    _tanh_backward(i, g, grad_input=d[2])
    _sigmoid_backward(tanh_c, o, grad_input=d[3])
    through = _tanh_backward(o, tanh_c, grad_input=tanh_c)
    if keep is not None:  # where a step is skipped, `h` is none of this step's
        through.mul_(keep)
        d[3].mul_(keep)
    return d, through


def _from_gates(gates: Any, d_gates: Any) -> Any:
    """What the gradients of the gates themselves add to those of the sums in front of them."""
    own = torch.empty_like(gates)
    for k, (gate, d_gate) in enumerate(zip(gates, d_gates, strict=True)):
        (_tanh_backward if k == 2 else _sigmoid_backward)(d_gate, gate, grad_input=own[k])
    return own


def _dropped(h: Any, drop: Any) -> Iterator[Any]:
    """The rows of hidden states as each gate sees them, one gate by one."""
    return ((h if drop is None else h * drop[k]).reshape(-1, h.shape[-1]) for k in range(4))


def _weight_gradient(values: Iterable[Any], d_pre: Any) -> Any:
    """The products of each gate's rows with its gradients, `(rows, units)`, side by side."""
    pairs = zip(values, d_pre, strict=True)
    return torch.cat([value.t() @ d for value, d in pairs], dim=-1)


def _input_gradients(inputs: Any, d_pre: Any, turned: Any) -> list[Any]:
    """Those of each input, or of the one that all gates have."""
    shape = inputs[0].shape
    if len(inputs) > 1:
        return [(d @ weight).view(shape) for d, weight in zip(d_pre, turned, strict=True)]
    total = d_pre[0] @ turned[0]
    for d, weight in zip(d_pre[1:], turned[1:], strict=True):
        total.addmm_(d, weight)
    return [total.view(shape)]
