"""Many short sequences in full rows, without padding: `pack`, and what it returns."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_rnnkit._checks import check_integer
from keras_rnnkit.data.bins import into_rows
from keras_rnnkit.data.flat import FlatSequences, flat_sequences

NONE = -1  # in `ends`, `starts` and `index` where a row has no further sequence


@dataclass(frozen=True, eq=False)
class Packed:
    """Sequences in full rows, and where each of them starts and ends.

    `rows, resets, ends, targets, weights = packed` unpacks the first five. `most` is the largest
    number of sequences in a row. A row with fewer has the weight 0, the target 0 and the end -1 in
    the places that remain.

    Attributes:
        rows: The items, `(rows, length)` of int32, or `(rows, length[, features])` of floats. The
            steps after the last sequence of a row are 0.
        resets: Booleans `(rows, length)`, true at the first step of each sequence, and at the first
            step after the last one: pass them as `resets=` to the recurrent layers.
        ends: int32 `(rows, most)`, the last step of each sequence: pass them to
            `keras_rnnkit.TakeLast`.
        targets: The target of each sequence, `(rows, most, ...)`, or `None`. An output of one unit
            needs a last axis of 1, as in `pack(..., targets=labels[:, None])`: without it, losses
            such as `"binary_crossentropy"` and `"mse"` average over the places of a row, empty ones
            included, before masks and weights.
        weights: `(rows, most)` in Keras' float type, 1 where there is a sequence, 0 elsewhere: pass
            them as `sample_weight`.
        index: int32 `(rows, most)`, the number of each sequence in the list that was packed.
    """

    rows: np.ndarray
    resets: np.ndarray
    ends: np.ndarray
    targets: np.ndarray | None
    weights: np.ndarray
    index: np.ndarray

    def __iter__(self) -> Iterator[Any]:
        return iter((self.rows, self.resets, self.ends, self.targets, self.weights))

    def __repr__(self) -> str:
        rows, most = self.ends.shape
        return (
            f"<Packed: {np.count_nonzero(self.weights)} sequences in {rows} rows of "
            f"{self.rows.shape[1]} steps, at most {most} in a row, {self.padding:.1%} unused>"
        )

    @property
    def starts(self) -> np.ndarray:
        """int32 `(rows, most)`, the first step of each sequence, -1 where there is none.

        A direction that runs backwards ends there.
        """
        before = np.concatenate([np.full_like(self.ends[:, :1], -1), self.ends[:, :-1]], axis=1)
        return np.where(self.ends == NONE, NONE, before + 1).astype(np.int32)

    @property
    def mask(self) -> np.ndarray:
        """Booleans `(rows, length)`, false at the steps that have no sequence."""
        return np.arange(self.rows.shape[1]) <= self.ends.max(axis=1, keepdims=True)

    @property
    def padding(self) -> float:
        """The fraction of the steps that have no sequence."""
        return float(1 - self.mask.mean())

    def restore(self, predictions: Any) -> Any:
        """Puts predictions for each place of each row into the order of the sequences.

        Args:
            predictions: An array `(rows, most, ...)`, as a model with `TakeLast` predicts it, or a
                structure of such arrays.

        Returns:
            The same structure of arrays, whose row i belongs to sequence i of those packed.

        Raises:
            ValueError: If the first two axes are not `(rows, most)`.
        """
        there = self.index != NONE

        def restored(part: Any) -> np.ndarray:
            part = np.asarray(part)
            if part.shape[:2] != self.index.shape:
                raise ValueError(
                    "`predictions` must have an entry for each place of each row, (rows, most) = "
                    f"{self.index.shape}, as a model with `TakeLast` predicts them. "
                    f"Received: predictions.shape={part.shape}"
                )
            ordered = np.empty((np.count_nonzero(there), *part.shape[2:]), part.dtype)
            ordered[self.index[there]] = part[there]
            return ordered

        return keras.tree.map_structure(restored, predictions)


def pack(sequences: Any, length: int, targets: Any = None) -> Packed:
    """Packs many short sequences into full rows, without padding between them.

    Padding makes every sequence as long as the longest one. Here several sequences follow each
    other in a row, and `resets` tells the recurrent layers where a new one starts, so that a
    sequence gives the same outputs and gradients as alone. All rows have one length, so a model is
    compiled for one shape. What is left of a row after its last sequence is a sequence of its own
    that no target belongs to: the model needs no mask.

    The rows have about equally many sequences, long and short ones. The packing depends on the
    lengths only, not on chance: packing a tag for each item, `pack(tags, length).rows`, puts every
    tag to its item.

    Args:
        sequences: A list of sequences: lists or arrays of integers, of floats, or float arrays
            `(steps, features)`. Or a `FlatSequences` that `kit.data.open_flat` returns, whose rows
            are made in memory, too.
        length: The length of a row, at least that of the longest sequence. Sequences a little
            longer than half of it leave almost half of a row unused; of short ones, many fit.
        targets: A target for each sequence: an array with a row for each, or a list of numbers or
            of arrays of one shape. Floats get Keras' float type. `None` for no targets, or those
            in the file of `sequences`. For an output of one unit `(n, 1)`: see `Packed`.

    Returns:
        A `Packed` of `rows`, `resets`, `ends`, `targets` and `weights`. For floats `rows` has
        Keras' float type, for integers int32.

    Raises:
        TypeError: If a sequence or the targets have another type.
        ValueError: If a sequence is empty or longer than `length`, the sequences have different
            kinds of items, or there is not one target for each.

    Example:

    >>> packed = pack([[5, 9], [7], [8, 1, 6, 4, 2], [3, 3]], length=5, targets=[0, 1, 1, 0])
    >>> packed.rows
    array([[5, 9, 7, 3, 3],
           [8, 1, 6, 4, 2]], dtype=int32)
    >>> packed.resets.astype(int)
    array([[1, 0, 1, 1, 0],
           [1, 0, 0, 0, 0]])
    >>> packed.ends
    array([[ 1,  2,  4],
           [ 4, -1, -1]], dtype=int32)
    >>> packed.targets
    array([[0, 1, 0],
           [1, 0, 0]])
    >>> packed.weights
    array([[1., 1., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    length = check_integer(length, "length", least=1)
    flat = _as_flat(sequences)
    targets = flat.targets if targets is None else _as_targets(targets, len(flat))
    index = into_rows(flat.lengths, _long_enough(length, flat.lengths))
    there = index != NONE
    steps = np.where(there, flat.lengths[index], 0)
    ends = np.cumsum(steps, axis=1)
    return Packed(
        rows=_rows(flat, index, ends - steps, length),
        resets=_resets(ends, length),
        ends=np.where(there, ends - 1, NONE).astype(np.int32),
        targets=None if targets is None else _in_places(targets, index),
        weights=there.astype(keras.config.floatx()),
        index=index.astype(np.int32),
    )


def _as_flat(sequences: Any) -> FlatSequences:
    if not isinstance(sequences, FlatSequences):
        if not isinstance(sequences, Iterable):
            raise TypeError(
                "`sequences` must be a list of sequences, or FlatSequences. "
                f"Received: sequences={sequences!r}"
            )
        sequences = flat_sequences(sequences, "sequences")
    if not len(sequences):
        raise ValueError("`sequences` must have at least one sequence. Received: sequences=[]")
    return sequences


def _long_enough(length: int, lengths: np.ndarray) -> int:
    """Returns the length of a row, which is enough for every sequence, none of which is empty."""
    empty, long = (np.flatnonzero(found) for found in (lengths == 0, lengths > length))
    if len(empty):
        raise ValueError(
            f"`sequences` must have at least one item each, and {len(empty)} of them have none, "
            f"the first is sequences[{empty[0]}]: remove them and their targets. "
            f"Received: len(sequences[{empty[0]}])=0"
        )
    if len(long):
        raise ValueError(
            f"`length` must reach the longest sequence, of {lengths.max()} items. {len(long)} of "
            f"the {len(lengths)} are longer than {length}, the first is sequences[{long[0]}] with "
            f"{lengths[long[0]]}: pass `length={lengths.max()}` or more, or truncate them, such as "
            f"`[sequence[:{length}] for sequence in sequences]`. Received: length={length}"
        )
    return length


def _as_targets(targets: Any, count: int) -> np.ndarray:
    try:
        array = np.asarray(targets)
    except ValueError:  # targets of different shapes
        array = np.asarray(targets, dtype=object)
    if not array.ndim or array.dtype.kind not in "biuf":
        raise TypeError(
            "`targets` must be numbers or arrays of one shape, one for each sequence. For a target "
            "at each step, pack the targets like the sequences: `pack(targets, length).rows`. "
            f"Received: type={type(targets).__name__}, dtype={array.dtype}"
        )
    if len(array) != count:
        raise ValueError(
            f"`targets` must have one for each sequence, {count}. "
            f"Received: len(targets)={len(array)}"
        )
    return array.astype(keras.config.floatx(), copy=False) if array.dtype.kind == "f" else array


def _rows(flat: FlatSequences, index: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    dtype = "int32" if flat.values.dtype.kind in "iu" else keras.config.floatx()
    rows = np.zeros((len(index), length, *flat.values.shape[1:]), dtype)
    row, place = np.nonzero(index != NONE)
    number = index[row, place]
    places = zip(
        row.tolist(),
        starts[row, place].tolist(),
        flat.offsets[number].tolist(),
        flat.lengths[number].tolist(),
        strict=True,
    )
    for i, start, offset, steps in places:
        rows[i, start : start + steps] = flat.values[offset : offset + steps]
    return rows


def _resets(ends: np.ndarray, length: int) -> np.ndarray:
    """Returns where a sequence starts: after the end of another one, or of the row before."""
    resets = np.zeros((len(ends), length + 1), bool)
    resets[np.arange(len(ends))[:, None], ends] = True
    resets[:, 0] = True
    return resets[:, :length].copy()


def _in_places(targets: np.ndarray, index: np.ndarray) -> np.ndarray:
    placed = np.zeros((*index.shape, *targets.shape[1:]), targets.dtype)
    there = index != NONE
    placed[there] = targets[index[there]]
    return placed
