"""Sequences of different length in one flat array, from which padded batches are copied."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_rnnkit._checks import is_integer
from keras_rnnkit.data.padding import truncate

_INT32 = np.iinfo(np.int32)


class FlatSequences:
    """Sequences of different length, one after the other in one array, in memory or on disk.

    `kit.data.open_flat` returns it, with arrays that are mapped from the file: only what is read
    is loaded. `kit.data.Bucketed` takes it as `x`. `len(sequences)` is the number of sequences and
    `sequences[i]` is one of them.

    Attributes:
        values: The items of all sequences, `(items,)`, or `(items, features)` for sequences of
            feature vectors.
        offsets: int64 of shape `(n + 1,)`: sequence i is `values[offsets[i]:offsets[i + 1]]`.
        targets: The targets, an array of n rows, or `None`.
        path: The file, or `None` for sequences in memory.
    """

    def __init__(
        self,
        values: np.ndarray,
        offsets: np.ndarray,
        targets: np.ndarray | None = None,
        *,
        path: Path | None = None,
        reopen: Callable[[Path], "FlatSequences"] | None = None,
    ) -> None:
        self.values = values
        self.offsets = offsets
        self.targets = targets
        self.path = path
        self._reopen = reopen

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        index = position(index, len(self))
        start, end = self.offsets[index : index + 2]
        return np.array(self.values[start:end])

    def __reduce__(self) -> Any:
        """A mapped file is opened again in another process, instead of copied into it."""
        if self._reopen is None:
            return FlatSequences, (self.values, self.offsets, self.targets)
        return self._reopen, (self.path,)

    def __repr__(self) -> str:
        where = "in memory" if self.path is None else f"in {str(self.path)!r}"
        return f"<FlatSequences: {len(self)} sequences, {len(self.values)} items, {where}>"

    @property
    def lengths(self) -> np.ndarray:
        """The number of items of each sequence, int64 of shape `(n,)`."""
        return np.diff(self.offsets)

    def padded(
        self, rows: np.ndarray, length: int, maxlen: int | None, truncating: str, value: float
    ) -> np.ndarray:
        """Returns the sequences at `rows`, truncated to `maxlen`, padded at the end to `length`."""
        starts = self.offsets[rows]
        starts, counts = truncate(starts, self.offsets[rows + 1] - starts, maxlen, truncating)
        dtype = "int32" if self.values.dtype.kind in "iu" else keras.config.floatx()
        batch = np.full((len(rows), length, *self.values.shape[1:]), value, dtype)
        spans = zip(starts.tolist(), counts.tolist(), strict=True)
        for row, (start, count) in zip(batch, spans, strict=True):
            row[:count] = self.values[start : start + count]
        return batch


def position(index: Any, count: int) -> int:
    """Returns an index into `count` items, counted from their start; -1 is the last one."""
    if not is_integer(index):  # a slice would be several
        raise TypeError(f"`index` must be an integer. Received: index={index!r}")
    if not -count <= index < count:
        raise IndexError(
            f"`index` must be from 0 to {count - 1}, or from -{count} to -1, counted from the end. "
            f"Received: index={index}"
        )
    return range(count)[index]


def flat_sequences(sequences: Iterable[Any], argument: str) -> FlatSequences:
    """Returns these sequences in one array: int32, or Keras' float type.

    Raises:
        TypeError: If one of them is not a sequence of numbers, or of feature vectors.
        ValueError: If an id does not fit int32, or the sequences have different kinds of items.
    """
    rows = [as_items(row, f"{argument}[{i}]") for i, row in enumerate(sequences)]
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    filled = [row for row in rows if len(row)] or [np.empty(0, np.int32)]
    kinds = {(row.dtype.kind, row.shape[1:]) for row in filled}
    if len(kinds) > 1:
        some = sorted({f"{row.dtype} {('steps', *row.shape[1:])}" for row in filled})
        raise ValueError(
            f"`{argument}` must have sequences of one kind: all of integers, all of floats, or all "
            f"of feature vectors of one size. Received: {argument}={', '.join(some[:5])}"
        )
    dtype = np.int32 if filled[0].dtype.kind == "i" else keras.config.floatx()
    return FlatSequences(np.concatenate(filled).astype(dtype, copy=False), offsets)


def as_items(sequence: Any, name: str) -> np.ndarray:
    """Returns one sequence as an array: integers as int64, floats as they are, empty ones too."""
    try:
        items = np.asarray(sequence)
    except ValueError:  # rows of different lengths
        items = np.asarray(sequence, dtype=object)
    if items.ndim in (1, 2) and not len(items):
        return items
    if items.ndim == 1 and items.dtype.kind in "iu":
        if items.min() < _INT32.min or items.max() > _INT32.max:
            raise ValueError(
                f"`{name}` must have ids that fit int32. "
                f"Received: min(ids)={items.min()}, max(ids)={items.max()}"
            )
        return items.astype(np.int64, copy=False)
    if items.ndim in (1, 2) and items.dtype.kind == "f":
        return items
    raise TypeError(
        f"`{name}` must be a sequence of integers, of floats, or a float array "
        f"`(steps, features)`. "
        f"Received: type={type(sequence).__name__}, dtype={items.dtype}, shape={items.shape}"
    )
