"""Whole sequences, forward and backward, for the backends that run under XLA.

Three things make it faster than a loop over a cell. The input projection of all steps is one
product ahead of the loop (for small layers, one product of inputs and state together in it). The
gates are kept, so the way back computes nothing twice, and showing them costs nothing. And the
gradients of the weights are one product over all steps after the loop, instead of a sum that the
loop carries along.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

from keras_rnnkit.kernels._cells import GRU, Functions, GRUResetBefore


class Plan(NamedTuple):
    """What is fixed when a kernel is compiled."""

    cell: Any  # one of kernels._cells
    method: str  # "joined": one product of inputs and state in a step; "hoisted": inputs ahead
    sequences: bool = False  # every output is asked for
    record: bool = False  # every gate and state is asked for


class Arguments(NamedTuple):
    """The tensors of a kernel, time first."""

    inputs: Any  # a list of one tensor (time, batch, features), or of one for each gate
    states: Any  # a list of (batch, units)
    kernel: Any  # (features, gates * units)
    recurrent_kernel: Any  # (units, gates * units)
    bias: Any  # (gates * units,); (2, gates * units) for a GRU that resets after the product
    keep: Any  # a list of none or of one (time, batch, 1), false where a step is skipped
    drop: Any  # a list of none or of one (batch, units) for each gate: recurrent dropout


class Steps(NamedTuple):
    """Everything that the steps leave behind, each `(time, batch, units)`."""

    states: Any
    gates: Any
    extras: Any


# scan(step, carry, xs, widths, reverse=False): the backend's loop over time, where the step takes
# the carry and a slice of xs, and returns the new carry and a list of tensors (batch, width).
Scan = Callable[..., Any]


def shown(plan: Plan, last: Any, steps: Steps) -> tuple[Any, Steps]:
    """What a kernel returns: the last states, and of the steps what the plan asks for."""
    if plan.record:
        return last, steps._replace(extras=[])
    return last, Steps(steps.states[: int(plan.sequences)], [], [])


def forward(
    plan: Plan, args: Arguments, to: Functions, scan: Scan, save: bool
) -> tuple[Any, Steps]:
    """Run a cell over time.

    Args:
        plan: What is fixed.
        args: The tensors.
        to: The backend's sigmoid and tanh.
        scan: The backend's loop.
        save: Whether to keep everything, for the way back.

    Returns:
        The last states, and the steps: all of them with `save` or `record`, else the outputs with
        `sequences`, else none.
    """
    cell = plan.cell
    blocks = _blocks(plan, args)
    to = to._replace(late=lambda value: _dropped(value, args.drop, 2) @ blocks.recurrent[2])
    xs, before = (_joined if plan.method == "joined" else _hoisted)(plan, args, blocks)

    def step(states: Any, current: Any) -> tuple[Any, Any]:
        x, keep = current
        new, gates, extras = cell.forward(before(x, states[0]), states, to)
        if keep:
            new = [ops.where(keep[0], a, b) for a, b in zip(new, states, strict=True)]
        if save or plan.record:
            return new, [*new, *gates, *extras]
        return new, new[:1] if plan.sequences else []

    count = cell.states + cell.gates + cell.extras if save or plan.record else int(plan.sequences)
    last, kept = scan(step, args.states, (xs, args.keep), [args.states[0].shape[-1]] * count)
    states, gates, extras = _cut(kept, cell.states, cell.gates)
    return last, Steps(states, gates, extras)


def backward(
    plan: Plan,
    args: Arguments,
    steps: Steps,
    d_last: Any,
    d_steps: Steps,
    to: Functions,
    scan: Scan,
) -> Arguments:
    """The gradients of the arguments, where there are any.

    Args:
        plan: What is fixed.
        args: The tensors of the forward run.
        steps: All its steps.
        d_last: The gradients of the last states.
        d_steps: The gradients of what the forward run returned of its steps.
        to: The backend's sigmoid and tanh.
        scan: The backend's loop.
    """
    cell = plan.cell
    blocks = _blocks(plan, args)
    back = _transposed_product(cell, args, blocks)
    if cell is GRUResetBefore:
        transposed = ops.transpose(blocks.recurrent[2])
        to = to._replace(late=lambda d: _dropped(d @ transposed, args.drop, 2))
    olds = [
        ops.concatenate([first[None], later[:-1]], axis=0)
        for first, later in zip(args.states, steps.states, strict=True)
    ]

    def step(d_states: Any, current: Any) -> tuple[Any, Any]:
        old, new, gates, extras, d_new, d_gates, keep = current
        d_states = [d + d_new[i] if i < len(d_new) else d for i, d in enumerate(d_states)]
        d_active = [ops.where(keep[0], d, 0 * d) for d in d_states] if keep else d_states
        d_pre, d_old = cell.backward(d_active, d_gates, old, new, gates, extras, to)
        d_old = [back(d_pre) + d_old[0], *d_old[1:]]
        if keep:
            d_old = [ops.where(keep[0], a, d) for a, d in zip(d_old, d_states, strict=True)]
        return d_old, [ops.concatenate(d_pre, axis=-1)]

    xs = (olds, *steps, d_steps.states, d_steps.gates, args.keep)
    units = args.states[0].shape[-1]
    width = units * _pre(cell)
    d_first, (d_pre,) = scan(step, d_last, xs, [width], reverse=True)
    return _gradients(plan, args, olds[0], steps, d_first, d_pre)


class _Blocks(NamedTuple):
    """The weights cut at the gates."""

    input: Any
    recurrent: Any
    input_bias: Any
    recurrent_bias: Any


def _blocks(plan: Plan, args: Arguments) -> _Blocks:
    count = len(plan.cell.inputs)
    biases = [args.bias[0], args.bias[1]] if plan.cell is GRU else [args.bias, None]
    cut = [
        [None] * count if weight is None else ops.split(weight, count, axis=-1)
        for weight in (args.kernel, args.recurrent_kernel, *biases)
    ]
    return _Blocks(*cut)


def _hoisted(plan: Plan, args: Arguments, blocks: _Blocks) -> tuple[Any, Callable[..., Any]]:
    """The input projections of all steps, a product for each gate, and how a step uses them."""
    cell = plan.cell
    inputs = args.inputs if len(args.inputs) > 1 else args.inputs * len(cell.inputs)
    xs = [x @ w + b for x, w, b in zip(inputs, blocks.input, blocks.input_bias, strict=True)]

    def before(x: Any, h: Any) -> Any:
        pre: list[Any] = [None] * _pre(cell)
        for i, value in zip(cell.inputs, x, strict=True):
            pre[i] = value
        for k, i in enumerate(cell.products):
            product = _dropped(h, args.drop, k) @ blocks.recurrent[k]
            if blocks.recurrent_bias[k] is not None:
                product = product + blocks.recurrent_bias[k]
            pre[i] = product if pre[i] is None else pre[i] + product
        return pre

    return xs, before


def _joined(plan: Plan, args: Arguments, blocks: _Blocks) -> tuple[Any, Callable[..., Any]]:
    """Inputs and state side by side, so that a step is one product, with zeros where need be."""
    cell = plan.cell
    columns, biases = [], []
    for i in range(_pre(cell)):
        rows, bias = [], 0.0
        for weights, names, own in (
            (blocks.input, cell.inputs, blocks.input_bias),
            (blocks.recurrent, cell.products, blocks.recurrent_bias),
        ):
            k = names.index(i) if i in names else None
            rows.append(ops.zeros_like(weights[0]) if k is None else weights[k])
            bias = bias if k is None or own[k] is None else bias + own[k]
        columns.append(ops.concatenate(rows, axis=0))
        biases.append(bias)
    weight, bias = ops.concatenate(columns, axis=1), ops.concatenate(biases, axis=0)

    def before(x: Any, h: Any) -> Any:
        return ops.split(ops.concatenate([x[0], h], axis=-1) @ weight + bias, _pre(cell), axis=-1)

    return args.inputs, before


def _transposed_product(cell: Any, args: Arguments, blocks: _Blocks) -> Callable[..., Any]:
    """From the gradients of the sums to that of the old hidden state."""
    names = list(enumerate(cell.products))
    if not args.drop:
        weight = ops.transpose(ops.concatenate([blocks.recurrent[k] for k, _ in names], axis=1))
        return lambda d_pre: ops.concatenate([d_pre[i] for _, i in names], axis=-1) @ weight
    weights = [ops.transpose(block) for block in blocks.recurrent]
    return lambda d_pre: sum(_dropped(d_pre[i] @ weights[k], args.drop, k) for k, i in names)


def _gradients(
    plan: Plan, args: Arguments, old: Any, steps: Steps, d_first: Any, d_pre: Any
) -> Arguments:
    """The gradients of all weights and inputs: one product over all steps for each."""
    cell, count = plan.cell, len(plan.cell.inputs)
    parts = ops.split(d_pre, _pre(cell), axis=-1)
    d_inputs = [parts[i] for i in cell.inputs]
    # The input's share may lie side by side in `d_pre` already.
    side_by_side = d_pre[..., : count * parts[0].shape[-1]]
    if len(args.inputs) == 1:
        d_x = [side_by_side @ ops.transpose(args.kernel)]
        d_kernel = _over_time(args.inputs[0], side_by_side)
    else:
        kernels = ops.split(args.kernel, count, axis=-1)
        d_x = [d @ ops.transpose(w) for d, w in zip(d_inputs, kernels, strict=True)]
        d_kernel = _side_by_side(map(_over_time, args.inputs, d_inputs))
    d_products = [parts[i] for i in cell.products]
    if not args.drop:
        d_recurrent = [_over_time(old, _side_by_side(d_products))]
    else:
        d_recurrent = [_over_time(_dropped(old, args.drop, k), d) for k, d in enumerate(d_products)]
    if cell is GRUResetBefore:
        d_recurrent.append(_over_time(_dropped(steps.gates[1] * old, args.drop, 2), parts[2]))
    d_bias = ops.sum(side_by_side, axis=(0, 1))
    if cell is GRU:
        d_bias = ops.stack([d_bias, ops.sum(_side_by_side(d_products), axis=(0, 1))])
    weights = (d_kernel, _side_by_side(d_recurrent), d_bias)
    return Arguments(d_x, d_first, *weights, [None for _ in args.keep], [None for _ in args.drop])


def _over_time(values: Any, gradients: Any) -> Any:
    """The sum over time and batch of `values^T gradients`."""
    values = ops.reshape(values, (-1, values.shape[-1]))
    return ops.transpose(values) @ ops.reshape(gradients, (-1, gradients.shape[-1]))


def _side_by_side(blocks: Any) -> Any:
    return ops.concatenate(list(blocks), axis=-1)


def _dropped(value: Any, drop: Any, k: int) -> Any:
    return value * drop[k] if drop else value


def _pre(cell: Any) -> int:
    """The number of sums that go into a step."""
    return max(*cell.inputs, *cell.products) + 1


def _cut(kept: Any, states: int, gates: int) -> tuple[Any, Any, Any]:
    """What was kept, by its kind."""
    return kept[:states], kept[states : states + gates], kept[states + gates :]
