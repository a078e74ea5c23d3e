"""The matrix products of a step, grouped by the method of the plan, forward and backward."""

from collections.abc import Callable, Iterable
from typing import Any

from keras import ops

from keras_rnnkit.kernels._arguments import Arguments, Plan
from keras_rnnkit.kernels._cells import GRU, Functions, GRUResetBefore


def preactivations(plan: Plan, args: Arguments) -> tuple[Any, Callable[..., Any]]:
    """What to loop over, and a function for the pre-activations of a step.

    The first is a list of tensors, time first. The function takes a slice of it and the hidden
    state.
    """
    masks_per_gate = bool(args.recurrent_masks) or len(args.inputs) > 1
    if masks_per_gate and plan.method in ("concatenated", "fused gates"):
        raise ValueError(
            "`method` must be 'per gate' or 'hoisted' where dropout has a mask for each gate. "
            f"Received: method={plan.method!r}"
        )
    if plan.method == "concatenated":
        return _concatenated(plan.cell, args)
    per_gate = masks_per_gate or plan.method == "per gate"
    project, multiply = (_per_gate if per_gate else _fused_gates)(plan.cell, args)
    if plan.method == "hoisted":
        return project(args.inputs), lambda x, h: _combined(plan.cell, x, multiply(h))
    return args.inputs, lambda x, h: _combined(plan.cell, project(x), multiply(h))


def _per_gate(cell: Any, args: Arguments) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The products of the inputs and of the state, one for each gate."""
    count, (bias, recurrent_bias) = len(cell.inputs), _biases(cell, args)
    weights, biases = _split(args.kernel, count), _split(bias, count)
    recurrent = _split(args.recurrent_kernel, count)

    def project(inputs: Any) -> Any:
        each = inputs if len(inputs) > 1 else inputs * count
        return [x @ w + b for x, w, b in zip(each, weights, biases, strict=True)]

    def multiply(h: Any) -> Any:
        pairs = enumerate(recurrent[: len(cell.products)])
        values = [masked(h, args.recurrent_masks, k) @ w for k, w in pairs]
        if recurrent_bias is None:
            return values
        return [a + b for a, b in zip(values, _split(recurrent_bias, count), strict=True)]

    return project, multiply


def _fused_gates(cell: Any, args: Arguments) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The product of the inputs and that of the state, each of all gates together."""
    bias, recurrent_bias = _biases(cell, args)
    recurrent = concatenated(_split(args.recurrent_kernel, len(cell.inputs))[: len(cell.products)])

    def project(inputs: Any) -> Any:
        return [inputs[0] @ args.kernel + bias]

    def multiply(h: Any) -> Any:
        return [h @ recurrent if recurrent_bias is None else h @ recurrent + recurrent_bias]

    return project, multiply


def _concatenated(cell: Any, args: Arguments) -> tuple[Any, Callable[..., Any]]:
    """One product of [input, state], with blocks of zeros where one of the two has no part."""
    bias, recurrent_bias = _biases(cell, args)
    rows = [
        _spread(cell, args.kernel, cell.inputs),
        _spread(cell, args.recurrent_kernel, cell.products),
    ]
    weight, bias = ops.concatenate(rows, axis=0), _spread(cell, bias, cell.inputs)
    if recurrent_bias is not None:
        bias = bias + _spread(cell, recurrent_bias, cell.products)

    def multiply(x: Any, h: Any) -> Any:
        return _split(concatenated([x[0], h]) @ weight + bias, cell.preactivations)

    return args.inputs, multiply


def _combined(cell: Any, from_inputs: list[Any], from_state: list[Any]) -> list[Any]:
    """The pre-activations: sums of what inputs and state contribute, in tensors of one gate or all.

    Where both contribute to all, one wide sum is split afterwards, which is large enough for XLA to
    spread it over all cores.
    """
    if len(from_state) == 1 and cell.inputs == cell.products:
        return _split(from_inputs[0] + from_state[0], cell.preactivations)
    total: list[Any] = [None] * cell.preactivations
    for indices, values in ((cell.inputs, from_inputs), (cell.products, from_state)):
        by_gate = values if len(values) == len(indices) else _split(values[0], len(indices))
        for i, value in zip(indices, by_gate, strict=True):
            total[i] = value if total[i] is None else total[i] + value
    return total


def keeps_concatenated(plan: Plan, args: Arguments) -> bool:
    """Whether the backward pass keeps the gradients of all pre-activations in one tensor.

    Not where blocks of it are needed by themselves, and are large: they would be cut out and
    copied.
    """
    same = plan.cell.inputs == plan.cell.products and len(args.inputs) == 1
    return plan.method == "concatenated" or (same and not args.recurrent_masks)


def state_gradient(plan: Plan, args: Arguments) -> Callable[[list[Any], Any], Any]:
    """A function for the gradient of the hidden state before a step.

    It takes the gradients of the step's pre-activations: a list of them, and all concatenated.
    """
    cell, masks = plan.cell, args.recurrent_masks
    blocks = _split(args.recurrent_kernel, len(cell.inputs))
    concatenates = keeps_concatenated(plan, args)
    # XLA runs small products of each gate in parallel; for a GRU one product is faster.
    if masks or (concatenates and plan.method == "per gate"):
        weights = [ops.transpose(block) for block in blocks]
        return lambda parts, _: sum(
            masked(parts[i] @ weights[k], masks, k) for k, i in enumerate(cell.products)
        )
    if concatenates:  # blocks of zeros cost less than one more tensor
        weight = ops.transpose(_spread(cell, args.recurrent_kernel, cell.products))
        return lambda _, whole: whole @ weight
    weight = ops.transpose(concatenated(blocks[: len(cell.products)]))
    return lambda parts, _: concatenated(parts[i] for i in cell.products) @ weight


def with_reset_product(
    cell: Any, args: Arguments, functions: Functions, transposed: bool
) -> Functions:
    """The functions, with the recurrent product inside a step where the cell has one."""
    if cell is not GRUResetBefore:
        return functions
    masks, weight = args.recurrent_masks, _split(args.recurrent_kernel, 3)[2]
    if transposed:
        weight = ops.transpose(weight)
        return functions._replace(reset_product=lambda d: masked(d @ weight, masks, 2))
    return functions._replace(reset_product=lambda value: masked(value, masks, 2) @ weight)


def masked(value: Any, masks: Any, k: int) -> Any:
    """The value under the dropout mask of gate `k`, where there are masks."""
    return value * masks[k] if masks else value


def concatenated(tensors: Iterable[Any]) -> Any:
    """The tensors in one, along the last axis."""
    return ops.concatenate(list(tensors), axis=-1)


def _spread(cell: Any, weights: Any, indices: tuple[int, ...]) -> Any:
    """The blocks as columns of these pre-activations, with zeros for the others of the cell."""
    blocks = dict(zip(indices, _split(weights, len(indices)), strict=True))
    zeros = ops.zeros_like(blocks[0])
    return concatenated(blocks.get(i, zeros) for i in range(cell.preactivations))


def _biases(cell: Any, args: Arguments) -> tuple[Any, Any]:
    """The bias of the input product, and that of the recurrent product or `None`."""
    return (args.bias[0], args.bias[1]) if cell is GRU else (args.bias, None)


def _split(tensor: Any, count: int) -> list[Any]:
    return list(ops.split(tensor, count, axis=-1))
