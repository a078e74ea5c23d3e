"""The header of a flat file: type, shape and checksum of each of its arrays.

A file has a header of fixed size, then the items of all sequences, the offsets and the targets,
each at a multiple of 8 bytes. The header is a line of JSON, padded with spaces, and has a checksum
of itself. The size of the file follows from it, so it is checked before anything is mapped.
"""

import json
import math
import zlib
from typing import Any, NamedTuple

import numpy as np

from keras_rnnkit._checks import is_integer

FORMAT, VERSION = "keras_rnnkit.flat", 1
HEADER = 1024  # bytes
_DTYPES = {"values": ("<i4", "<f4"), "offsets": ("<i8",), "targets": ("<i8", "<f4")}
MOST_DIMENSIONS = 3


class ArrayHeader(NamedTuple):
    """What the header says of an array."""

    dtype: str
    shape: tuple[int, ...]
    crc32: int

    @property
    def nbytes(self) -> int:
        """Its size in the file."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


Arrays = dict[str, ArrayHeader]


def encode_header(arrays: Arrays) -> bytes:
    """Returns the header, of `HEADER` bytes."""
    content = {"format": FORMAT, "version": VERSION, "arrays": arrays}
    line = json.dumps(content | {"crc32": _checksum(content)}).encode()
    return line.ljust(HEADER - 1) + b"\n"


def decode_header(header: bytes) -> Arrays:
    """Returns what a header says of the arrays.

    Raises:
        ValueError: If it is none, damaged, or of another version.
    """
    try:
        content = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise ValueError("a header that is not JSON") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError("another format")
    if content.get("version") != VERSION:
        raise ValueError(f"version {content.get('version')!r:.20}, where {VERSION} is known")
    if content.pop("crc32", None) != _checksum(content):
        raise ValueError("a header with another checksum")
    arrays = content.get("arrays")
    if not isinstance(arrays, dict) or not {"values", "offsets"} <= set(arrays) <= set(_DTYPES):
        raise ValueError("a header without the arrays")
    return {name: _array(name, arrays[name]) for name in _DTYPES if name in arrays}


def places(arrays: Arrays) -> dict[str, int]:
    """Returns where each array begins, and under `"end"` the size of the file."""
    position, found = HEADER, {}
    for name, header in arrays.items():
        found[name] = position
        position = padded(position + header.nbytes)
    return found | {"end": position}


def padded(position: int) -> int:
    """Returns the next multiple of 8."""
    return -(-position // 8) * 8


def _array(name: str, entry: Any) -> ArrayHeader:
    if not isinstance(entry, list) or len(entry) != len(ArrayHeader._fields):
        raise ValueError(f"a header without the array {name!r}")
    dtype, shape, crc32 = entry
    sizes = shape if isinstance(shape, list) else []
    if (
        dtype not in _DTYPES[name]
        or not 1 <= len(sizes) <= MOST_DIMENSIONS
        or not all(is_integer(size) and 0 <= size < 2**48 for size in sizes)
        or not is_integer(crc32)
    ):
        raise ValueError(f"{name} of type {dtype!r:.20} and shape {shape!r:.60}")
    return ArrayHeader(dtype, tuple(sizes), crc32)


def _checksum(content: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())
