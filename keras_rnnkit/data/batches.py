"""The batches of `Bucketed`: pure functions of the data, the seed, the epoch and the index."""

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import keras
import numpy as np

from keras_rnnkit._checks import INT32_MAX, is_integer
from keras_rnnkit.data.buckets import Buckets, Order
from keras_rnnkit.data.columns import Table, class_weights, rows_as_array, table, truncated
from keras_rnnkit.data.flat import FlatSequences

LEAST_BATCHES = 4  # of a bucket on average, so that the batches of two epochs have other rows


class Batches:
    """The batches of every epoch.

    Args:
        parts: Inputs, then maybe targets, then maybe weights, with their padded lengths.
        buckets: Their buckets.
        seed: The seed of the order.
        shuffle: Whether to shuffle.
        shard: `(index, count)`: of every batch of the buckets, each row whose position divided by
            `count` leaves `index`.
    """

    def __init__(
        self,
        parts: list[Table],
        buckets: Buckets,
        seed: int,
        shuffle: bool,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        self._parts = parts
        self._buckets = buckets
        self._seed = seed
        self._shuffle = shuffle
        self._shard = shard
        self._cached: tuple[int, Order] | None = None

    def __len__(self) -> int:
        return len(self._buckets.bucket)

    def make(self, epoch: int, index: int) -> tuple[Any, ...]:
        """Returns `(x,)`, `(x, y)` or `(x, y, sample_weight)` of a batch."""
        order = self._order(epoch)
        batch = order.batches[index]
        rows, bucket = self._rows(order, batch), self._buckets.bucket[batch]
        return tuple(part.map(lambda column: column.batch(rows, bucket)) for part in self._parts)

    def rows(self, epoch: int) -> list[np.ndarray]:
        """Returns the row numbers of each batch."""
        order = self._order(epoch)
        return [self._rows(order, batch) for batch in order.batches]

    def padding(self, epoch: int) -> float:
        """Returns the fraction of the items of the inputs that are padding."""
        order = self._order(epoch)
        rows = [self._rows(order, batch) for batch in range(len(self))]
        sizes = np.array([len(one) for one in rows])
        columns = [part for part in self._parts[0] if isinstance(part.values, FlatSequences)]
        every = np.concatenate(rows)
        real = sum(int(truncated(part.values, part.maxlen)[every].sum()) for part in columns)
        made = sum(int((sizes * part.padded[self._buckets.bucket]).sum()) for part in columns)
        return 1 - real / made

    def _rows(self, order: Order, batch: int) -> np.ndarray:
        """Returns the row numbers of a batch, of which a shard has every `count`-th."""
        start, end = self._buckets.bounds[batch : batch + 2]
        index, count = self._shard
        return order.rows[start:end][index::count]

    def _order(self, epoch: int) -> Order:
        cached = self._cached
        if cached is None or cached[0] != epoch:
            cached = epoch, self._buckets.order(self._seed, epoch, self._shuffle)
            self._cached = cached
        return cached[1]


def tables(
    x: Any, y: Any, sample_weight: Any, class_weight: Mapping[int, float] | None
) -> list[Table]:
    """Returns the inputs, and the targets and weights that there are, of one number of rows."""
    parts = [table(x, "x")]
    if not parts[0].sequences:
        raise ValueError(
            "`x` must have an input of sequences: a list of them, not yet padded. "
            f"Received: type(x)={type(x).__name__}"
        )
    if y is not None:
        parts.append(table(rows_as_array(y, parts[0].sequences), "y"))
    elif sample_weight is not None or class_weight is not None:
        raise ValueError(
            "`sample_weight` and `class_weight` weigh the targets: pass them with `y`. "
            "Received: y=None"
        )
    weights = None if sample_weight is None else table(sample_weight, "sample_weight")
    if class_weight is not None:
        weights = _multiplied(class_weights(parts[1], class_weight), weights)
    parts += [] if weights is None else [weights]
    counts = [part.rows for part in parts]
    if len(set(counts)) > 1 or not counts[0]:
        raise ValueError(
            "`x`, `y` and `sample_weight` must have one number of rows, at least 1. "
            f"Received: rows={counts}"
        )
    return parts


def stored_targets(x: Any) -> np.ndarray | None:
    """Returns the targets in the file of an input.

    Raises:
        ValueError: If several files have targets.
    """
    inputs = x.values() if isinstance(x, Mapping) else x if isinstance(x, tuple) else [x]
    found = [
        one.targets for one in inputs if isinstance(one, FlatSequences) and one.targets is not None
    ]
    if len(found) > 1:
        raise ValueError(
            f"`y` must be passed, because {len(found)} inputs in `x` have targets in their files. "
            "Received: y=None"
        )
    return found[0] if found else None


def longest_of(parts: Iterable[Table], maxlen: int | None) -> np.ndarray:
    """Returns the length of the longest sequence of each row."""
    lengths = [truncated(column, maxlen) for part in parts for column in part.sequences]
    return np.maximum.reduce(lengths)


def wanted_lengths(lengths: Any, longest: int) -> int | list[int]:
    """Returns the number of lengths to choose, or the lengths to pad to, sorted."""
    if is_integer(lengths) and lengths >= 1:
        return int(lengths)
    found = [] if np.ndim(lengths) != 1 else list(lengths)
    if not found or not all(is_integer(one) and 1 <= one <= INT32_MAX for one in found):
        raise ValueError(
            "`lengths` must be the number of lengths, at least 1, or a sequence of lengths. "
            f"Received: lengths={lengths!r}"
        )
    if max(found) < longest:
        raise ValueError(
            f"`lengths` must reach the longest sequence, of {longest} items: add a length, or "
            f"truncate with `maxlen={max(found)}`. Received: lengths={lengths!r}"
        )
    return sorted({int(one) for one in found})


def checked_shard(shard: Any) -> tuple[int, int]:
    """Returns the number of a process and how many there are."""
    pair = tuple(shard) if isinstance(shard, tuple | list) else ()
    if len(pair) != 2 or not all(map(is_integer, pair)) or not 0 <= pair[0] < pair[1]:
        raise ValueError(
            "`shard` must be (index, count): the number of this process, from 0 to count - 1, and "
            f"the number of processes. Received: shard={shard!r}"
        )
    return int(pair[0]), int(pair[1])


def check_some_left(rows: int, batch_size: int, shard: tuple[int, int], drop_last: bool) -> None:
    """Refuses arguments with which a process has no batch, or an empty one."""
    processes = shard[1]
    if drop_last and rows < batch_size * processes:
        each = f" for each of {processes} processes" if processes > 1 else ""
        raise ValueError(
            f"`batch_size` must be at most the number of sequences, {rows}{each}, with "
            f"`drop_last=True`: there would be no batch. Received: batch_size={batch_size}"
        )
    if rows < processes:
        raise ValueError(
            f"`shard` must have at most as many processes as there are sequences, {rows}. "
            f"Received: shard={shard}"
        )
    if rows % processes and not drop_last and keras.distribution.distribution() is not None:
        raise ValueError(
            "`drop_last` must be True under a `keras.distribution` where the number of sequences "
            "is not a multiple of the number of processes: a batch would have one row more in some "
            "processes than in others, and they would wait for each other. Pass `drop_last=True`, "
            f"or leave {rows % processes} out. "
            f"Received: drop_last=False, shard={shard}, sequences={rows}"
        )


def check_value(value: Any, x: Table) -> Any:
    """Returns what to pad with: an integer for ids."""
    ids = any(sequences.values.dtype.kind in "iu" for sequences in x.sequences)
    valid = isinstance(value, Integral if ids else Real) and not isinstance(value, bool)
    if not valid or (ids and abs(value) > INT32_MAX):
        expected = "an integer that fits int32, as the ids are" if ids else "a number"
        raise ValueError(f"`value` must be {expected}. Received: value={value!r}")
    return value


def _multiplied(of_classes: np.ndarray, weights: Table | None) -> Table:
    if weights is None:
        return Table(of_classes)
    if not isinstance(weights.columns, np.ndarray) or weights.columns.shape != of_classes.shape:
        raise ValueError(
            "`sample_weight` must be an array with a weight for each row of `y` where there is a "
            f"`class_weight`. Received: rows(y)={len(of_classes)}, "
            f"sample_weight={weights.columns!r:.60}"
        )
    return Table((of_classes * weights.columns).astype(of_classes.dtype))
