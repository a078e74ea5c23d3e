"""Whole sequences, forward and backward: all on JAX and TensorFlow, the general case on PyTorch.

Three things make it faster than a loop over a cell. The matrix products are grouped as suits the
backend and the width (`Plan.method`). The gates are saved, so the backward pass computes nothing
twice, and returning them costs nothing. And the gradients of the weights are one product over all
steps after the loop, or over a chunk of them, instead of a sum that every step adds to.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

from keras_rnnkit.kernels._cells import GRU, Functions, GRUResetBefore


class Plan(NamedTuple):
    """What is fixed when a kernel is compiled."""

    cell: Any  # one of kernels._cells
    # "concatenated": one product of [input, state] in a step; "fused gates": one of the input and
    # one of the state, all gates together; "per gate": the same two for each gate; "hoisted": the
    # inputs of all steps are projected ahead of the loop.
    method: str
    sequences: bool = False  # every output is asked for
    capture_gates: bool = False  # every gate and state is asked for


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
    """What the steps leave behind, each `(time, batch, units)`, as lists."""

    states: Any = ()  # after each step
    gates: Any = ()
    old: Any = ()  # the states before each step, for the backward pass
    extras: Any = ()  # what else a cell wants to find in the backward pass


# scan(step, carry, xs, widths, reverse=False): the backend's loop over time. The step takes the
# carry and a slice of xs, and returns the new carry and tensors (batch, width), in the structure
# of widths, which are stacked.
Scan = Callable[..., Any]


def shown(plan: Plan, last: Any, steps: Steps) -> tuple[Any, Steps]:
    """What a kernel returns: the last states, and of the steps what the plan asks for."""
    return last, Steps(steps.states, steps.gates if plan.capture_gates else [], [], [])


def forward(
    plan: Plan, args: Arguments, to: Functions, scan: Scan, save: bool
) -> tuple[Any, Steps]:
    """Run a cell over time.

    Args:
        plan: What is fixed.
        args: The tensors.
        to: The backend's sigmoid and tanh.
        scan: The backend's loop.
        save: Whether to keep everything, for the backward pass.

    Returns:
        The last states, and the steps: all of them with `save` or `capture_gates`, else the
        outputs with `sequences`, else none.
    """
    cell = plan.cell
    if plan.method in _BEFORE and (args.drop or len(args.inputs) > 1):
        raise ValueError(f"the method {plan.method!r} knows no mask for each gate")
    blocks = _blocks(plan, args)
    to = to._replace(late=lambda value: _dropped(value, args.drop, 2) @ blocks.recurrent[2])
    xs, before = _BEFORE.get(plan.method, _apart)(plan, args, blocks)
    returned = cell.states if plan.capture_gates else int(plan.sequences)
    with_gates = save or plan.capture_gates

    def step(states: Any, current: Any) -> tuple[Any, Steps]:
        x, keep = current
        new, gates, extras = cell.forward(before(x, states[0]), states, to)
        if keep:
            new = [ops.where(keep[0], a, b) for a, b in zip(new, states, strict=True)]
        gates, old, extras = gates * with_gates, list(states) * save, extras * save
        return new, Steps(new[:returned], gates, old, extras)

    counts = Steps(returned, cell.gates * with_gates, cell.states * save, cell.extras * save)
    units = args.states[0].shape[-1]
    return scan(step, args.states, (xs, args.keep), Steps(*([units] * n for n in counts)))


def backward(
    plan: Plan,
    args: Arguments,
    steps: Steps,
    d_last: Any,
    d_steps: Steps,
    to: Functions,
    scan: Scan,
) -> tuple[Any, Any]:
    """The gradients of the first states, and what `weight_gradients` and `input_gradients` take.

    Args:
        plan: What is fixed.
        args: The tensors of the forward run.
        steps: What it saved.
        d_last: The gradients of the last states.
        d_steps: The gradients of what the forward run returned of its steps.
        to: The backend's sigmoid and tanh.
        scan: The backend's loop.
    """
    cell, together = plan.cell, _together(plan, args)
    blocks = _blocks(plan, args)
    back = _transposed_product(plan, args, blocks)
    if cell is GRUResetBefore:
        transposed = ops.transpose(blocks.recurrent[2])
        to = to._replace(late=lambda d: _dropped(d @ transposed, args.drop, 2))

    def step(d_states: Any, current: Any) -> tuple[Any, Any]:
        old, gates, extras, d_new, d_gates, keep = current
        d_states = [d + d_new[i] if i < len(d_new) else d for i, d in enumerate(d_states)]
        d_active = (
            [ops.where(keep[0], d, ops.zeros_like(d)) for d in d_states] if keep else d_states
        )
        d_pre, d_old = cell.backward(d_active, d_gates, old, gates, extras, to)
        joined = ops.concatenate(d_pre, axis=-1)
        d_old = [back(d_pre, joined) + d_old[0], *d_old[1:]]
        if keep:
            d_old = [ops.where(keep[0], a, d) for a, d in zip(d_old, d_states, strict=True)]
        return d_old, [joined] if together else d_pre

    xs = (steps.old, steps.gates, steps.extras, d_steps.states, d_steps.gates, args.keep)
    units, count = args.states[0].shape[-1], sums_of(cell)
    widths = [units * count] if together else [units] * count
    return scan(step, d_last, xs, widths, reverse=True)


def _together(plan: Plan, args: Arguments) -> bool:
    """Whether the backward pass keeps the gradients of all sums side by side.

    Not where blocks are needed by themselves, and are large: they would be cut out and copied.
    """
    same = plan.cell.inputs == plan.cell.products and len(args.inputs) == 1 and not args.drop
    return plan.method == "concatenated" or same


def weight_gradients(
    plan: Plan, args: Arguments, steps: Steps, d_first: Any, d_pre: Any
) -> Arguments:
    """The gradients of all weights: one product over these steps for each.

    Args:
        plan: What is fixed.
        args: The tensors of the forward run.
        steps: What it saved.
        d_first: The gradients of the first states.
        d_pre: Those of the sums of every step.

    Returns:
        The gradients in the places of the arguments, those of the first states included, with
        `None` for the inputs and for what has none.
    """
    cell, old = plan.cell, steps.old[0]
    products = list(enumerate(cell.products))
    if len(args.inputs) == 1:
        d_kernel = _over_time(plan, args.inputs[0], d_pre, cell.inputs)
    else:
        d_kernel = [_product(x, d_pre[i]) for x, i in zip(args.inputs, cell.inputs, strict=True)]
    if args.drop:
        d_recurrent = [_product(_dropped(old, args.drop, k), d_pre[i]) for k, i in products]
    else:
        d_recurrent = _over_time(plan, old, d_pre, cell.products)
    if cell is GRUResetBefore:
        d_recurrent.append(_product(_dropped(steps.gates[1] * old, args.drop, 2), d_pre[2]))
    sums = [_sum(d) for d in d_pre]
    sums = _cut(sums[0], range(sums_of(cell)), sums_of(cell)) if len(sums) == 1 else sums
    d_bias = _side_by_side(sums[i] for i in cell.inputs)
    if cell is GRU:
        d_bias = ops.stack([d_bias, _side_by_side(sums[i] for _, i in products)])
    none = [None for _ in args.inputs], [None for _ in args.keep], [None for _ in args.drop]
    d_kernel, d_recurrent = _side_by_side(d_kernel), _side_by_side(d_recurrent)
    return Arguments(none[0], d_first, d_kernel, d_recurrent, d_bias, *none[1:])


def input_gradients(plan: Plan, args: Arguments, d_pre: Any) -> list[Any]:
    """The gradients of the inputs. They stand apart, since a first layer needs none."""
    cell = plan.cell
    kernels = [ops.transpose(w) for w in ops.split(args.kernel, len(cell.inputs), axis=-1)]
    if len(d_pre) == 1:
        columns = _side_by_side(_cut(d_pre[0], cell.inputs, sums_of(cell)))
        return [columns @ ops.concatenate(kernels, axis=0)]
    parts = [d_pre[i] @ w for i, w in zip(cell.inputs, kernels, strict=True)]
    return parts if len(args.inputs) > 1 else [sum(parts[1:], parts[0])]


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


def _apart(plan: Plan, args: Arguments, blocks: _Blocks) -> tuple[Any, Callable[..., Any]]:
    """A product for each gate: of all inputs ahead of the loop, or of a step's inputs in it."""
    cell = plan.cell

    def projected(inputs: Any) -> Any:
        each = inputs if len(inputs) > 1 else inputs * len(cell.inputs)
        return [x @ w + b for x, w, b in zip(each, blocks.input, blocks.input_bias, strict=True)]

    in_step = plan.method == "per gate"
    xs = args.inputs if in_step else projected(args.inputs)

    def before(x: Any, h: Any) -> Any:
        pre: list[Any] = [None] * sums_of(cell)
        for i, value in zip(cell.inputs, projected(x) if in_step else x, strict=True):
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
    for i in range(sums_of(cell)):
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
        return ops.split(
            ops.concatenate([x[0], h], axis=-1) @ weight + bias, sums_of(cell), axis=-1
        )

    return args.inputs, before


def _whole(plan: Plan, args: Arguments, blocks: _Blocks) -> tuple[Any, Callable[..., Any]]:
    """A product of a step's inputs and one of its state, each of all gates together."""
    cell, count = plan.cell, len(plan.cell.products)
    if cell.inputs == cell.products:

        def summed(x: Any, h: Any) -> Any:
            # One wide sum that is cut afterwards: large enough for XLA to spread over all cores.
            total = x[0] @ args.kernel + h @ args.recurrent_kernel + args.bias
            return ops.split(total, count, axis=-1)

        return args.inputs, summed

    recurrent = _side_by_side(blocks.recurrent[:count])
    bias, recurrent_bias = _side_by_side(blocks.input_bias), None
    if blocks.recurrent_bias[0] is not None:
        recurrent_bias = _side_by_side(blocks.recurrent_bias[:count])

    def before(x: Any, h: Any) -> Any:
        of_state = h @ recurrent if recurrent_bias is None else h @ recurrent + recurrent_bias
        pre: list[Any] = [None] * sums_of(cell)
        for names, values in ((cell.inputs, x[0] @ args.kernel + bias), (cell.products, of_state)):
            for i, value in zip(names, ops.split(values, len(names), axis=-1), strict=True):
                pre[i] = value if pre[i] is None else pre[i] + value
        return pre

    return args.inputs, before


_BEFORE = {"concatenated": _joined, "fused gates": _whole}


def _transposed_product(plan: Plan, args: Arguments, blocks: _Blocks) -> Callable[..., Any]:
    """From the gradients of the sums, apart and joined, to that of the old hidden state."""
    cell, recurrent = plan.cell, blocks.recurrent
    names, together = list(enumerate(cell.products)), _together(plan, args)
    # Small products of each gate run beside each other. A GRU's are slower so: its three are one
    # product after all.
    apart = bool(args.drop) or (together and plan.method == "per gate")
    if together and not apart:  # zeros where need be, which cost less than one more piece
        where = {i: recurrent[k] for k, i in names}
        columns = [where.get(i, ops.zeros_like(recurrent[0])) for i in range(sums_of(cell))]
        weight = ops.transpose(ops.concatenate(columns, axis=1))
        return lambda d_pre, joined: joined @ weight
    if not apart:
        weight = ops.transpose(_side_by_side(recurrent[k] for k, _ in names))
        return lambda d_pre, joined: _side_by_side(d_pre[i] for _, i in names) @ weight
    weights = [ops.transpose(block) for block in recurrent]
    return lambda d_pre, joined: sum(
        _dropped(d_pre[i] @ weights[k], args.drop, k) for k, i in names
    )


def _over_time(plan: Plan, values: Any, d_pre: Any, names: tuple[int, ...]) -> list[Any]:
    """The products of values with the gradients of these names, summed over time and batch."""
    if len(d_pre) == 1:
        return _cut(_product(values, d_pre[0]), names, sums_of(plan.cell))
    return [_product(values, d_pre[i]) for i in names]


def _product(values: Any, gradients: Any) -> Any:
    """The sum over time and batch of `values^T gradients`."""
    values = ops.reshape(values, (-1, values.shape[-1]))
    return ops.transpose(values) @ ops.reshape(gradients, (-1, gradients.shape[-1]))


def _sum(gradients: Any) -> Any:
    """The sum over time and batch: as a product with ones, which takes less time on a CPU."""
    gradients = ops.reshape(gradients, (-1, gradients.shape[-1]))
    return (ops.transpose(ops.ones_like(gradients[:, :1])) @ gradients)[0]


def _cut(joined: Any, names: Any, count: int) -> list[Any]:
    """The blocks of these names, of `count` that stand side by side."""
    parts = ops.split(joined, count, axis=-1)
    return [parts[i] for i in names]


def _side_by_side(blocks: Any) -> Any:
    return ops.concatenate(list(blocks), axis=-1)


def _dropped(value: Any, drop: Any, k: int) -> Any:
    return value * drop[k] if drop else value


def sums_of(cell: Any) -> int:
    """The number of sums that a cell activates in a step: `units` columns each."""
    return max(*cell.inputs, *cell.products) + 1
