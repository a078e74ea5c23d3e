"""Whole sequences, forward and backward: all on JAX and TensorFlow, the general case on PyTorch.

Three things make it faster than a loop over a cell. The matrix products are grouped as suits the
backend and the width (`Plan.method`). The gates are saved, so the backward pass computes nothing
twice, and returning them costs nothing. And the gradients of the weights are one product over all
steps after the loop, or over a chunk of them, instead of a sum that every step adds to.
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
    """Run a cell over time.

    Args:
        plan: What is fixed.
        args: The tensors.
        functions: The backend's sigmoid and tanh.
        loop: The backend's loop.
        save: Whether to keep all that the backward pass needs.

    Returns:
        The last states, and the steps: what the plan asks for, and with `save` all that the
        backward pass needs.
    """
    cell, counts = plan.cell, _counts(plan, save)
    functions = with_reset_product(cell, args, functions, transposed=False)
    xs, before_activation = preactivations(plan, args)

    def step(states: Any, current: Any) -> tuple[Any, Steps]:
        x, mask = current
        new, gates, extras = cell.forward(before_activation(x, states[0]), states, functions)
        if mask:
            new = [ops.where(mask[0], a, b) for a, b in zip(new, states, strict=True)]
        kept = zip((new, gates, list(states), extras), counts, strict=True)
        return new, Steps(*(tensors[:count] for tensors, count in kept))

    units = args.states[0].shape[-1]
    return loop(step, args.states, (xs, args.mask), Steps(*([units] * n for n in counts)))


def _counts(plan: Plan, save: bool) -> Steps:
    """How many tensors of each kind the steps keep."""
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
    """The gradients of the first states, and those of the pre-activations of all steps.

    Args:
        plan: What is fixed.
        args: The tensors of the forward pass.
        steps: What it saved.
        d_last: The gradients of the last states.
        d_steps: The gradients of what the forward pass returned of its steps.
        functions: The backend's sigmoid and tanh.
        loop: The backend's loop.

    Returns:
        Both as lists; that of the pre-activations has one tensor for each, or one of all
        concatenated.
    """
    cell, in_one = plan.cell, keeps_concatenated(plan, args)
    d_hidden = state_gradient(plan, args)
    functions = with_reset_product(cell, args, functions, transposed=True)

    def step(d_states: Any, current: Any) -> tuple[Any, Any]:
        previous, gates, extras, d_new, d_gates, mask = current
        d_states = [d + d_new[i] if i < len(d_new) else d for i, d in enumerate(d_states)]
        d_valid = d_states
        if mask:
            d_valid = [ops.where(mask[0], d, ops.zeros_like(d)) for d in d_states]
        each, d_previous = cell.backward(d_valid, d_gates, previous, gates, extras, functions)
        whole = concatenated(each) if in_one else None
        d_previous = [d_hidden(each, whole) + d_previous[0], *d_previous[1:]]
        if mask:
            pairs = zip(d_previous, d_states, strict=True)
            d_previous = [ops.where(mask[0], a, d) for a, d in pairs]
        return d_previous, [whole] if in_one else each

    xs = (steps.previous_states, steps.gates, steps.extras, d_steps.states, d_steps.gates)
    units, count = args.states[0].shape[-1], cell.preactivations
    widths = [units * count] if in_one else [units] * count
    return loop(step, d_last, (*xs, args.mask), widths, reverse=True)
