"""Divides sequences into buckets of similar length, and a bucket into batches.

The rows are sorted by length and cut into batches before the buckets are made: a bucket has
several consecutive batches, all of `batch_size` rows, so only one batch of an epoch can be smaller,
one of the shortest rows. All batches of a bucket have one padded length. So an epoch has at most
as many shapes as there are lengths, and one more for the smaller batch.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_rnnkit.data.lengths import least_padding


class Order(NamedTuple):
    """The order of an epoch: the rows of batch i are `rows[bounds[batches[i]]:...]`."""

    rows: np.ndarray
    batches: np.ndarray


class Buckets(NamedTuple):
    """Which rows are padded to which length; the same in every epoch.

    Shapes: `rows` `(n,)`, sorted by length; `bounds` `(batches + 1,)`, where the batches are in
    `rows`; `starts` `(buckets + 1,)`, where the buckets are in `rows`; `bucket` `(batches,)`, the
    bucket of each batch; `lengths` `(buckets,)`.
    """

    rows: np.ndarray
    bounds: np.ndarray
    starts: np.ndarray
    bucket: np.ndarray
    lengths: np.ndarray

    def order(self, seed: int, epoch: int, shuffle: bool) -> Order:
        """Returns the order of an epoch, a pure function of the arguments.

        The first batch is one of the longest, so that a lack of memory shows at once. The second
        is one of the shortest: Keras on TensorFlow takes from the first two batches which
        dimensions change.
        """
        rng = np.random.default_rng([seed, epoch])
        rows = self.rows
        batches = np.arange(len(self.bucket))
        if shuffle:
            spans = zip(self.starts[:-1], self.starts[1:], strict=True)
            rows = np.concatenate([rng.permutation(rows[start:end]) for start, end in spans])
            batches = rng.permutation(batches)
        buckets = self.bucket[batches]
        longest = len(batches) - 1 - int(np.argmax(buckets[::-1] == buckets.max()))
        shortest = int(np.argmax(buckets == buckets.min()))
        first = list(dict.fromkeys([longest, shortest]))
        return Order(rows, np.concatenate([batches[first], np.delete(batches, first)]))


def make_buckets(
    lengths: np.ndarray,
    wanted: int | Sequence[int],
    batch_size: int,
    drop_last: bool,
    least: int = 1,
) -> Buckets:
    """Returns the buckets of rows of these lengths.

    Args:
        lengths: The length of each row.
        wanted: The number of padded lengths, or the padded lengths, of which the last is long
            enough for every row.
        batch_size: The rows of a batch.
        drop_last: Whether there is no smaller batch; its rows are then dropped from the bucket
            of the shortest rows, other ones in each epoch.
        least: The least rows of the smaller batch. Fewer make the batch before larger instead.
    """
    rows = np.argsort(lengths, kind="stable")
    rest = len(rows) % batch_size
    ends = np.arange(rest, len(rows) + 1, batch_size)
    bounds = ends
    if rest and not drop_last:
        bounds = np.concatenate([[0], ends if rest >= least or len(ends) == 1 else ends[1:]])
    longest = lengths[rows[bounds[1:] - 1]]
    if isinstance(wanted, int):
        distinct, where = np.unique(longest, return_inverse=True)
        sizes = np.bincount(where, weights=np.diff(bounds)).astype(np.int64)
        chosen = least_padding(distinct, sizes, wanted)
    else:
        chosen = np.array(sorted(set(wanted)), np.int64)
    used, bucket = np.unique(np.searchsorted(chosen, longest), return_inverse=True)
    first_batches = np.searchsorted(bucket, np.arange(1, len(used)))
    starts = np.concatenate([[0], bounds[first_batches], [len(rows)]])
    return Buckets(rows, bounds, starts, bucket, chosen[used])
