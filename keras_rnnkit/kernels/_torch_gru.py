"""A GRU on PyTorch: a loop that writes into preallocated buffers.

PyTorch's own GRU is faster on a GPU alone; it returns no gates and applies no recurrent dropout.

The letters are those of the cell's equations: gates `z` (update), `r` (reset), `g` (candidate),
and `q`, the recurrent product that `r` resets. At a masked step `z` is 1, so the state stays as it
is and no gradient reaches the pre-activations; the loop needs no other treatment of masks.
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
    """The state, the gates and the recurrent product of every step."""

    h: Any  # (time, batch, units)
    gates: Any  # (time, batch, 3 * units)
    q: Any  # (time, batch, units)


def gru(
    inputs: Any,
    first: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    mask: Any,
    recurrent_masks: Any,
    sequences: bool,
    capture_gates: bool,
) -> tuple[Any, Any, Any]:
    """The states of every step, the gates concatenated, and the last state.

    Without a backward pass, states and gates that are not asked for are `None`.

    Args:
        inputs: A list of `(time, batch, features)`, one tensor, or one for each gate.
        first: `(batch, units)`.
        kernel: `(features, 3 * units)`.
        recurrent_kernel: `(units, 3 * units)`.
        bias: `(2, 3 * units)`.
        mask: `(time, batch, 1)`, false where a step is skipped, or `None`.
        recurrent_masks: `(3, batch, units)`, the recurrent dropout masks, by which `h` is
            multiplied before the products, or `None`.
        sequences: Whether every state is asked for.
        capture_gates: Whether the gates are asked for, `(time, batch, 3 * units)`. Those of a
            masked step are undefined: the caller replaces them by zeros, which also stops their
            gradients.
    """
    tensors = (first, kernel, recurrent_kernel, bias)
    if needs_gradients(*tensors, *inputs):
        return _GRU.apply(*tensors, mask, recurrent_masks, *inputs)
    one_row = first.shape[0] == 1  # faster with the units last: 1.2 to 1.4 times from 128 units on
    if capture_gates or recurrent_masks is not None or len(inputs) > 1 or one_row:
        steps = _forward(*tensors, mask, recurrent_masks, *inputs)
        outputs = (steps.h if sequences else None, steps.gates if capture_gates else None)
        return *outputs, steps.h[-1].clone()
    states, last = _predict(inputs[0], *tensors, mask, sequences)
    return states, None, last


_CHUNK = 10  # steps of a prediction whose inputs are projected in one product: it stays in cache


def _predict(
    x: Any, first: Any, kernel: Any, recurrent_kernel: Any, bias: Any, mask: Any, sequences: bool
) -> tuple[Any, Any]:
    """The states alone, with the units first, `(units, batch)`.

    So each gate is contiguous. Batches of 64 take 1.15 to 1.4 times as long with the units last.
    """
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
        if mask is not None:
            masked = ~mask[start : start + _CHUNK].transpose(1, 2)
            part[:, :u].masked_fill_(masked, torch.inf)
        for i, (in_z_r, g) in enumerate(slots[: len(chunk)], start):
            torch.addmm(own_bias, recurrent_kernel, h, out=product)
            z_r.add_(in_z_r).sigmoid_()
            g.addcmul_(r, q).tanh_()
            h = torch.lerp(g, h, z, out=states[i if sequences else 0])
    return (states.transpose(1, 2), h.t().clone()) if sequences else (None, h.t())


def _forward(
    first: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    mask: Any,
    recurrent_masks: Any,
    *inputs: Any,
) -> Steps:
    """All that the backward pass needs."""
    (time, batch), u = inputs[0].shape[:2], first.shape[1]
    ahead = torch.cat([bias[0, : 2 * u] + bias[1, : 2 * u], bias[0, 2 * u :]])
    gates = _projected(inputs, kernel, ahead)  # pre-activations, until the loop overwrites them
    h, q = gates.new_empty(time, batch, u), gates.new_empty(time, batch, u)
    if mask is not None:
        gates[..., :u].masked_fill_(~mask, torch.inf)
    both, own = recurrent_kernel[:, : 2 * u], recurrent_kernel[:, 2 * u :]
    own_bias = bias[1, 2 * u :]
    old = first
    for z_r, z, r, g, q_t, new in zip(
        gates[..., : 2 * u].unbind(0),
        *(gate.unbind(0) for gate in gates.split(u, dim=-1)),
        q.unbind(0),
        h.unbind(0),
        strict=True,
    ):
        if recurrent_masks is None:
            z_r.addmm_(old, both)
            torch.addmm(own_bias, old, own, out=q_t)
        else:
            of_z, of_r, of_g = old * recurrent_masks
            z.addmm_(of_z, both[:, :u])
            r.addmm_(of_r, both[:, u:])
            torch.addmm(own_bias, of_g, own, out=q_t)
        z_r.sigmoid_()
        g.addcmul_(r, q_t).tanh_()
        old = torch.lerp(g, old, z, out=new)
    return Steps(h, gates, q)


def _projected(inputs: Any, kernel: Any, bias: Any) -> Any:
    """The products of the inputs of all steps, those of the gates concatenated."""
    shape, count = inputs[0].shape[:2], len(inputs)
    triples = zip(inputs, kernel.chunk(count, -1), bias.chunk(count), strict=True)
    parts = [torch.addmm(b, x.flatten(0, 1), weight) for x, weight, b in triples]
    return (parts[0] if count == 1 else torch.cat(parts, -1)).unflatten(0, shape)


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Any:
        steps = _forward(*arguments)
        first, kernel, recurrent_kernel, _, _, *others = arguments
        ctx.save_for_backward(*steps, first, kernel, recurrent_kernel, *others)
        ctx.set_materialize_grads(False)
        return steps.h, steps.gates, steps.h[-1].clone()

    @staticmethod
    @of_kernel
    def backward(ctx: Any, d_every: Any, d_gates: Any, d_last: Any) -> Any:
        h, gates, q, first, kernel, recurrent_kernel, masks, *inputs = ctx.saved_tensors
        time, batch, u = h.shape
        z = gates[..., :u]
        d = _derivatives(Steps(h, gates, q), first)
        direct = None if d_gates is None else _through_activations(gates, q, d_gates)
        if masks is not None:
            masks = masks.roll(1, 0)  # in the order of `rotated`

        # Contiguous: a product with a transposed view takes twice as long.
        rotated = _last_first(recurrent_kernel, 2 * u).t().contiguous()
        d_h = torch.zeros_like(first) if d_last is None else d_last.clone()
        concatenated = d.view(time, batch, 4 * u)
        for t in reversed(range(time)):
            if d_every is not None:
                d_h.add_(d_every[t])
            d[t].mul_(d_h[:, None])
            if direct is not None:
                d[t].add_(direct[t])
            d_h.mul_(z[t])
            if masks is None:
                d_h.addmm_(concatenated[t, :, : 3 * u], rotated)
            else:
                d_old = torch.bmm(d[t, :, :3].transpose(0, 1), rotated.view(3, u, u))
                d_h.add_(d_old.mul_(masks).sum(0))
            if t % 4 == 0:
                d_h = without_subnormals(d_h)

        del direct  # before the large products
        rows = d.view(time * batch, 4 * u)
        d_products, d_inputs = rows[:, : 3 * u], rows[:, u:]
        parts = d_products.chunk(1 if masks is None else 3, -1)
        d_recurrent = weight_gradient(states_of_gates(first, masks), [d[:batch] for d in parts])
        of_others = states_of_gates(h[:-1], masks)
        d_recurrent.add_(weight_gradient(of_others, [d[batch:] for d in parts]))
        d_recurrent = _last_first(d_recurrent, u)
        d_bias = torch.stack([d_inputs.sum(0), _last_first(d_products.sum(0), u)])
        parts = d_inputs.chunk(len(inputs), -1)
        d_kernel = weight_gradient(inputs, parts)
        d_x = [None] * len(inputs)
        if any(ctx.needs_input_grad[-len(inputs) :]):
            pairs = zip(parts, kernel.chunk(len(inputs), -1), strict=True)
            d_x = [(part @ weight.t()).unflatten(0, (time, batch)) for part, weight in pairs]
        return d_h, d_kernel, d_recurrent, d_bias, None, None, *d_x


def _derivatives(steps: Steps, first: Any) -> Any:
    """The derivatives of all steps, by which the loop multiplies the gradient of the state.

    Returns:
        `(time, batch, 4, units)`: the derivatives of `h` by `q`, and by the pre-activations of `z`,
        `r` and `g`. So the three of each kernel are contiguous.
    """
    h, gates, q = steps
    z, r, g = gates.chunk(3, dim=-1)
    d = gates.new_empty(*h.shape[:2], 4, h.shape[2])
    d_q, d_z, d_r, d_g = d.unbind(2)
    torch.sub(first, g[0], out=d_z[0])
    torch.sub(h[:-1], g[1:], out=d_z[1:])
    _sigmoid_backward(d_z, z, grad_input=d_z)
    _tanh_backward(torch.sub(1, z, out=d_g), g, grad_input=d_g)
    torch.mul(d_g, r, out=d_q)
    _sigmoid_backward(q, r, grad_input=d_r).mul_(d_g)
    return d


def _through_activations(gates: Any, q: Any, d_gates: Any) -> Any:
    """The gradients that come directly from those of the gates, in the order of `_derivatives`."""
    (z, r, g), (d_z, d_r, d_g) = gates.chunk(3, dim=-1), d_gates.chunk(3, dim=-1)
    d_g = _tanh_backward(d_g, g)
    d_r = _sigmoid_backward(d_r + d_g * q, r)
    return torch.stack([d_g * r, _sigmoid_backward(d_z, z), d_r, d_g], dim=2)


def _last_first(weight: Any, at: int) -> Any:
    """The columns from `at` on, then those before."""
    return torch.cat([weight[..., at:], weight[..., :at]], dim=-1)
