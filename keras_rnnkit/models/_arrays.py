"""The inputs and outputs of a model as NumPy arrays."""

from numbers import Number
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_rnnkit.kernels import backend_kernels


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


def inputs_of_batch(batch: Any) -> Any:
    """The inputs in a batch, which is taken apart as Keras' `predict` does that."""
    x = as_inputs(keras.utils.unpack_x_y_sample_weight(batch)[0])
    row_count(x)
    return x


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


def as_view(tensor: Any) -> np.ndarray:
    """A tensor as an array on its memory where there can be one, which may be read-only."""
    return np.asarray(backend_kernels().as_array(tensor))


class Rows:
    """Arrays of several batches, copied as they come to their places in arrays of all rows.

    So no batch stays in memory beside its copy.

    Args:
        count: The number of all rows.
    """

    def __init__(self, count: int) -> None:
        self._count, self._filled = count, 0
        self._structure: Any = None
        self._places: list[np.ndarray | list[np.ndarray]] = []  # a list for arrays without rows

    def add(self, rows: int, part: Any) -> None:
        """Copy the arrays of the next batch.

        Args:
            rows: The number of rows of its inputs.
            part: A structure of arrays.
        """
        arrays = tree.flatten(part)
        if self._structure is None:
            self._structure = tree.map_structure(lambda array: 0, part)
            self._places = [self._place_of(array, rows) for array in arrays]
        for i, array in enumerate(arrays):
            place = self._places[i]
            if isinstance(place, np.ndarray):
                of_batch = place[self._filled : self._filled + rows]
                if of_batch.shape == array.shape and place.dtype == array.dtype:
                    of_batch[:] = array
                    continue
                place = self._places[i] = [place[: self._filled]]
            place.append(np.array(array))
        self._filled += rows

    def _place_of(self, array: np.ndarray, rows: int) -> np.ndarray | list[np.ndarray]:
        has_rows = array.ndim > 0 and len(array) == rows
        return np.empty((self._count, *array.shape[1:]), array.dtype) if has_rows else []

    def result(self) -> Any:
        """The structure of arrays of all rows; refuses as `joined` does."""
        arrays = [
            place if isinstance(place, np.ndarray) else joined(tuple(place))
            for place in self._places
        ]
        return tree.pack_sequence_as(self._structure, arrays)


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
