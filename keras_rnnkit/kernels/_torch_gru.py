"""A GRU on PyTorch: a loop that writes into preallocated buffers.

PyTorch's own GRU is faster only on a GPU; it returns no gates and applies no recurrent dropout.

The letters are those of the cell's equations: gates `z` (update), `r` (reset), `g` (candidate),
and `q`, the recurrent product that `r` resets. At a masked step `z` is 1, so the state stays as it
is and no gradient reaches the pre-activations; the loop needs no other treatment of masks. The
gates of a masked step are undefined: the caller replaces them by zeros, which also stops their
gradients.
"""

from typing import Any

import torch

from keras_rnnkit.kernels._arguments import Arguments, Plan, Steps, as_gradients
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
    """The last state, and of the steps what the plan asks for and, with `save`, all."""
    one_row = args.states[0].shape[0] == 1  # units last take 0.7 to 0.85 times as long for it
    per_gate = args.recurrent_masks or len(args.inputs) > 1
    if save or plan.capture_gates or per_gate or one_row:
        return _units_last(args, save)
    return _units_first(args, plan.return_sequences)


_CHUNK = 10  # steps of a prediction whose inputs are projected in one product: it stays in cache


def _units_first(args: Arguments, return_sequences: bool) -> tuple[Any, Steps]:
    """The states alone, from tensors `(units, batch)`, in which each gate is contiguous.

    Batches of 64 take 1.15 to 1.4 times as long with the units last.
    """
    ((x,), (first,)), bias = args[:2], args.bias[..., None]
    (time, batch), u = x.shape[:2], first.shape[1]
    kernel, recurrent_kernel = args.kernel.t().contiguous(), args.recurrent_kernel.t().contiguous()
    ahead = _bias_ahead(bias, u)
    own_bias = torch.cat([torch.zeros_like(bias[1, : 2 * u]), bias[1, 2 * u :]])
    own_bias = own_bias.expand(3 * u, batch).contiguous()
    inputs = kernel.new_empty(_CHUNK, 3 * u, batch)
    slots = list(zip(inputs[:, : 2 * u].unbind(0), inputs[:, 2 * u :].unbind(0), strict=True))
    product = kernel.new_empty(3 * u, batch)
    z_r, (z, r, q) = product[: 2 * u], product.split(u)
    states = kernel.new_empty(time if return_sequences else 1, u, batch)
    h, starts = first.t().clone(memory_format=torch.contiguous_format), starts_by_step(args)
    scratch = torch.empty_like(h) if return_sequences and args.resets else None
    for start in range(0, time, _CHUNK):
        chunk = x[start : start + _CHUNK].transpose(1, 2)
        part = inputs[: len(chunk)]
        torch.baddbmm(ahead.expand(part.shape), kernel.expand(len(chunk), -1, -1), chunk, out=part)
        for mask in args.mask:
            masked = ~mask[start : start + _CHUNK].transpose(1, 2)
            part[:, :u].masked_fill_(masked, torch.inf)
        for i, (in_z_r, g) in enumerate(slots[: len(chunk)], start):
            if starts[i] is not None:
                h = cleared(h, starts[i], scratch, batch_axis=-1)
            torch.addmm(own_bias, recurrent_kernel, h, out=product)
            z_r.add_(in_z_r).sigmoid_()
            g.addcmul_(r, q).tanh_()
            h = torch.lerp(g, h, z, out=states[i if return_sequences else 0])
    last = h.t().clone() if return_sequences else h.t()
    return [last], Steps([states.transpose(1, 2)])


def _units_last(args: Arguments, save: bool) -> tuple[Any, Steps]:
    """All that the backward pass needs; the states before the steps only with `save`."""
    (time, batch), u = args.inputs[0].shape[:2], args.states[0].shape[1]
    masks = stacked(args.recurrent_masks)
    gates = _projected(args, u)  # pre-activations, until the loop overwrites them
    for mask in args.mask:
        gates[..., :u].masked_fill_(~mask, torch.inf)
    every, every_q = states_buffer(args.states[0], time), gates.new_empty(time, batch, u)
    both, own = args.recurrent_kernel[:, : 2 * u], args.recurrent_kernel[:, 2 * u :]
    own_bias, scratch = args.bias[1, 2 * u :], every.new_empty(batch, u)
    for start, z_r, z, r, g, q, old, new in zip(
        starts_by_step(args),
        gates[..., : 2 * u].unbind(0),
        *(gate.unbind(0) for gate in gates.split(u, dim=-1)),
        every_q.unbind(0),
        every[:-1].unbind(0),
        every[1:].unbind(0),
        strict=True,
    ):
        if start is not None:
            old = cleared(old, start, scratch)
        if masks is None:
            z_r.addmm_(old, both)
            torch.addmm(own_bias, old, own, out=q)
        else:
            of_z, of_r, of_g = old * masks
            z.addmm_(of_z, both[:, :u])
            r.addmm_(of_r, both[:, u:])
            torch.addmm(own_bias, of_g, own, out=q)
        z_r.sigmoid_()
        g.addcmul_(r, q).tanh_()
        torch.lerp(g, old, z, out=new)
    previous = states_before(args, [every]) if save else []
    steps = Steps([every[1:]], list(gates.split(u, dim=-1)), previous, [every_q])
    return [every[-1].clone()], steps


def _projected(args: Arguments, units: int) -> Any:
    """The products of the inputs of all steps, those of the gates concatenated."""
    inputs, count = args.inputs, len(args.inputs)
    biases = _bias_ahead(args.bias, units).chunk(count)
    triples = zip(inputs, args.kernel.chunk(count, -1), biases, strict=True)
    parts = [torch.addmm(b, x.flatten(0, 1), weight) for x, weight, b in triples]
    return torch.cat(parts, -1).unflatten(0, inputs[0].shape[:2])


def _bias_ahead(bias: Any, units: int) -> Any:
    """The bias of the input product, with that of the recurrent one where no gate resets it."""
    at = 2 * units
    return torch.cat([bias[0, :at] + bias[1, :at], bias[0, at:]])


def backward_pass(
    plan: Plan, args: Arguments, steps: Steps, d_last: Any, d_steps: Steps
) -> tuple[Any, Any]:
    """The gradients of the first states, and those of the pre-activations of all steps.

    Those of `args.fresh` follow the first. Those of the pre-activations are one tensor, as
    `gradients` takes it; or one for each gate, where gates have masks or inputs of their own. A
    gradient of an output that was not used is `None`.
    """
    masks, d = stacked(args.recurrent_masks), _local_derivatives(steps)
    time, batch, _, u = d.shape
    direct = _direct_gradients(steps, d_steps.gates)
    # In the order of the derivatives: those of `q`, `z` and `r` are contiguous. The copy is, too: a
    # product with a transposed view takes twice as long.
    rotated = args.recurrent_kernel.roll(u, -1).t().contiguous()
    if masks is not None:
        masks = masks.roll(1, 0)
    d_h = zeros_for_none(d_last, args.states)[0].clone()
    starts, d_fresh = starts_by_step(args), [torch.zeros_like(state) for state in args.fresh]
    concatenated = d.view(time, batch, 4 * u)
    for t in reversed(range(time)):
        for d_every in d_steps.states:
            if d_every is not None:
                d_h.add_(d_every[t])
        d[t].mul_(d_h[:, None])
        if direct is not None:
            d[t].add_(direct[t])
        d_h.mul_(steps.gates[0][t])
        if masks is None:
            d_h.addmm_(concatenated[t, :, : 3 * u], rotated)
        else:
            d_old = torch.bmm(d[t, :, :3].transpose(0, 1), rotated.view(3, u, u))
            d_h.add_(d_old.mul_(masks).sum(0))
        if starts[t] is not None:
            cut(d_h, starts[t], d_fresh)
        if t % 4 == 0:
            d_h = flush_to_zero(d_h)
    if masks is None and len(args.inputs) == 1:
        return [d_h, *d_fresh], [d]
    d_q, *of_gates = d.unbind(2)
    return [d_h, *d_fresh], [*of_gates, d_q]


def gradients(args: Arguments, steps: Steps, d_first: Any, d: Any, of_inputs: bool) -> Arguments:
    """The gradients of all arguments, by one product for the gates together.

    In a narrow layer, a product for each gate takes longer.

    Args:
        args: The tensors of the forward pass.
        steps: What it saved.
        d_first: The gradients of the first states.
        d: Those of the pre-activations, in the order of `_local_derivatives`.
        of_inputs: Whether those of the inputs are needed.
    """
    u, (x,) = d.shape[-1], args.inputs
    rows = d.flatten(2).flatten(0, 1)
    d_products, d_inputs = rows[:, : 3 * u], rows[:, u:]
    h = steps.previous_states[0].flatten(0, 1)
    d_kernel, d_recurrent = x.flatten(0, 1).t() @ d_inputs, (h.t() @ d_products).roll(-u, -1)
    d_bias = torch.stack([d_inputs.sum(0), d_products.sum(0).roll(-u)])
    d_x = (d_inputs @ args.kernel.t()).view(x.shape) if of_inputs else None
    return as_gradients(args, [d_x], d_first, (d_kernel, d_recurrent, d_bias))


def _local_derivatives(steps: Steps) -> Any:
    """The derivatives within each step; the loop multiplies the gradient of the state by them.

    Returns:
        `(time, batch, 4, units)`: the derivatives of `h` with respect to `q`, and to the
        pre-activations of `z`, `r` and `g`.
    """
    (h,), (z, r, g), (q,) = steps.previous_states, steps.gates, steps.extras
    d = h.new_empty(*h.shape[:2], 4, h.shape[2])
    d_q, d_z, d_r, d_g = d.unbind(2)
    sigmoid_backward(torch.sub(h, g, out=d_z), z, grad_input=d_z)
    tanh_backward(torch.sub(1, z, out=d_g), g, grad_input=d_g)
    torch.mul(d_g, r, out=d_q)
    sigmoid_backward(q, r, grad_input=d_r).mul_(d_g)
    return d


def _direct_gradients(steps: Steps, d_gates: Any) -> Any:
    """The part that comes from the gradients of returned gates, ordered as `_local_derivatives`."""
    if all(d_gate is None for d_gate in d_gates):
        return None
    (z, r, g), (q,) = steps.gates, steps.extras
    d_z, d_r, d_g = zeros_for_none(d_gates, steps.gates)
    d_g = tanh_backward(d_g, g)
    d_r = sigmoid_backward(d_r + d_g * q, r)
    return torch.stack([d_g * r, sigmoid_backward(d_z, z), d_r, d_g], dim=2)
