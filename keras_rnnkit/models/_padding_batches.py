"""The input of `check_padding` in batches of one size, from arrays or from a data set."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import tree

from keras_rnnkit.layers._walk import stateful_layers
from keras_rnnkit.models._arrays import as_input, inputs_of_batch, row_count

_ROWS = 256  # of a batch


class Part(NamedTuple):
    """Some rows of the input.

    Attributes:
        structure: The structure of the input.
        arrays: Its arrays; where rows are missing, with copies of the last one.
        start: The number of the first row.
        rows: How many rows there are without the copies.
    """

    structure: Any
    arrays: list[np.ndarray]
    start: int
    rows: int


def parts_of(model: Any, x: Any, batch_size: int | None) -> Iterator[Part]:
    """Yields the input in parts, each with the number of rows that the model runs on."""
    size, start = _required_rows(model), 0
    for batch in _batches_of(x):
        arrays, rows = tree.flatten(batch), row_count(batch)
        size = size or min(batch_size or _ROWS, rows)
        for first in range(0, rows, size):
            some = [_filled(array[first : first + size], size) for array in arrays]
            yield Part(batch, some, start + first, min(size, rows - first))
        start += rows


def _batches_of(x: Any) -> Iterator[Any]:
    if isinstance(x, keras.utils.PyDataset) and x.num_batches is not None:
        for index in range(x.num_batches):
            yield inputs_of_batch(x[index])
        return
    _check_no_data_set(x)
    yield tree.map_structure(as_input, x)


def _check_no_data_set(x: Any) -> None:
    """Refuse what gives batches, one after the other, perhaps with targets or without an end."""
    if isinstance(x, keras.utils.PyDataset) or (
        isinstance(x, Iterable) and not isinstance(x, Sequence | Mapping) and not _is_array(x)
    ):
        some = "data[0][0]" if isinstance(x, keras.utils.PyDataset) else "next(iter(data))[0]"
        raise TypeError(
            "`x` must be an array, a list or dict of arrays, or a `keras.utils.PyDataset` of known "
            "length. Of another data set, pass the inputs of one batch after the other: "
            f"check_padding(model, {some}). Received: x={x!r:.100} of type {type(x).__name__}"
        )


def _is_array(x: Any) -> bool:
    return hasattr(x, "shape") or hasattr(x, "__array__")


def _required_rows(model: Any) -> int | None:
    """The batch size that a model requires, if it does."""
    for tensor in tree.flatten(getattr(model, "inputs", None) or []):
        if tensor.shape[0] is not None:
            return int(tensor.shape[0])
    for layer in stateful_layers(model):
        return int(tree.flatten(layer.states)[0].shape[0])
    return None


def _filled(array: np.ndarray, size: int) -> np.ndarray:
    """The rows, and copies of the last one; ids that int32 cannot hold stay out of range."""
    if array.dtype.kind in "iu" and not np.can_cast(array.dtype, np.int32):
        least = max(np.iinfo(array.dtype).min, -(2**31))
        array = np.clip(array, least, 2**31 - 1).astype("int32")
    missing = size - len(array)
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array
