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
    """The gradients of all arguments; `backward` is `_sequence.backward_pass`, without the plan."""
    d_first, d_preactivations = backward(args, steps, d_last, d_steps)
    gradients = weight_gradients(plan, args, steps, d_first, d_preactivations)
    return gradients._replace(inputs=input_gradients(plan, args, d_preactivations))


def weight_gradients(
    plan: Plan, args: Arguments, steps: Steps, d_first: Any, d_preactivations: Any
) -> Arguments:
    """The gradients of all weights, one product over all steps for each, and of the first states.

    The inputs and the masks have `None`.
    """
    cell, h, masks = plan.cell, steps.previous_states[0], args.recurrent_masks
    d_kernel = _weight_gradient(plan, args.inputs, d_preactivations, cell.inputs)
    dropped = [h * mask for mask in masks[: len(cell.products)]] if masks else [h]
    d_recurrent = _weight_gradient(plan, dropped, d_preactivations, cell.products)
    if cell is GRUResetBefore:
        reset = masked(steps.gates[1] * h, masks, 2)
        d_recurrent = concatenated([d_recurrent, _product(plan, reset, d_preactivations[2])])
    sums = [_sum(plan, d) for d in d_preactivations]
    d_bias = _columns(cell, sums, cell.inputs)
    if cell is GRU:
        d_bias = ops.stack([d_bias, _columns(cell, sums, cell.products)])
    return as_gradients(args, [None] * len(args.inputs), d_first, (d_kernel, d_recurrent, d_bias))


def input_gradients(plan: Plan, args: Arguments, d_preactivations: Any) -> list[Any]:
    """The gradients of the inputs; a function of its own, since a first layer needs none."""
    cell = plan.cell
    if len(d_preactivations) == 1:
        return [_columns(cell, d_preactivations, cell.inputs) @ ops.transpose(args.kernel)]
    kernels = ops.split(args.kernel, len(cell.inputs), axis=-1)
    pairs = zip(cell.inputs, kernels, strict=True)
    by_gate = [d_preactivations[i] @ ops.transpose(weights) for i, weights in pairs]
    return by_gate if len(args.inputs) > 1 else [sum(by_gate[1:], by_gate[0])]


def _weight_gradient(
    plan: Plan, values: list[Any], d_preactivations: Any, indices: tuple[int, ...]
) -> Any:
    """The blocks for these pre-activations, from one factor for all of them or one for each."""
    if len(d_preactivations) == 1:
        return _columns(plan.cell, [_product(plan, values[0], d_preactivations[0])], indices)
    factors = values if len(values) == len(indices) else values * len(indices)
    pairs = zip(factors, indices, strict=True)
    return concatenated(_product(plan, x, d_preactivations[i]) for x, i in pairs)


def _columns(cell: Any, tensors: list[Any], indices: tuple[int, ...]) -> Any:
    """The columns of these pre-activations, from a tensor for each of the cell, or one of all."""
    if len(tensors) == 1:
        if len(indices) == cell.preactivations:
            return tensors[0]
        tensors = ops.split(tensors[0], cell.preactivations, axis=-1)
    return concatenated(tensors[i] for i in indices)


def _product(plan: Plan, values: Any, gradients: Any) -> Any:
    """The sum over time and batch of `values^T gradients`."""
    if plan.distributed:
        # In a reshape of (time, batch) to one axis, XLA cannot keep a batch that is divided between
        # devices: each would get all rows. Here each sums over its own rows, and XLA adds the sums.
        return ops.tensordot(values, gradients, axes=((0, 1), (0, 1)))
    values = ops.reshape(values, (-1, values.shape[-1]))
    return ops.transpose(values) @ ops.reshape(gradients, (-1, gradients.shape[-1]))


def _sum(plan: Plan, gradients: Any) -> Any:
    """The sum over time and batch: as a product with ones, which takes less time on a CPU."""
    return _product(plan, ops.ones_like(gradients[..., :1]), gradients)[0]
