"""The gradients of weights and inputs, from those of the pre-activations of all steps."""

from collections.abc import Callable
from typing import Any

from keras import ops

from keras_rnnkit.kernels._arguments import Arguments, Plan, Steps, as_gradients
from keras_rnnkit.kernels._cells import GRU, GRUResetBefore
from keras_rnnkit.kernels._products import concatenated, masked


def all_gradients(
    plan: Plan,
    backward: Callable[..., Any],
    args: Arguments,
    steps: Steps,
    d_last: Any,
    d_steps: Steps,
) -> Arguments:
    """The gradients of all arguments, in their places.

    Args:
        plan: What is fixed.
        backward: The loop of the backward pass, `backward(args, steps, d_last, d_steps)`.
        args: The tensors of the forward pass.
        steps: What it saved.
        d_last: The gradients of the last states.
        d_steps: Those of what the forward pass returned of its steps.
    """
    d_first, d_preactivations = backward(args, steps, d_last, d_steps)
    found = weight_gradients(plan, args, steps, d_first, d_preactivations)
    return found._replace(inputs=input_gradients(plan, args, d_preactivations))


def weight_gradients(
    plan: Plan, args: Arguments, steps: Steps, d_first: Any, d_preactivations: Any
) -> Arguments:
    """The gradients of all weights: one product over these steps for each.

    Args:
        plan: What is fixed.
        args: The tensors of the forward pass.
        steps: What it saved.
        d_first: The gradients of the first states.
        d_preactivations: Those of the pre-activations of all steps.

    Returns:
        The gradients of weights and first states, with `None` for the inputs and the masks.
    """
    cell, h, masks = plan.cell, steps.previous_states[0], args.recurrent_masks
    d_kernel = _weight_gradient(cell, args.inputs, d_preactivations, cell.inputs)
    seen = [h * mask for mask in masks[: len(cell.products)]] if masks else [h]
    d_recurrent = _weight_gradient(cell, seen, d_preactivations, cell.products)
    if cell is GRUResetBefore:
        reset = masked(steps.gates[1] * h, masks, 2)
        d_recurrent = concatenated([d_recurrent, _product(reset, d_preactivations[2])])
    sums = [_sum(d) for d in d_preactivations]
    d_bias = _columns(cell, sums, cell.inputs)
    if cell is GRU:
        d_bias = ops.stack([d_bias, _columns(cell, sums, cell.products)])
    none = [None for _ in args.inputs]
    return as_gradients(args, none, d_first, (d_kernel, d_recurrent, d_bias))


def input_gradients(plan: Plan, args: Arguments, d_preactivations: Any) -> list[Any]:
    """The gradients of the inputs; a function of its own, since a first layer needs none."""
    cell = plan.cell
    if len(d_preactivations) == 1:
        return [_columns(cell, d_preactivations, cell.inputs) @ ops.transpose(args.kernel)]
    kernels = ops.split(args.kernel, len(cell.inputs), axis=-1)
    pairs = zip(cell.inputs, kernels, strict=True)
    parts = [d_preactivations[i] @ ops.transpose(weights) for i, weights in pairs]
    return parts if len(args.inputs) > 1 else [sum(parts[1:], parts[0])]


def _weight_gradient(
    cell: Any, values: list[Any], d_preactivations: Any, names: tuple[int, ...]
) -> Any:
    """The blocks of these names, from one factor for all of them or one for each."""
    if len(d_preactivations) == 1:
        return _columns(cell, [_product(values[0], d_preactivations[0])], names)
    factors = values if len(values) == len(names) else values * len(names)
    pairs = zip(factors, names, strict=True)
    return concatenated(_product(x, d_preactivations[i]) for x, i in pairs)


def _columns(cell: Any, tensors: list[Any], names: tuple[int, ...]) -> Any:
    """The columns of these names, of tensors for each pre-activation, or one of all."""
    if len(tensors) == 1:
        if len(names) == cell.preactivations:
            return tensors[0]
        tensors = ops.split(tensors[0], cell.preactivations, axis=-1)
    return concatenated(tensors[i] for i in names)


def _product(values: Any, gradients: Any) -> Any:
    """The sum over time and batch of `values^T gradients`."""
    values = ops.reshape(values, (-1, values.shape[-1]))
    return ops.transpose(values) @ ops.reshape(gradients, (-1, gradients.shape[-1]))


def _sum(gradients: Any) -> Any:
    """The sum over time and batch: as a product with ones, which takes less time on a CPU."""
    gradients = ops.reshape(gradients, (-1, gradients.shape[-1]))
    return (ops.transpose(ops.ones_like(gradients[:, :1])) @ gradients)[0]
