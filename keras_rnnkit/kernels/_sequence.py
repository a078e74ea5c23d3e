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

    def step(states: Any, current: Any) -> tuple[Any, Steps]:
        x, mask = current
        new, gates, extras = cell.forward(before_activation(x, states[0]), states, functions)
        if mask:
            new = [ops.where(mask[0], a, b) for a, b in zip(new, states, strict=True)]
        pairs = zip((new, gates, list(states), extras), counts, strict=True)
        return new, Steps(*(tensors[:count] for tensors, count in pairs))

    units = args.states[0].shape[-1]
    return loop(step, args.states, (xs, args.mask), Steps(*([units] * n for n in counts)))


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

    The second has one tensor for each pre-activation of the cell, or a single tensor of all,
    concatenated.

    Args:
        plan: As in the forward pass.
        args: As in the forward pass.
        steps: What the forward pass saved.
        d_last: The gradients of the last states.
        d_steps: The gradients of the tensors of all steps that the forward pass returned.
        functions: As in the forward pass.
        loop: As in the forward pass.
    """
    cell, concatenate = plan.cell, keeps_concatenated(plan, args)
    d_hidden = state_gradient(plan, args)
    functions = with_reset_product(cell, args, functions, transposed=True)

    def step(d_states: Any, current: Any) -> tuple[Any, Any]:
        previous, gates, extras, d_new, d_gates, mask = current
        d_states = [d + d_new[i] if i < len(d_new) else d for i, d in enumerate(d_states)]
        d_valid = d_states
        if mask:
            d_valid = [ops.where(mask[0], d, ops.zeros_like(d)) for d in d_states]
        parts, d_previous = cell.backward(d_valid, d_gates, previous, gates, extras, functions)
        whole = concatenated(parts) if concatenate else None
        d_previous = [d_hidden(parts, whole) + d_previous[0], *d_previous[1:]]
        if mask:
            pairs = zip(d_previous, d_states, strict=True)
            d_previous = [ops.where(mask[0], a, d) for a, d in pairs]
        return d_previous, [whole] if concatenate else parts

    xs = (steps.previous_states, steps.gates, steps.extras, d_steps.states, d_steps.gates)
    units, count = args.states[0].shape[-1], cell.preactivations
    widths = [units * count] if concatenate else [units] * count
    return loop(step, d_last, (*xs, args.mask), widths, reverse=True)
