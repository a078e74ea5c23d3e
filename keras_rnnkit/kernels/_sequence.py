"""The forward and the backward pass over a whole sequence, for the cells of `_cells.py`.

JAX and TensorFlow use them for every call, PyTorch where it has no faster function for the call.

They are faster than a loop over a cell for three reasons. The matrix products are grouped in the
way that is fastest for the backend and the number of units (`Plan.method`). In training, the gates
are saved for the backward pass, which does not compute them again. And the gradients of the weights
are one matrix product over all steps, or over a chunk of them, instead of a sum over the steps.
"""

from typing import Any

from keras import ops

from keras_rnnkit.kernels._arguments import Arguments, Loop, Plan, Steps
from keras_rnnkit.kernels._cells import Functions
from keras_rnnkit.kernels._products import (
    concatenated,
    keeps_concatenated,
    preactivations,
    state_gradient,
    with_reset_product,
)


def forward_pass(
    plan: Plan, args: Arguments, functions: Functions, loop: Loop, save: bool
) -> tuple[Any, Steps]:
    """The last states, and the tensors of all steps that the plan asks for.

    With `save`, the steps also have what the backward pass needs.
    """
    cell, counts = plan.cell, _counts(plan, save)
    functions = with_reset_product(cell, args, functions, transposed=False)
    xs, before_activation = preactivations(plan, args)
    first, fresh = args.states, args.fresh or None
    for resets in args.resets:
        first = _where(resets[0], fresh, first)

    def step(states: Any, current: Any) -> tuple[Any, Steps]:
        x, mask, starts_next = current
        new, gates, extras = cell.forward(before_activation(x, states[0]), states, functions)
        if mask:
            new = _where(mask[0], new, states)
        pairs = zip((new, gates, list(states), extras), counts, strict=True)
        steps = Steps(*(tensors[:count] for tensors, count in pairs))
        for starts in starts_next:
            new = _where(starts, fresh, new)
        return new, steps

    units = args.states[0].shape[-1]
    widths = Steps(*([units] * n for n in counts))
    return loop(step, first, (xs, args.mask, _a_step_ahead(args.resets)), widths)


def _a_step_ahead(resets: Any) -> Any:
    """The resets of the next step, by which a step clears the states that it leaves.

    XLA does this in the loop that computes them. At the beginning of a step it would be a loop of
    its own, which on TensorFlow took a fifth of the time of a GRU.
    """
    return [ops.concatenate([each[1:], ops.zeros_like(each[:1])]) for each in resets]


def _where(condition: Any, values: Any, others: Any) -> list[Any]:
    """One or the other tensor of each pair; `None` in place of a list stands for zeros."""
    like = others if values is None else values
    values, others = (_zeros_like(like) if x is None else x for x in (values, others))
    return [ops.where(condition, a, b) for a, b in zip(values, others, strict=True)]


def _zeros_like(tensors: Any) -> list[Any]:
    """Zeros in the shapes of these tensors."""
    return [ops.zeros_like(tensor) for tensor in tensors]


def _counts(plan: Plan, save: bool) -> Steps:
    """How many tensors of each kind a step returns."""
    cell = plan.cell
    states = cell.states if plan.capture_gates else int(plan.return_sequences)
    if save:
        return Steps(states, cell.gates, cell.states, cell.extras)
    return Steps(states, cell.gates if plan.capture_gates else 0, 0, 0)


def backward_pass(
    plan: Plan,
    args: Arguments,
    steps: Steps,
    d_last: Any,
    d_steps: Steps,
    functions: Functions,
    loop: Loop,
) -> tuple[Any, Any]:
    """The gradients of the initial states, and of the pre-activations of all steps, in two lists.

    The first goes on with those of the states that new sequences start from, where `args.fresh` has
    them. The second has one tensor for each pre-activation of the cell, or a single tensor of all,
    concatenated.

    Args:
        plan: As in the forward pass.
        args: As in the forward pass.
        steps: What the forward pass saved.
        d_last: The gradients of the last states. Those of `args.fresh` by later steps may follow.
        d_steps: The gradients of the tensors of all steps that the forward pass returned.
        functions: As in the forward pass.
        loop: As in the forward pass.
    """
    cell, concatenate = plan.cell, keeps_concatenated(plan, args)
    d_hidden = state_gradient(plan, args)
    functions = with_reset_product(cell, args, functions, transposed=True)

    def step(carry: Any, current: Any) -> tuple[Any, Any]:
        d_states, d_fresh = carry[: cell.states], carry[cell.states :]
        previous, gates, extras, d_new, d_gates, mask, resets = current
        d_states = [d + d_new[i] if i < len(d_new) else d for i, d in enumerate(d_states)]
        d_valid = d_states
        if mask:
            d_valid = _where(mask[0], d_states, None)
        parts, d_previous = cell.backward(d_valid, d_gates, previous, gates, extras, functions)
        whole = concatenated(parts) if concatenate else None
        d_previous = [d_hidden(parts, whole) + d_previous[0], *d_previous[1:]]
        if mask:
            d_previous = _where(mask[0], d_previous, d_states)
        if resets:
            d_starts = _where(resets[0], d_previous, None)
            d_fresh = [a + b for a, b in zip(d_fresh, d_starts, strict=False)]
            d_previous = _where(resets[0], None, d_previous)
        return [*d_previous, *d_fresh], [whole] if concatenate else parts

    xs = (steps.previous_states, steps.gates, steps.extras, d_steps.states, d_steps.gates)
    units, count = args.states[0].shape[-1], cell.preactivations
    widths = [units * count] if concatenate else [units] * count
    carry = with_fresh_gradients(args, d_last)
    return loop(step, carry, (*xs, args.mask, args.resets), widths, reverse=True)


def with_fresh_gradients(args: Arguments, d_last: Any) -> list[Any]:
    """The gradients of the last states, then those of `args.fresh`, which are zero at first."""
    return [*d_last, *_zeros_like(args.fresh)] if len(d_last) == len(args.states) else list(d_last)
