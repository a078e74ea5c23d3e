"""The cache: the reviews as plain arrays, so that a source file is parsed only once.

Each source file has its own cache file, whose name is a hash of the source's path. A cache file
is a line of JSON (the header) and the bytes of the arrays. A file whose version, source hash,
checksum or length does not match is ignored and written anew, so users never have to clear it.
"""

import contextlib
import hashlib
import json
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from keras_rnnkit._files import read_bounded, replacing
from keras_rnnkit.data.reviews import Corpus, RankedReviews

VERSION = 1
LARGEST_CACHE = 2**28  # bytes; that of the official file has 48 million
_DTYPES = tuple(np.dtype(code) for code in ("<i4", "<i8", "<i8"))  # as the fields of RankedReviews


def default_folder() -> Path:
    """Returns the folder beside Keras' own cached data sets."""
    return keras_home() / "datasets" / "keras_rnnkit"


def keras_home() -> Path:
    """Returns `$KERAS_HOME`, or `~/.keras`."""
    return Path(os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras"))


def cache_file(source: Path, folder: Path) -> Path:
    """Returns the path of the cache of `source`."""
    name = hashlib.sha256(os.fsencode(source.resolve())).hexdigest()[:16]
    return folder / f"imdb-{name}.flat"


def load_cache(path: Path, digest: str) -> Corpus | None:
    """Returns the reviews cached at `path`, or `None` if there is no valid cache of `digest`."""
    try:
        line, payload = _split(read_bounded(path, LARGEST_CACHE))
        header = json.loads(line)
        if header != _header(digest, [payload], header["counts"]):
            return None
        corpus = _unpack(payload, header["counts"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None  # no file, or not a cache: the source will be read
    return None if corpus.train.invalid() or corpus.test.invalid() else corpus


def save_cache(path: Path, digest: str, corpus: Corpus) -> None:
    """Writes the cache atomically; without effect where the folder cannot be written."""
    arrays = [field for split in corpus for field in split]
    pairs = zip(arrays, _DTYPES * 2, strict=True)
    parts = [_bytes_of(field, dtype) for field, dtype in pairs]
    header = _header(digest, parts, [len(field) for field in arrays])
    with contextlib.suppress(OSError), replacing(path) as temporary, open(temporary, "wb") as file:
        file.writelines([json.dumps(header).encode() + b"\n", *parts])


def _bytes_of(field: np.ndarray, dtype: np.dtype) -> memoryview:
    return np.ascontiguousarray(field, dtype).view(np.uint8).data


def _split(content: bytes) -> tuple[bytes, memoryview]:
    end = content.index(b"\n", 0, 1024)
    return content[:end], memoryview(content)[end + 1 :]


def _header(digest: str, parts: Iterable[memoryview], counts: Any) -> dict[str, Any]:
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return {
        "format": "keras_rnnkit.imdb",
        "version": VERSION,
        "source_sha256": digest,
        "counts": counts,
        "crc32": checksum,
    }


def _unpack(payload: memoryview, counts: list[int]) -> Corpus:
    arrays = []
    for count, dtype in zip(counts, _DTYPES * 2, strict=True):
        size = count * dtype.itemsize
        arrays.append(np.frombuffer(payload[:size], dtype))
        payload = payload[size:]
    if len(payload):
        raise ValueError("bytes left over")
    return Corpus(RankedReviews(*arrays[:3]), RankedReviews(*arrays[3:]))
