"""The backward pass by blocks of steps: what JAX and TensorFlow share of it."""

from collections.abc import Callable
from typing import Any

from keras import ops
from keras.utils import standardize_dtype

from keras_rnnkit.kernels._sequence import (
    Arguments,
    Plan,
    Steps,
    input_gradients,
    weight_gradients,
)


def fitting_length(steps: int, fewest: int) -> int | None:
    """The shortest block of so many steps that divides all; `None` where there are not two."""
    return next((length for length in range(fewest, steps // 2 + 1) if steps % length == 0), None)


def all_gradients(
    plan: Plan,
    back: Callable[..., Any],
    args: Arguments,
    steps: Steps,
    d_last: Any,
    d_steps: Steps,
) -> Arguments:
    """The gradients of all arguments, from all these steps at once.

    Args:
        plan: What is fixed.
        back: The loop of the backward pass: from all that follows to the gradients of the first
            states and of the pre-activations.
        args: The tensors of the forward run.
        steps: What it saved.
        d_last: The gradients of the last states.
        d_steps: Those of what the forward run returned of its steps.
    """
    d_first, d_pre = back(args, steps, d_last, d_steps)
    found = weight_gradients(plan, args, steps, d_first, d_pre)
    return found._replace(inputs=input_gradients(plan, args, d_pre))


def no_sums(args: Arguments) -> list[Any]:
    """Zeros to add the gradients of the weights to, in single precision or better."""
    double = standardize_dtype(args.kernel.dtype) == "float64"
    dtype = "float64" if double else "float32"
    return [ops.zeros(weights.shape, dtype) for weights in _weights(args)]


def added(sums: list[Any], found: Arguments) -> list[Any]:
    """The sums with what a block has found."""
    parts = _weights(found)
    return [total + ops.cast(part, total.dtype) for total, part in zip(sums, parts, strict=True)]


def gathered(args: Arguments, d_inputs: list[Any], d_first: Any, sums: list[Any]) -> Arguments:
    """The gradients of all arguments, from those that the blocks left."""
    kernel, recurrent_kernel, bias = (
        ops.cast(total, weights.dtype) for total, weights in zip(sums, _weights(args), strict=True)
    )
    return Arguments(
        inputs=d_inputs,
        states=d_first,
        kernel=kernel,
        recurrent_kernel=recurrent_kernel,
        bias=bias,
        keep=[None for _ in args.keep],
        drop=[None for _ in args.drop],
    )


def _weights(args: Arguments) -> list[Any]:
    return [args.kernel, args.recurrent_kernel, args.bias]
