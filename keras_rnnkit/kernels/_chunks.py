"""The chunked backward pass: what JAX and TensorFlow share of it.

It goes through the chunks of steps from the last to the first. In each, it computes the gradients
of the pre-activations, and from these the gradients of the weights, which it sums over all chunks.
So the gradients of the pre-activations are in memory for one chunk at a time.
"""

from typing import Any

from keras import ops
from keras.utils import standardize_dtype

from keras_rnnkit.kernels._arguments import Arguments, as_gradients


def chunk_length(steps: int, fewest: int) -> int | None:
    """The least divisor of `steps` that is at least `fewest`; `None` if it makes only one chunk."""
    return next((length for length in range(fewest, steps // 2 + 1) if steps % length == 0), None)


def zero_totals(args: Arguments) -> list[Any]:
    """Zeros to add the gradients of the weights to, in single precision or better."""
    double = standardize_dtype(args.kernel.dtype) == "float64"
    dtype = "float64" if double else "float32"
    return [ops.zeros(weights.shape, dtype) for weights in _weights(args)]


def added(totals: list[Any], gradients: Arguments) -> list[Any]:
    """The totals with the gradients of a chunk."""
    pairs = zip(totals, _weights(gradients), strict=True)
    return [total + ops.cast(part, total.dtype) for total, part in pairs]


def gathered(args: Arguments, d_inputs: list[Any], d_first: Any, totals: list[Any]) -> Arguments:
    """The gradients of all arguments, from those of all chunks."""
    pairs = zip(totals, _weights(args), strict=True)
    d_weights = [ops.cast(total, weights.dtype) for total, weights in pairs]
    return as_gradients(args, d_inputs, d_first, d_weights)


def _weights(args: Arguments) -> list[Any]:
    return [args.kernel, args.recurrent_kernel, args.bias]
