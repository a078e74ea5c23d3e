"""The inputs and outputs of a model as NumPy arrays."""

from numbers import Number
from typing import Any

import numpy as np
from keras import ops, tree


def as_inputs(x: Any) -> Any:
    """The inputs of a model as arrays, in its structure; a list of numbers is an array.

    Raises:
        ValueError: For what is no array of numbers with a row for each example.
    """

    def as_leaf(value: Any) -> Any:
        if isinstance(value, dict | list | tuple) and not _has_numbers(value):
            return None  # its parts are converted
        return as_input(value)

    return tree.traverse(as_leaf, x)


def as_targets(y: Any) -> Any:
    """The targets likewise, for which a single number for each example is enough."""

    def as_leaf(value: Any) -> Any:
        if isinstance(value, dict | list | tuple) and not _has_numbers(value):
            return None
        return ops.convert_to_numpy(value) if ops.is_tensor(value) else np.asarray(value)

    return tree.traverse(as_leaf, y)


def _has_numbers(value: Any) -> bool:
    """Whether this is a list of numbers, or of lists of them."""
    if isinstance(value, dict):
        return False
    leaves = tree.flatten(value)
    return bool(leaves) and all(isinstance(leaf, Number | np.generic) for leaf in leaves)


def as_input(value: Any) -> Any:
    """One input as an array with a row for each example."""
    try:
        array = ops.convert_to_numpy(value) if ops.is_tensor(value) else np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.array(None)
    for kind in (str, bytes):  # texts, which TensorFlow takes, in an array of objects
        if array.dtype == object and all(isinstance(one, kind) for one in array.flat):
            array = array.astype(kind)
    if array.dtype == object or not array.ndim:
        raise ValueError(
            "`x` must hold arrays of numbers with a row for each example, all rows of one length. "
            f"Received: x.dtype={array.dtype}, x.shape={array.shape}"
        )
    return array


def row_count(x: Any) -> int:
    """How many rows all the arrays of a structure have, which must have a step."""
    counts = {len(array) for array in tree.flatten(x)}
    if len(counts) != 1 or counts == {0}:
        raise ValueError(
            "`x` must have at least one row, and all its arrays the same number of rows. "
            f"Received: rows={sorted(counts)}"
        )
    shapes = [array.shape for array in tree.flatten(x)]
    if any(0 in shape for shape in shapes):
        raise ValueError(
            "`x` must have at least one step, and no axis of size 0. "
            f"Received: x.shape={', '.join(map(str, shapes))}"
        )
    return counts.pop()


def as_array(tensor: Any) -> np.ndarray:
    """A tensor as an array."""
    return np.asarray(ops.convert_to_numpy(tensor))


def joined(arrays: tuple[np.ndarray, ...]) -> np.ndarray:
    """Arrays of several batches as one.

    Raises:
        ValueError: For outputs without a row for each example.
    """
    if len(arrays) == 1:
        return arrays[0]
    if not all(array.ndim for array in arrays):
        raise ValueError(
            "`model` must return outputs with a row for each example, to run on several batches; "
            "a single number for a batch cannot be joined. Pass `batch_size=len(x)` to run all "
            f"rows as one batch. Received: output.shape={arrays[0].shape}"
        )
    return np.concatenate(arrays)
