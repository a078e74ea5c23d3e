"""Pads and truncates sequences to one length, vectorised over all of their items."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, Literal, NamedTuple, overload

import numpy as np

from keras_rnnkit._checks import check_choice, check_integer

SIDES = ("pre", "post")
_INT32 = np.iinfo(np.int32)


class Padded(NamedTuple):
    """Padded sequences, and which of their steps are valid.

    The mask and the lengths come from the sequences, so an id that equals the padding value counts
    as a valid step.

    Attributes:
        ids: int32 array `(sequences, maxlen)`.
        mask: Boolean array `(sequences, maxlen)`, false where a step is padding.
        lengths: int32 array `(sequences,)`, the number of valid steps of each row.
    """

    ids: np.ndarray
    mask: np.ndarray
    lengths: np.ndarray


@overload
def pad(
    sequences: Sequence[Any],
    maxlen: int | None = ...,
    padding: str = ...,
    truncating: str = ...,
    value: int = ...,
    return_mask: Literal[False] = ...,
) -> np.ndarray: ...


@overload
def pad(
    sequences: Sequence[Any],
    maxlen: int | None = ...,
    padding: str = ...,
    truncating: str = ...,
    value: int = ...,
    *,
    return_mask: Literal[True],
) -> Padded: ...


def pad(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    padding: str = "pre",
    truncating: str = "pre",
    value: int = 0,
    return_mask: bool = False,
) -> np.ndarray | Padded:
    """Pads and truncates sequences of integers to one length.

    Gives the same result as `keras.utils.pad_sequences` for sequences of ids, but is vectorised
    instead of copying one sequence after another in a Python loop.

    Args:
        sequences: Lists, tuples or 1-D arrays of integers.
        maxlen: The length of every row; `None` for that of the longest sequence.
        padding: `"pre"` pads on the left, `"post"` on the right.
        truncating: `"pre"` truncates longer sequences on the left, `"post"` on the right.
        value: The id to pad with.
        return_mask: Whether to return the mask and the lengths too.

    Returns:
        An int32 array of shape `(len(sequences), maxlen)`; with `return_mask=True`,
        `Padded(ids, mask, lengths)`, where the mask is a boolean array of the same shape, false at
        padded steps, and the lengths are those after truncating.

    Raises:
        TypeError: If a sequence is not a flat sequence of integers.
        ValueError: If an argument is not one of the above, or an id does not fit int32.

    Example:

    >>> pad([[7, 8], [1, 2, 3, 4]], maxlen=3)
    array([[0, 7, 8],
           [2, 3, 4]], dtype=int32)
    >>> pad([[7, 8], [1, 2, 3, 4]], maxlen=3, padding="post", return_mask=True).mask
    array([[ True,  True, False],
           [ True,  True,  True]])
    """
    maxlen = check_integer(maxlen, "maxlen", least=1, optional=True)
    check_choice(padding, "padding", SIDES)
    check_choice(truncating, "truncating", SIDES)
    _check_value(value)
    rows = [_as_ids(index, sequence) for index, sequence in enumerate(sequences)]
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    tokens = _flat(rows)
    if maxlen is None:
        maxlen = int(lengths.max(initial=0))
    starts, lengths = truncate(np.cumsum(lengths) - lengths, lengths, maxlen, truncating)
    ids = padded_rows(tokens[ranges(starts, lengths)], lengths, maxlen, padding, value)
    if not return_mask:
        return ids
    return Padded(ids, valid_steps(lengths, maxlen, padding), lengths.astype(np.int32))


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Returns the positions `start, start + 1, ...` of all ranges, concatenated."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - ends + lengths, lengths) + np.arange(total)


def truncate(
    starts: np.ndarray, lengths: np.ndarray, maxlen: int | None, truncating: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns start and length of each sequence, truncated to `maxlen` unless that is `None`."""
    if maxlen is None:
        return starts, lengths
    truncated = np.minimum(lengths, maxlen)
    return (starts + lengths - truncated if truncating == "pre" else starts), truncated


def padded_rows(
    values: np.ndarray, lengths: np.ndarray, maxlen: int, padding: str, value: int = 0
) -> np.ndarray:
    """Returns the concatenated `values` as int32 rows of `maxlen`, padded with `value`."""
    filled = np.full((len(lengths), maxlen), value, dtype=np.int32)
    filled[valid_steps(lengths, maxlen, padding)] = values
    return filled


def valid_steps(lengths: np.ndarray, maxlen: int, padding: str) -> np.ndarray:
    """Returns booleans `(rows, maxlen)`, false where a row of this length is padded."""
    columns = np.arange(maxlen)
    if padding == "pre":
        return columns >= (maxlen - lengths)[:, None]
    return columns < lengths[:, None]


def _check_value(value: Any) -> None:
    whole = isinstance(value, Real) and float(value).is_integer()
    if not whole or not _INT32.min <= int(value) <= _INT32.max:
        raise ValueError(f"`value` must be an integer that fits int32. Received: value={value!r}")


def _flat(rows: list[np.ndarray]) -> np.ndarray:
    tokens = np.concatenate(rows) if rows else np.empty(0, np.int64)
    if tokens.size and not _INT32.min <= tokens.min() <= tokens.max() <= _INT32.max:
        raise ValueError(
            "`sequences` must have ids that fit int32. "
            f"Received: min(ids)={tokens.min()}, max(ids)={tokens.max()}"
        )
    return tokens.astype(np.int32)


def _as_ids(index: int, sequence: Any) -> np.ndarray:
    try:
        ids = np.asarray(sequence)
    except ValueError:  # rows within the row, of different lengths
        ids = np.asarray(sequence, dtype=object)
    if ids.ndim == 1 and (ids.size == 0 or ids.dtype.kind in "iu"):
        if ids.dtype == np.uint64:  # a number past int64 would become a negative one
            ids = np.minimum(ids, np.uint64(np.iinfo(np.int64).max))
        return ids.astype(np.int64)
    raise TypeError(
        f"`sequences[{index}]` must be a flat sequence of integers. "
        f"Received: type={type(sequence).__name__}, dtype={ids.dtype}, shape={ids.shape}"
    )
