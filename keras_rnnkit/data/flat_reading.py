"""Reads a flat file: checks its header, its size and its offsets, and maps its arrays.

The errors in this file say what was found; `open_flat` adds what is expected.
"""

import math
import mmap
import os
import zlib
from pathlib import Path

import numpy as np

from keras_rnnkit._files import open_regular
from keras_rnnkit.data.flat_headers import HEADER, ArrayHeader, Arrays, decode_header, places

_CHUNK = 2**22  # bytes that are read at once for a checksum


def read_arrays(path: Path, verify: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Returns the items, the offsets and the targets; only the offsets are loaded.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is not a complete and unchanged flat file.
    """
    arrays, content = _map(path)
    start = places(arrays)
    mapped = {name: _array(content, header, start[name]) for name, header in arrays.items()}
    _check_sums(arrays, mapped, list(arrays) if verify else ["offsets"])
    offsets = np.array(mapped["offsets"])
    _check_offsets(offsets, mapped)
    return mapped["values"], offsets, mapped.get("targets")


def _map(path: Path) -> tuple[Arrays, mmap.mmap]:
    """Maps the whole file, whose size is that of its header."""
    with open_regular(path) as file:
        header = file.read(HEADER)
        if len(header) < HEADER:
            raise ValueError(f"{len(header)} bytes")
        arrays = decode_header(header)
        size = places(arrays)["end"]
        found = os.fstat(file.fileno()).st_size
        if found != size:
            raise ValueError(f"{found} bytes, where the header says {size}")
        return arrays, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)


def _array(content: mmap.mmap, header: ArrayHeader, start: int) -> np.ndarray:
    if not header.nbytes:
        return np.empty(header.shape, header.dtype)
    count = math.prod(header.shape)
    return np.frombuffer(content, header.dtype, count, start).reshape(header.shape)


def _check_sums(arrays: Arrays, mapped: dict[str, np.ndarray], names: list[str]) -> None:
    for name in names:
        content = mapped[name].reshape(-1).view(np.uint8)
        checksum = 0
        for start in range(0, len(content), _CHUNK):
            checksum = zlib.crc32(content[start : start + _CHUNK].tobytes(), checksum)
        if checksum != arrays[name].crc32:
            raise ValueError(f"{name} with another checksum")


def _check_offsets(offsets: np.ndarray, mapped: dict[str, np.ndarray]) -> None:
    targets = mapped.get("targets")
    if offsets.ndim != 1 or len(offsets) < 2 or mapped["values"].ndim > 2:
        raise ValueError("arrays of another shape")
    if offsets[0] != 0 or offsets[-1] != len(mapped["values"]) or (np.diff(offsets) < 0).any():
        raise ValueError("offsets that do not match the items")
    if targets is not None and len(targets) != len(offsets) - 1:
        raise ValueError(f"{len(offsets) - 1} sequences but {len(targets)} targets")
