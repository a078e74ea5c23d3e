"""Batches of sequences of similar length, padded to a few lengths."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_rnnkit._checks import check_choice, check_integer
from keras_rnnkit.data.ahead import Ahead
from keras_rnnkit.data.batches import (
    LEAST_BATCHES,
    Batches,
    check_some_left,
    check_value,
    checked_shard,
    longest_of,
    stored_targets,
    tables,
    wanted_lengths,
)
from keras_rnnkit.data.buckets import make_buckets
from keras_rnnkit.data.flat import position
from keras_rnnkit.data.padding import SIDES


class Bucketed(keras.utils.PyDataset):
    """Batches of sequences of similar length, padded to a few lengths, for `fit` and the rest.

    Padding all sequences to one length wastes most of the time of an epoch on padding, and padding
    each batch to its longest sequence gives TensorFlow and JAX a new shape to compile for almost
    every batch. Here the sequences are sorted by length and divided into buckets, and all batches
    of a bucket are padded to one length. The lengths are chosen from the data: no other choice of
    so many lengths has less padding. Every batch has `batch_size` rows, except a single smaller one
    of the shortest sequences, so an epoch has at most `lengths + 1` different shapes.

    The rows of each bucket are shuffled in every epoch, and so are the batches of all buckets. The
    order is a pure function of `seed` and the epoch, except that Keras shuffles the batches
    again, with Python's `random`, unless you call `fit(data, shuffle=False)`. The first
    two batches are always one of the longest and one of the shortest sequences.

    Sequences are padded at the end, so the model needs a mask: `Embedding(..., mask_zero=True)` for
    ids, or `keras.layers.Masking(mask_value=value)` for floats, with a `value` that no real step
    has in all of its features.

    Args:
        x: A list of sequences: lists or arrays of integers, of floats, or float arrays
            `(steps, features)`. Or a `FlatSequences` that `kit.data.open_flat` returns. For several
            inputs a dict or tuple of such, and of arrays with a row for each sequence. Rows are
            sorted by their longest sequence.
        y: The targets: an array with a row for each sequence, a list of target sequences
            (padded with 0), or a dict or tuple of such for several outputs. Lists that all have
            one length, such as one-hot rows, are taken as an array, unless each has the length of
            its sequence of `x`. `None` for no targets, or those in the file of `x`, or in the one
            file with targets among several inputs.
        batch_size: The number of rows in a batch.
        lengths: How many lengths to choose at most: with `shuffle=True`, not more than one for
            every four batches, because rows are only mixed within a bucket. Or the lengths
            themselves, for example those of another data set, `lengths=train.lengths`: all
            sequences are then padded to one of these.
        maxlen: Longer sequences are truncated to this length; `None` truncates nothing.
        truncating: `"pre"` truncates longer sequences on the left, `"post"` on the right.
        shuffle: Whether to shuffle. `False` gives every epoch the same order; the longest
            batch is still first.
        seed: The seed of the shuffling.
        drop_last: Whether to drop the rows of the smaller batch: others in every epoch with
            `shuffle=True`. If there are fewer rows than `batch_size`, none is left, and an error is
            raised.
        sample_weight: An array of weights with a row for each sequence, or a structure as that of
            `y`.
        class_weight: A dict from class, an integer, to weight, for a `y` of class numbers or
            one-hot rows. A class that is not in the dict has the weight 1. If there is a
            `sample_weight` too, the weights are multiplied.
        value: What to pad the sequences of `x` with.
        shard: `(index, count)`, for training in several processes with the same `x` and arguments:
            the number of this process, from 0, and how many there are. Every process takes other
            rows, together all of them, in the same number of batches: batch i of all processes
            has one padded length, and together `count * batch_size` rows in the order of `seed`
            and the epoch. Only the smaller batch can have one row more in some processes than in
            others, or `batch_size + 1` where there would be an empty one; under a
            `keras.distribution`, that is an error. Call `fit(data, shuffle=False)`: Keras would
            shuffle the batches of each process by itself. In `fit`, `kit.callbacks.resumable` calls
            `set_epoch`; in a loop of your own, call it at the start of each epoch.
        workers: As in `keras.utils.PyDataset`. The workers prepare the next batches only if they
            are used in order, so call `fit(data, shuffle=False)`.
        use_multiprocessing: As in `keras.utils.PyDataset`.
        max_queue_size: As in `keras.utils.PyDataset`.

    Attributes:
        lengths: The padded lengths, a sorted tuple.
        epoch: The epoch whose order the batches have. It moves on when all batches of an
            epoch were used.

    Raises:
        TypeError: If a sequence, an array or `class_weight` has the wrong type.
        ValueError: If the inputs and targets have different numbers of rows, or an argument is not
            one of the above, or a batch would have more rows in some processes than in others
            under a `keras.distribution`.

    Example:

    >>> reviews = [[5, 9], [7], [8, 1, 6, 4, 2], [3, 3, 3]]
    >>> data = Bucketed(reviews, np.array([0, 1, 1, 0]), batch_size=2, lengths=2, shuffle=False)
    >>> data.lengths, len(data), round(data.padding, 2)
    ((2, 5), 2, 0.21)
    >>> x, y = data[0]
    >>> x.shape, y.shape
    ((2, 5), (2,))
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        batch_size: int = 32,
        lengths: int | Sequence[int] = 16,
        maxlen: int | None = None,
        truncating: str = "post",
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        value: float = 0,
        shard: tuple[int, int] = (0, 1),
        workers: int = 1,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
    ) -> None:
        super().__init__()  # without Keras' own workers: ahead.py says why
        batch_size = check_integer(batch_size, "batch_size", least=1)
        seed = check_integer(seed, "seed", most=None)
        shard = checked_shard(shard)
        maxlen = check_integer(maxlen, "maxlen", least=1, optional=True)
        check_choice(truncating, "truncating", SIDES)
        y = stored_targets(x) if y is None else y
        parts = tables(x, y, sample_weight, class_weight)
        longest = longest_of(parts, maxlen)
        wanted = wanted_lengths(lengths, int(longest.max()))
        together = batch_size * shard[1]
        check_some_left(len(longest), batch_size, shard, drop_last)
        if shuffle and isinstance(wanted, int):
            wanted = max(1, min(wanted, len(longest) // together // LEAST_BATCHES))
        buckets = make_buckets(longest, wanted, together, drop_last, least=shard[1])
        values = (check_value(value, parts[0]), 0, 0)
        exact = not isinstance(wanted, int)
        bound = [
            part.bound(buckets, maxlen, truncating, pad, exact=exact)
            for part, pad in zip(parts, values, strict=False)
        ]
        self.lengths = tuple(np.maximum(buckets.lengths, 1).tolist())
        self._rows = len(longest)
        self._batches = Batches(bound, buckets, seed, bool(shuffle), shard)
        self._ahead = _workers(self._batches, workers, use_multiprocessing, max_queue_size)
        self.set_epoch(0)

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Returns `(x,)`, `(x, y)` or `(x, y, sample_weight)` of a batch of the epoch."""
        epoch, index = self.epoch, position(index, len(self))
        self._used.add(index)
        source = self._batches.make if self._ahead is None else self._ahead.get
        return source(epoch, index)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        self._restorable = self.epoch
        return super().__iter__()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_ahead": None}  # a process that this is sent to is a worker

    @property
    def padding(self) -> float:
        """The fraction of the items of `x` that are padding."""
        return self._batches.padding(self.epoch)

    def order(self, epoch: int | None = None) -> list[np.ndarray]:
        """Returns the rows of each batch, a pure function of `seed` and the epoch.

        Args:
            epoch: The epoch; `None` for the present one.

        Returns:
            A list with an array of row numbers for each batch.
        """
        epoch = check_integer(epoch, "epoch", optional=True)
        return self._batches.rows(self.epoch if epoch is None else epoch)

    def set_epoch(self, epoch: int) -> None:
        """Gives the batches the order of this epoch, counted from 0.

        Args:
            epoch: The epoch, for example that in which a resumed run goes on.
        """
        self.epoch: int = check_integer(epoch, "epoch")
        self._restorable = self.epoch
        self._used: set[int] = set()

    def on_epoch_end(self) -> None:
        """Moves on to the next epoch if all batches were used: Keras calls it more often."""
        if len(self._used) == len(self):
            used = self.epoch
            self.set_epoch(used + 1)
            self._restorable = used

    def restore(self, predictions: Any, epoch: int | None = None) -> Any:
        """Puts the rows that `model.predict(data)` returned into the order of `x`.

        Args:
            predictions: An array with a row for each sequence, or a structure of such arrays.
            epoch: The epoch whose order the rows have; `None` for that of the last `predict`,
                `evaluate` or `fit`, or of the last loop over the batches.

        Returns:
            The same structure of arrays, whose row i belongs to sequence i of `x`.

        Raises:
            ValueError: If there is not one row for each sequence; with `drop_last=True` or
                `shard`, some are missing.
        """
        rows = np.concatenate(self.order(self._restorable if epoch is None else epoch))

        def restored(part: Any) -> np.ndarray:
            part = np.asarray(part)
            if part.shape[:1] != (self._rows,) or len(rows) != self._rows:
                raise ValueError(
                    f"`predictions` must have a row for each sequence, {self._rows} rows, as "
                    "`model.predict(data)` returns them with `drop_last=False` and without "
                    "`shard`. "
                    f"Received: predictions.shape={part.shape}"
                )
            ordered = np.empty_like(part)
            ordered[rows] = part
            return ordered

        return keras.tree.map_structure(restored, predictions)


def _workers(batches: Batches, workers: int, processes: bool, most: int) -> Ahead | None:
    workers = check_integer(workers, "workers")
    most = check_integer(most, "max_queue_size", least=1)
    if workers > 1 or (workers and processes):
        return Ahead(batches.make, len(batches), workers, bool(processes), most)
    return None
