"""Inputs, targets and weights as columns: arrays with a row each, and sequences to pad.

A column is an array or `FlatSequences`. Columns are one of them, a dict or a tuple of them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import keras
import numpy as np

from keras_rnnkit.data.buckets import Buckets
from keras_rnnkit.data.flat import FlatSequences, flat_sequences

_NUMBERS = "biuf"


@dataclass(frozen=True)
class Column:
    """One input, target or weight, of which batches are taken."""

    values: np.ndarray | FlatSequences
    padded: np.ndarray  # the padded length in each bucket, for sequences
    maxlen: int | None
    truncating: str
    value: float

    def batch(self, rows: np.ndarray, bucket: int) -> np.ndarray:
        """Returns these rows, padded to the length of the bucket."""
        if isinstance(self.values, np.ndarray):
            return self.values[rows]
        length = int(self.padded[bucket])
        return self.values.padded(rows, length, self.maxlen, self.truncating, self.value)


@dataclass(frozen=True)
class Table:
    """Inputs, targets or weights: one column, or a dict or tuple of columns."""

    columns: Any

    def map(self, function: Callable[[Any], Any]) -> Any:
        """Returns what the function makes of each column, in the same structure."""
        if isinstance(self.columns, Mapping):
            return {name: function(column) for name, column in self.columns.items()}
        if isinstance(self.columns, tuple):
            return tuple(function(column) for column in self.columns)
        return function(self.columns)

    def __iter__(self) -> Iterator[Any]:
        found: list[Any] = []
        self.map(found.append)
        return iter(found)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(next(iter(self)))

    @property
    def sequences(self) -> list[FlatSequences]:
        """The columns of sequences."""
        return [column for column in self if isinstance(column, FlatSequences)]

    def bound(
        self, buckets: Buckets, maxlen: int | None, truncating: str, value: float, *, exact: bool
    ) -> "Table":
        """Returns the columns with their padded lengths.

        Args:
            buckets: The buckets of the rows.
            maxlen: What to truncate sequences to.
            truncating: Where.
            value: What to pad with.
            exact: Whether to pad to the lengths of the buckets, and not to the longest sequence
                of this column in a bucket or in one before.
        """

        def bind(column: Any) -> Column:
            padded = buckets.lengths
            if not exact and isinstance(column, FlatSequences):
                lengths = truncated(column, maxlen)[buckets.rows]
                padded = np.maximum.accumulate(np.maximum.reduceat(lengths, buckets.starts[:-1]))
            return Column(column, np.maximum(padded, 1), maxlen, truncating, value)

        return Table(self.map(bind))


def truncated(column: FlatSequences, maxlen: int | None) -> np.ndarray:
    """Returns the lengths of the sequences after truncation."""
    return column.lengths if maxlen is None else np.minimum(column.lengths, maxlen)


def table(data: Any, argument: str) -> Table:
    """Returns arrays and lists of sequences as columns.

    Raises:
        TypeError: If there is something else.
        ValueError: If the columns have different numbers of rows.
    """
    if isinstance(data, Mapping):
        pairs = [(name, _column(part, f"{argument}[{name!r}]")) for name, part in data.items()]
        columns = Table(dict(pairs))
    elif isinstance(data, tuple):
        parts = [_column(part, f"{argument}[{i}]") for i, part in enumerate(data)]
        columns = Table(tuple(parts))
    else:
        columns = Table(_column(data, argument))
    if len({len(column) for column in columns}) != 1:
        raise ValueError(
            f"`{argument}` must have parts with one number of rows. "
            f"Received: len({argument})={[len(column) for column in columns]}"
        )
    return columns


def rows_as_array(y: Any, inputs: list[FlatSequences]) -> Any:
    """Returns targets in which lists of one length, such as one-hot rows, are an array.

    They stay target sequences if each has the length of its input sequence.
    """
    if isinstance(y, Mapping):
        return {name: rows_as_array(part, inputs) for name, part in y.items()}
    if isinstance(y, tuple):
        return tuple(rows_as_array(part, inputs) for part in y)
    if not isinstance(y, list) or not y or not all(hasattr(row, "__len__") for row in y):
        return y
    lengths = np.array([len(row) for row in y])
    if lengths.min() != lengths.max() or any(
        np.array_equal(lengths, one.lengths) for one in inputs
    ):
        return y
    try:
        rows = np.array(y)
    except ValueError:  # the items of rows have different lengths
        return y
    return rows if rows.ndim == 2 and rows.dtype.kind in _NUMBERS else y


def class_weights(y: Table, weights: Mapping[int, float]) -> np.ndarray:
    """Returns the weight of the class of each row."""
    _check_class_weights(weights)
    labels = y.columns
    if not isinstance(labels, np.ndarray) or labels.ndim > 2:
        raise ValueError(
            "`class_weight` needs a `y` of class numbers `(n,)` or one-hot rows `(n, classes)`: "
            f"pass `sample_weight` for others. Received: class_weight={dict(weights)!r}"
        )
    if labels.ndim == 2:
        labels = labels.argmax(axis=1) if labels.shape[1] > 1 else labels[:, 0]
    classes, where = np.unique(np.round(labels).astype(np.int64), return_inverse=True)
    by_class = [weights.get(label, 1.0) for label in classes.tolist()]
    return np.array(by_class, keras.config.floatx())[where]


def _check_class_weights(weights: Any) -> None:
    """Refuses what would be ignored, such as the name of a class, or is no weight."""
    if not isinstance(weights, Mapping) or not all(
        isinstance(label, Real)
        and float(label).is_integer()
        and isinstance(weight, Real)
        and 0 <= float(weight) < float("inf")
        for label, weight in weights.items()
    ):
        raise TypeError(
            "`class_weight` must be a dict from class, an integer, to weight, a number of at least "
            f"0. Received: class_weight={weights!r}"
        )


def _is_0d(value: Any) -> bool:
    return getattr(value, "ndim", None) == 0


def _column(data: Any, argument: str) -> np.ndarray | FlatSequences:
    if isinstance(data, FlatSequences):
        return data
    if not isinstance(data, np.ndarray) and hasattr(data, "__array__"):
        data = np.asarray(data)
    if isinstance(data, list) and data and (np.isscalar(data[0]) or _is_0d(data[0])):
        data = np.asarray(data)
    if isinstance(data, list) or (isinstance(data, np.ndarray) and data.dtype.kind == "O"):
        return flat_sequences(data, argument)
    if not isinstance(data, np.ndarray) or not data.ndim or data.dtype.kind not in _NUMBERS:
        raise TypeError(
            f"`{argument}` must be a list of sequences, FlatSequences, or an array of numbers with "
            f"a row for each sequence. Received: type={type(data).__name__}"
        )
    return data.astype(keras.config.floatx(), copy=False) if data.dtype.kind == "f" else data
