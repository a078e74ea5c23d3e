"""A GRU on PyTorch that works in place, for which PyTorch has no kernel of its own on a CPU.

The letters are those of the cell's equations: gates `z` (update), `r` (reset), `g` (candidate),
and `q`, the recurrent product that `r` resets. A masked step is one whose update gate is shut at
one, where the state stays and no gradient flows: there is no other trace of the mask in the loop.
"""

from typing import Any

import torch

from keras_rnnkit.kernels._torch_way_back import (
    check_first_order,
    needs_gradients,
    without_traces,
)

_sigmoid_backward = torch.ops.aten.sigmoid_backward
_tanh_backward = torch.ops.aten.tanh_backward


def gru(
    x: Any,
    h: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    keep: Any,
    sequences: bool,
) -> tuple[Any, Any]:
    """The states of every step (or `None`, where nobody needs them), and the last.

    Args:
        x: `(time, batch, features)`.
        h: `(batch, units)`.
        kernel: `(features, 3 * units)`.
        recurrent_kernel: `(units, 3 * units)`.
        bias: `(2, 3 * units)`.
        keep: `(time, batch, 1)`, false where a step is skipped, or `None`.
        sequences: Whether every state is asked for.
    """
    tensors = (x, h, kernel, recurrent_kernel, bias)
    if needs_gradients(*tensors):
        return _GRU.apply(*tensors, keep)
    return _predict(*tensors, keep, sequences)


_CHUNK = 10  # steps whose inputs are projected together when nothing is kept: they stay in cache


def _predict(
    x: Any, first: Any, kernel: Any, recurrent_kernel: Any, bias: Any, keep: Any, sequences: bool
) -> tuple[Any, Any]:
    """The states alone, units first: so every gate lies in one piece, whatever its width."""
    (time, batch), u = x.shape[:2], first.shape[1]
    kernel, recurrent_kernel = kernel.t().contiguous(), recurrent_kernel.t().contiguous()
    bias = bias[..., None]
    ahead = torch.cat([bias[0, : 2 * u] + bias[1, : 2 * u], bias[0, 2 * u :]])
    own_bias = torch.cat([torch.zeros_like(bias[1, : 2 * u]), bias[1, 2 * u :]])
    own_bias = own_bias.expand(3 * u, batch).contiguous()
    inputs = kernel.new_empty(_CHUNK, 3 * u, batch)
    slots = list(zip(inputs[:, : 2 * u].unbind(0), inputs[:, 2 * u :].unbind(0), strict=True))
    product = kernel.new_empty(3 * u, batch)
    z_r, (z, r, q) = product[: 2 * u], product.split(u)
    states = kernel.new_empty(time if sequences else 1, u, batch)
    h = first.t().contiguous()
    for start in range(0, time, _CHUNK):
        chunk = x[start : start + _CHUNK].transpose(1, 2)
        part = inputs[: len(chunk)]
        torch.baddbmm(ahead.expand(part.shape), kernel.expand(len(chunk), -1, -1), chunk, out=part)
        if keep is not None:
            masked = ~keep[start : start + _CHUNK].transpose(1, 2)
            part[:, :u].masked_fill_(masked, torch.inf)
        for i, (in_z_r, g) in enumerate(slots[: len(chunk)], start):
            torch.addmm(own_bias, recurrent_kernel, h, out=product)
            z_r.add_(in_z_r).sigmoid_()
            g.addcmul_(r, q).tanh_()
            h = torch.lerp(g, h, z, out=states[i if sequences else 0])
    every = states.transpose(1, 2) if sequences else None
    return every, h.t()


def _forward(
    x: Any, first: Any, kernel: Any, recurrent_kernel: Any, bias: Any, keep: Any
) -> tuple[Any, Any, Any]:
    """The gates, states and recurrent products of all steps, for the way back."""
    (time, batch), u = x.shape[:2], first.shape[1]
    ahead = torch.cat([bias[0, : 2 * u] + bias[1, : 2 * u], bias[0, 2 * u :]])
    rows = torch.addmm(ahead, x.reshape(time * batch, x.shape[2]), kernel)
    gates = rows.view(time, batch, 3 * u)  # in the loop; here what goes into them
    states = gates.new_empty(time, batch, u)
    products = gates.new_empty(time, batch, u)
    if keep is not None:
        gates[..., :u].masked_fill_(~keep, torch.inf)
    both, own = recurrent_kernel[:, : 2 * u], recurrent_kernel[:, 2 * u :]
    own_bias = bias[1, 2 * u :]
    h = first
    for z_r, z, r, g, q, new in zip(
        gates[..., : 2 * u].unbind(0),
        *(gate.unbind(0) for gate in gates.split(u, dim=-1)),
        products.unbind(0),
        states.unbind(0),
        strict=True,
    ):
        z_r.addmm_(h, both).sigmoid_()
        torch.addmm(own_bias, h, own, out=q)
        g.addcmul_(r, q).tanh_()
        h = torch.lerp(g, h, z, out=new)
    return gates, states, products


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Any, first: Any, kernel: Any, recurrent_kernel: Any, bias: Any, keep: Any
    ) -> Any:
        saved = _forward(x, first, kernel, recurrent_kernel, bias, keep)
        ctx.save_for_backward(*saved, x, first, kernel, recurrent_kernel)
        ctx.set_materialize_grads(False)
        states = saved[1]
        return states, states[-1].clone()

    @staticmethod
    def backward(ctx: Any, d_states: Any, d_last: Any) -> Any:
        check_first_order()
        gates, states, products, x, first, kernel, recurrent_kernel = ctx.saved_tensors
        time, batch, u = states.shape
        old = torch.cat([first[None], states[:-1]])
        z, r, g = gates.split(u, dim=-1)

        # The derivatives of all steps at once, by which the loop multiplies the state's gradient;
        # side by side r * g, z, r, g, so that both kernels find theirs in one piece.
        d = gates.new_empty(time, batch, 4, u)
        d_rg, d_z, d_r, d_g = d.unbind(2)
        d_g.copy_(_tanh_backward(1 - z, g))
        torch.mul(d_g, r, out=d_rg)
        d_z.copy_(_sigmoid_backward(old - g, z))
        d_r.copy_(_sigmoid_backward(products, r)).mul_(d_g)

        # In one piece: a product with a transposed view takes twice as long.
        rotated = _last_first(recurrent_kernel, 2 * u).t().contiguous()
        d_h = torch.zeros_like(first) if d_last is None else d_last.clone()
        sums = d.view(time, batch, 4 * u)
        for t in reversed(range(time)):
            if d_states is not None:
                d_h.add_(d_states[t])
            d[t].mul_(d_h[:, None])
            d_h.mul_(z[t]).addmm_(sums[t, :, : 3 * u], rotated)
            if t % 4 == 0:
                d_h = without_traces(d_h)

        rows = d.view(time * batch, 4 * u)
        d_products, d_inputs = rows[:, : 3 * u], rows[:, u:]
        d_recurrent = _last_first(old.view(time * batch, u).t() @ d_products, u)
        d_bias = torch.stack([d_inputs.sum(0), _last_first(d_products.sum(0), u)])
        d_kernel = x.reshape(time * batch, x.shape[2]).t() @ d_inputs
        d_x = None
        if ctx.needs_input_grad[0]:
            d_x = (d_inputs @ kernel.t()).view(x.shape)
        return d_x, d_h, d_kernel, d_recurrent, d_bias, None


def _last_first(weight: Any, at: int) -> Any:
    """The columns from `at` on, then those before."""
    return torch.cat([weight[..., at:], weight[..., :at]], dim=-1)
