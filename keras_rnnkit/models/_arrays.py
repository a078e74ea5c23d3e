"""The inputs and outputs of a model as NumPy arrays."""

from typing import Any

import numpy as np
from keras import ops, tree


def as_input(value: Any) -> Any:
    """One input as an array with a row for each example."""
    array = ops.convert_to_numpy(value) if ops.is_tensor(value) else np.asarray(value)
    if array.dtype == object or not array.ndim:
        raise ValueError(
            "`x` must hold arrays of numbers with a row for each example, all rows of one length. "
            f"Received: x.dtype={array.dtype}, x.shape={array.shape}"
        )
    return array


def row_count(x: Any) -> int:
    """How many rows all the arrays of a structure have."""
    counts = {len(array) for array in tree.flatten(x)}
    if len(counts) != 1 or counts == {0}:
        raise ValueError(
            "`x` must have at least one row, and all its arrays the same number of rows. "
            f"Received: rows={sorted(counts)}"
        )
    return counts.pop()


def as_array(tensor: Any) -> np.ndarray:
    """A tensor as an array."""
    return np.asarray(ops.convert_to_numpy(tensor))
