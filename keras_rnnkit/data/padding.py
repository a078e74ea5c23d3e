"""Sequences of different lengths brought to one, without a loop over their items."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_rnnkit.data.checks import require_choice, require_count

SIDES = ("pre", "post")


def pad(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    padding: str = "pre",
    truncating: str = "pre",
    value: int = 0,
) -> np.ndarray:
    """Pads and cuts sequences of integers to one length.

    Equal to `keras.utils.pad_sequences` for sequences of ids, and vectorised: its time goes
    with the number of ids, not with a Python loop over the sequences' rows.

    Args:
        sequences: Lists, tuples or 1-D arrays of integers.
        maxlen: The length of every row; `None` for that of the longest sequence.
        padding: `"pre"` pads on the left, `"post"` on the right.
        truncating: `"pre"` cuts what is too long on the left, `"post"` on the right.
        value: The id to pad with.

    Returns:
        An int32 array of shape `(len(sequences), maxlen)`.

    Raises:
        TypeError: If a sequence does not hold integers in a single row.
        ValueError: If an argument is not one of the above, or an id does not fit int32.

    Example:

    >>> pad([[7, 8], [1, 2, 3, 4]], maxlen=3)
    array([[0, 7, 8],
           [2, 3, 4]], dtype=int32)
    """
    maxlen = require_count("maxlen", maxlen, least=1, optional=True)
    require_choice("padding", padding, SIDES)
    require_choice("truncating", truncating, SIDES)
    rows = [_as_ids(index, sequence) for index, sequence in enumerate(sequences)]
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    tokens = _flat(rows)
    if maxlen is None:
        maxlen = int(lengths.max(initial=0))
    starts, lengths = cut(np.cumsum(lengths) - lengths, lengths, maxlen, truncating)
    return rectangle(tokens[ranges(starts, lengths)], lengths, maxlen, padding, value)


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Returns the positions `start, start + 1, ...` of every range, one range after another."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - ends + lengths, lengths) + np.arange(total)


def cut(
    starts: np.ndarray, lengths: np.ndarray, maxlen: int | None, truncating: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns where each sequence starts and how long it is once cut to `maxlen`, if any."""
    if maxlen is None:
        return starts, lengths
    kept = np.minimum(lengths, maxlen)
    return (starts + lengths - kept if truncating == "pre" else starts), kept


def rectangle(
    values: np.ndarray, lengths: np.ndarray, maxlen: int, padding: str, value: int = 0
) -> np.ndarray:
    """Lays flat `values` into int32 rows of `maxlen`, padded with `value`."""
    columns = np.arange(maxlen)
    if padding == "pre":
        inside = columns >= (maxlen - lengths)[:, None]
    else:
        inside = columns < lengths[:, None]
    filled = np.full((len(lengths), maxlen), value, dtype=np.int32)
    filled[inside] = values
    return filled


def _flat(rows: list[np.ndarray]) -> np.ndarray:
    tokens = np.concatenate(rows) if rows else np.empty(0, np.int64)
    limits = np.iinfo(np.int32)
    if tokens.size and not limits.min <= tokens.min() <= tokens.max() <= limits.max:
        raise ValueError(
            f"`sequences` must hold ids that fit int32. Received ids from {tokens.min()} to "
            f"{tokens.max()}."
        )
    return tokens.astype(np.int32)


def _as_ids(index: int, sequence: Any) -> np.ndarray:
    try:
        ids = np.asarray(sequence)
    except ValueError:  # rows within the row, of different lengths
        ids = np.asarray(sequence, dtype=object)
    if ids.ndim == 1 and (ids.size == 0 or ids.dtype.kind in "iu"):
        return ids.astype(np.int64)
    raise TypeError(
        f"`sequences[{index}]` must be a flat sequence of integers. Received: "
        f"{type(sequence).__name__} with dtype {ids.dtype} and shape {ids.shape}."
    )
