"""An LSTM on PyTorch that works in place, for what PyTorch's own does not show or cannot do.

It serves with gates on request, with recurrent dropout, in every dtype, and on any processor.

The letters are those of the cell's equations: gates `i`, `f`, `g`, `o` side by side, states `h`
and `c`. A masked step has its input gate shut and its forget gate open, so that `c` stays by
itself and no gradient flows; only `h` has to be carried past it.
"""

from typing import Any, NamedTuple

import torch

from keras_rnnkit.kernels._torch_way_back import check_first_order, without_traces

_sigmoid_backward = torch.ops.aten.sigmoid_backward
_tanh_backward = torch.ops.aten.tanh_backward


class Steps(NamedTuple):
    """What every step leaves, `(time, batch, ...)`."""

    h: Any
    c: Any
    gates: Any  # (time, batch, 4 * units)


def lstm(
    x: Any,
    h: Any,
    c: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    keep: Any,
    drop: Any,
) -> tuple[Any, Any, Any, Any, Any]:
    """The states of every step, all gates side by side, and the last two states.

    Args:
        x: `(time, batch, features)`.
        h: `(batch, units)`.
        c: `(batch, units)`.
        kernel: `(features, 4 * units)`.
        recurrent_kernel: `(units, 4 * units)`.
        bias: `(4 * units,)`.
        keep: `(time, batch, 1)`, false where a step is skipped, or `None`.
        drop: `(batch, units)`, by which `h` is multiplied ahead of its product, or `None`.
    """
    return _LSTM.apply(x, h, c, kernel, recurrent_kernel, bias, keep, drop)


def _forward(
    x: Any, h: Any, c: Any, kernel: Any, recurrent_kernel: Any, bias: Any, keep: Any, drop: Any
) -> Steps:
    (time, batch), u = x.shape[:2], h.shape[1]
    rows = torch.addmm(bias, x.reshape(time * batch, x.shape[2]), kernel)
    gates = rows.view(time, batch, 4 * u)  # in the loop; here what goes into them
    steps = Steps(gates.new_empty(time, batch, u), gates.new_empty(time, batch, u), gates)
    carried = [None] * time if keep is None else (~keep).unbind(0)
    for pre, i_f, i, f, g, o, new_h, new_c, skip in zip(
        gates.unbind(0),
        gates[..., : 2 * u].unbind(0),
        *(gate.unbind(0) for gate in gates.split(u, dim=-1)),
        steps.h.unbind(0),
        steps.c.unbind(0),
        carried,
        strict=True,
    ):
        pre.addmm_(h if drop is None else h * drop, recurrent_kernel)
        if skip is not None:
            i.masked_fill_(skip, -torch.inf)
            f.masked_fill_(skip, torch.inf)
        i_f.sigmoid_()
        g.tanh_()
        o.sigmoid_()
        c = torch.mul(f, c, out=new_c).addcmul_(i, g)
        torch.tanh(c, out=new_h).mul_(o)
        h = new_h if skip is None else torch.where(skip, h, new_h, out=new_h)
    return steps


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Any:
        *tensors, keep, drop = arguments
        steps = _forward(*arguments)
        ctx.save_for_backward(*steps, *tensors[:5], keep, drop)
        ctx.set_materialize_grads(False)
        return *steps, steps.h[-1].clone(), steps.c[-1].clone()

    @staticmethod
    def backward(ctx: Any, d_every_h: Any, d_every_c: Any, d_gates: Any, d_h: Any, d_c: Any) -> Any:
        check_first_order()
        *steps, x, h, c, kernel, recurrent_kernel, keep, drop = ctx.saved_tensors
        steps = Steps(*steps)
        time, batch, u = steps.h.shape
        old = Steps(torch.cat([h[None], steps.h[:-1]]), torch.cat([c[None], steps.c[:-1]]), None)
        d, through = _derivatives(steps, old.c, keep)
        own = None if d_gates is None else _from_gates(steps.gates, d_gates)
        turned = recurrent_kernel.t().contiguous()  # a product with a view takes twice as long
        d_h = torch.zeros_like(h) if d_h is None else d_h.clone()
        d_c = torch.zeros_like(c) if d_c is None else d_c.clone()
        d_pre, f = d.view(time, batch, 4 * u), steps.gates[..., u : 2 * u]
        for t in reversed(range(time)):
            if d_every_h is not None:
                d_h.add_(d_every_h[t])
            if d_every_c is not None:
                d_c.add_(d_every_c[t])
            d_c.addcmul_(d_h, through[t])
            d[t, :, :3].mul_(d_c[:, None])
            d[t, :, 3].mul_(d_h)
            if own is not None:
                d_pre[t].add_(own[t])
            d_h = _before(d_h, d_pre[t], turned, drop, None if keep is None else keep[t])
            d_c.mul_(f[t])
            if t % 4 == 0:
                d_h, d_c = without_traces(d_h), without_traces(d_c)

        rows = d.view(time * batch, 4 * u)
        d_kernel = x.reshape(time * batch, x.shape[2]).t() @ rows
        multiplied = old.h if drop is None else old.h * drop
        d_recurrent = multiplied.view(time * batch, u).t() @ rows
        d_x = None
        if ctx.needs_input_grad[0]:
            d_x = (rows @ kernel.t()).view(x.shape)
        return d_x, d_h, d_c, d_kernel, d_recurrent, rows.sum(0), None, None


def _derivatives(steps: Steps, old_c: Any, keep: Any) -> tuple[Any, Any]:
    """Those of all steps at once, by which the loop multiplies the gradients of the states.

    Returns:
        `(time, batch, 4, units)`, from the sums in front of the gates to `c`, and for the last
        one to `h`; and `(time, batch, units)`, from `c` to `h`.
    """
    time, batch, u = steps.h.shape
    i, f, g, o = steps.gates.split(u, dim=-1)
    d = steps.gates.new_empty(time, batch, 4, u)
    d_i, d_f, d_g, d_o = d.unbind(2)
    t = torch.tanh(steps.c)
    through = _tanh_backward(o, t)
    d_o.copy_(_sigmoid_backward(t, o))
    d_i.copy_(_sigmoid_backward(g, i))
    d_f.copy_(_sigmoid_backward(old_c, f))
    d_g.copy_(_tanh_backward(i, g))
    if keep is not None:  # where a step is skipped, `h` is none of this step's
        through.mul_(keep)
        d_o.mul_(keep)
    return d, through


def _from_gates(gates: Any, d_gates: Any) -> Any:
    """What the gradients of the gates themselves add to those of the sums in front of them."""
    added = []
    for k, (gate, d) in enumerate(zip(gates.chunk(4, -1), d_gates.chunk(4, -1), strict=True)):
        added.append((_tanh_backward if k == 2 else _sigmoid_backward)(d, gate))
    return torch.cat(added, dim=-1)


def _before(d_h: Any, d_pre: Any, turned: Any, drop: Any, keep: Any) -> Any:
    """The gradient of the hidden state ahead of a step."""
    d_old = d_pre @ turned
    if drop is not None:
        d_old.mul_(drop)
    return d_old if keep is None else torch.where(keep, d_old, d_h)
