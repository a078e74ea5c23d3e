"""Keras' `imdb.npz`, read without giving its pickles a chance.

The file holds object arrays, and NumPy can only store those as pickles. A pickle names the
functions it wants called, so the names are the whole danger: here the four names that rebuild an
array lead to inert stand-ins, every other name is refused, and what comes out is checked to be
lists of integers. Nothing of NumPy's own, and nothing of anyone else's, is called by the file.
"""

import io
import pickle
import stat
import zipfile
from array import array
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from keras_rnnkit.data.errors import DataFileError
from keras_rnnkit.data.reviews import SLOT, Corpus, Reviews

LARGEST_FILE = 2**28  # bytes, packed or unpacked; the official file has 17 and 28 million
_KEYS = ("x_train", "y_train", "x_test", "y_test")


def read_source(path: Path) -> bytes:
    """Returns the bytes of the regular file at `path`."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            found = "a folder or a device instead of a file"
        elif status.st_size > LARGEST_FILE:
            found = f"more than {LARGEST_FILE} bytes"
        else:
            return path.read_bytes()
    except (OSError, ValueError) as error:  # not there, not allowed, not a path
        raise bad_file(path, f"{type(error).__name__}: {error}") from error
    raise bad_file(path, found)


def parse_corpus(source: bytes, path: Path) -> Corpus:
    """Returns the reviews in the bytes of an `imdb.npz`; `path` is for the messages."""
    try:
        members = _unzip(source)
        return Corpus(
            train=_parse_split(members["x_train"], members["y_train"]),
            test=_parse_split(members["x_test"], members["y_test"]),
        )
    # Whatever bytes may raise in zipfile, zlib or pickle, the file is what is wrong.
    except Exception as error:
        raise bad_file(path, f"{type(error).__name__}: {error}") from error


def bad_file(path: Path, found: str) -> DataFileError:
    """Returns the error for a file that does not hold the reviews."""
    return DataFileError(
        f"Cannot read the IMDB reviews from '{path}'. Found: {found}. Expected: an `imdb.npz` of "
        f"Keras' format, a zip of {', '.join(_KEYS)}, where each x is an object array of lists of "
        "word ranks and each y an integer array of as many labels. Pass the path of such a file, "
        "or leave `path` out to download the official one."
    )


def _unzip(source: bytes) -> dict[str, bytes]:
    if not source:
        raise ValueError("an empty file")
    with zipfile.ZipFile(io.BytesIO(source)) as archive:
        missing = [key for key in _KEYS if f"{key}.npy" not in archive.namelist()]
        if missing:
            raise ValueError(f"a zip without {', '.join(missing)}; it has {archive.namelist()[:8]}")
        members = {key: archive.getinfo(f"{key}.npy") for key in _KEYS}
        if sum(member.file_size for member in members.values()) > LARGEST_FILE:
            raise ValueError(f"arrays of more than {LARGEST_FILE} bytes once unpacked")
        return {key: archive.read(member) for key, member in members.items()}


def _parse_split(x: bytes, y: bytes) -> Reviews:
    reviews = _parse_lists(x)
    slots_and_ranks = array("i")
    for review in reviews:
        slots_and_ranks.append(SLOT)
        slots_and_ranks.fromlist(review)  # refuses what is not a list of integers
    offsets = np.fromiter(accumulate((len(r) + 1 for r in reviews), initial=0), np.int64)
    split = Reviews(np.frombuffer(slots_and_ranks, np.int32), offsets, _parse_labels(y))
    if fault := split.fault():
        raise ValueError(fault)
    return split


def _parse_header(member: bytes) -> tuple[tuple[int, ...], np.dtype, io.BytesIO]:
    stream = io.BytesIO(member)
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise ValueError(f"an array of the .npy version {version}")
    if len(shape) != 1:
        raise ValueError(f"an array of shape {shape} instead of one of 1 dimension")
    return shape, dtype, stream


def _parse_labels(member: bytes) -> np.ndarray:
    shape, dtype, stream = _parse_header(member)
    if dtype.kind not in "iu":
        raise ValueError(f"labels of dtype {dtype}")
    if shape[0] * dtype.itemsize != len(member) - stream.tell():
        raise ValueError(f"labels said to have shape {shape}, in another number of bytes")
    return np.frombuffer(member, dtype, offset=stream.tell()).astype(np.int64)


def _parse_lists(member: bytes) -> list[list[int]]:
    shape, dtype, stream = _parse_header(member)
    if dtype.kind != "O":
        raise ValueError(f"reviews of dtype {dtype}")
    stored = _ArrayUnpickler(stream).load()
    reviews = stored.items if type(stored) is _Array else None
    if type(reviews) is not list or shape != (len(reviews),):
        raise ValueError(f"a pickle that is not an object array of shape {shape}")
    # An honest rank takes two bytes at least; a list that is repeated by reference takes none.
    if sum(map(len, reviews)) > len(member):
        raise ValueError("more words than its bytes can hold")
    return reviews


class _Inert:
    """What a name in the pickle leads to. It has no state for a pickle to set."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a pickle that sets the state of a function")


class _NdarrayType(_Inert):
    """Stands for `numpy.ndarray`, and cannot be called."""

    __slots__ = ()


class _Dtype(_Inert):
    """Stands for `numpy.dtype` and for every dtype made by it."""

    __slots__ = ()

    def __call__(self, code: Any, align: Any = False, copy: Any = True) -> "_Dtype":
        if type(code) is not str or code not in ("O8", "O4", "O"):
            raise pickle.UnpicklingError(f"an array of dtype {code!r:.80} instead of objects")
        return _Dtype()

    def __setstate__(self, state: Any) -> None:
        """Leaves the byte order and the flags alone."""


class _Array:
    """Stands for an object array, and keeps its items."""

    __slots__ = ("items",)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, _, items = state
        if type(dtype) is not _Dtype or type(items) is not list or shape != (len(items),):
            raise pickle.UnpicklingError("an array that does not fit its items")
        self.items = items


class _Reconstruct(_Inert):
    """Stands for NumPy's `_reconstruct`."""

    __slots__ = ()

    def __call__(self, kind: Any, shape: Any, code: Any) -> _Array:
        if type(kind) is not _NdarrayType:
            raise pickle.UnpicklingError(f"an array made of {type(kind).__name__}")
        return _Array()


_STAND_INS = {
    ("numpy", "ndarray"): _NdarrayType(),
    ("numpy", "dtype"): _Dtype(),
    ("numpy.core.multiarray", "_reconstruct"): _Reconstruct(),
    ("numpy._core.multiarray", "_reconstruct"): _Reconstruct(),
}


class _ArrayUnpickler(pickle.Unpickler):
    """Builds lists, numbers and the stand-ins; every other name is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """Returns the stand-in of a name, and imports nothing."""
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"a pickle that asks for `{module}.{name}`, which was refused: the file may "
                "have been tampered with"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        """Refuses references to what lies outside the pickle."""
        raise pickle.UnpicklingError("a pickle that refers to something outside")
