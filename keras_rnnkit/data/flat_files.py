"""Flat files: sequences of any length, written one by one, and mapped instead of loaded."""

import zlib
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from keras_rnnkit._checks import PathLike, as_path, check_file
from keras_rnnkit._files import replacing
from keras_rnnkit.data.errors import DataFileError
from keras_rnnkit.data.flat import FlatSequences, as_items
from keras_rnnkit.data.flat_headers import (
    HEADER,
    MOST_DIMENSIONS,
    ArrayHeader,
    Arrays,
    encode_header,
    padded,
)
from keras_rnnkit.data.flat_reading import read_arrays

SUFFIX = ".flat"
_MISSING = object()


def write_flat(
    path: PathLike,
    sequences: Iterable[Any],
    targets: Iterable[Any] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Writes sequences to a file that `kit.data.open_flat` maps instead of loading it.

    Both arguments may be iterators. Each sequence is written before the next one is taken, so all
    sequences together may be larger than the memory; only the length and the target of each are
    kept. The file replaces an old one when it is complete.

    Args:
        path: The file, with the suffix `.flat`.
        sequences: Lists or arrays of integers, stored as int32; or of floats, or float arrays
            `(steps, features)`, stored as float32.
        targets: A target for each sequence, numbers or arrays of one shape: integers are stored
            as int64, floats as float32. `None` for no targets.
        overwrite: Whether to replace an existing file.

    Raises:
        FileExistsError: If the file exists and `overwrite` is false.
        OSError: If the file cannot be written. An old one is then unchanged.
        TypeError: If a sequence or a target has another type.
        ValueError: If `path` has another suffix, sequences or targets differ in kind or shape, or
            there are not as many targets as sequences.

    Example:

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = os.path.join(folder, "reviews.flat")
    ...     write_flat(file, ([n] * n for n in (3, 1, 2)), targets=[1, 0, 1])
    ...     reviews = open_flat(file)
    ...     print(len(reviews), reviews[0], reviews.targets[1])
    3 [3 3 3] 0
    """
    target = check_file(path, "path", SUFFIX, overwrite)
    with replacing(target, overwrite=overwrite) as temporary, open(temporary, "wb") as file:
        file.write(bytes(HEADER))
        arrays = _write_arrays(file, sequences, targets)
        file.seek(0)
        file.write(encode_header(arrays))


def open_flat(path: PathLike, *, verify: bool = True) -> FlatSequences:
    """Opens a file of `kit.data.write_flat`, and maps it instead of loading it.

    Args:
        path: The file.
        verify: Whether to compare the checksums of all arrays, which reads the file once. With
            `False`, only the header, the size and the offsets are checked.

    Returns:
        The `FlatSequences` for `kit.data.Bucketed`, with their targets.

    Raises:
        DataFileError: If the file is missing, incomplete, changed or of another format.

    Example: see `write_flat`.
    """
    file = as_path(path, "path")
    try:
        values, offsets, targets = read_arrays(file, verify)
    except (OSError, ValueError) as error:
        raise DataFileError(
            "`path` must lead to a file that `kit.data.write_flat` wrote, complete and unchanged: "
            f"write it again. Found: {type(error).__name__}: {error}. Received: path='{file}'"
        ) from error
    return FlatSequences(values, offsets, targets, path=file.absolute(), reopen=_reopen)


def _reopen(path: Path) -> FlatSequences:
    return open_flat(path, verify=False)


class _Stream:
    """Rows of one kind, as bytes, with their number and checksum."""

    def __init__(self, argument: str, dtypes: dict[str, str]) -> None:
        self._argument = argument
        self._dtypes = dtypes
        self._kind: tuple[str, tuple[int, ...]] | None = None
        self._rows = self._crc32 = 0

    def encode(self, rows: np.ndarray, name: str) -> bytes:
        """Returns the bytes of these rows, and counts them."""
        if rows.dtype.kind not in self._dtypes:
            raise TypeError(f"`{name}` must be numbers. Received: dtype={rows.dtype}")
        if rows.ndim > MOST_DIMENSIONS:
            raise ValueError(
                f"`{name}` must have at most {MOST_DIMENSIONS - 1} axes. "
                f"Received: shape={rows.shape[1:]}"
            )
        if rows.dtype == np.uint64 and rows.size and rows.max() > np.iinfo(np.int64).max:
            raise ValueError(f"`{name}` must fit int64. Received: max({name})={rows.max()}")
        kind = self._dtypes[rows.dtype.kind], rows.shape[1:]
        self._kind = self._kind or kind
        if kind != self._kind:
            raise ValueError(
                f"`{self._argument}` must be of one kind: all integers or all floats, of one "
                f"shape. Received: {name} of dtype={rows.dtype}, shape={rows.shape}"
            )
        content = np.ascontiguousarray(rows, kind[0]).tobytes()
        self._rows += len(rows)
        self._crc32 = zlib.crc32(content, self._crc32)
        return content

    def header(self) -> ArrayHeader:
        """Returns the header of all rows."""
        dtype, shape = self._kind or (self._dtypes["i"], ())
        return ArrayHeader(dtype, (self._rows, *shape), self._crc32)


def _write_arrays(file: IO[bytes], sequences: Iterable[Any], targets: Any) -> Arrays:
    values = _Stream("sequences", {"i": "<i4", "u": "<i4", "f": "<f4"})
    labels = _Stream("targets", {"b": "<i8", "i": "<i8", "u": "<i8", "f": "<f4"})
    bounds, encoded = array("q", [0]), bytearray()
    for i, (sequence, target) in enumerate(_pairs(sequences, targets)):
        items = as_items(sequence, f"sequences[{i}]")
        if len(items):
            file.write(values.encode(items, f"sequences[{i}]"))
        bounds.append(bounds[-1] + len(items))
        if targets is not None:
            encoded += labels.encode(np.asarray(target)[None], f"targets[{i}]")
    if len(bounds) == 1:
        raise ValueError("`sequences` must have at least one sequence. Received: sequences=[]")
    offsets = _Stream("offsets", {"i": "<i8"})
    for content in (offsets.encode(np.array(bounds), "offsets"), encoded):
        file.write(bytes(padded(file.tell()) - file.tell()))
        file.write(content)
    file.write(bytes(padded(file.tell()) - file.tell()))
    arrays = {"values": values.header(), "offsets": offsets.header()}
    return arrays if targets is None else arrays | {"targets": labels.header()}


def _pairs(sequences: Iterable[Any], targets: Iterable[Any] | None) -> Iterator[tuple[Any, Any]]:
    if targets is None:
        yield from ((sequence, None) for sequence in sequences)
        return
    rest = iter(targets)
    i = -1
    for i, sequence in enumerate(sequences):
        target = next(rest, _MISSING)
        if target is _MISSING:
            raise ValueError(
                f"`targets` must have one for each sequence. Received: len(targets)={i}, and more "
                "sequences"
            )
        yield sequence, target
    if next(rest, _MISSING) is not _MISSING:
        raise ValueError(
            f"`targets` must have one for each sequence. "
            f"Received: len(sequences)={i + 1}, and more targets"
        )
