"""Reads Keras' `imdb.npz` with bounded memory and time, whatever its content is.

The file is a zip of two integer arrays and of two object arrays, which are pickles;
`pickled_lists.py` reads those without unpickling. Sizes in the zip and in the headers are checked
before memory of that size is allocated. The errors in this file say what was found; `bad_file`
adds what is expected.
"""

import io
import zipfile
from array import array
from itertools import accumulate
from pathlib import Path

import numpy as np

from keras_rnnkit._files import read_bounded
from keras_rnnkit.data.errors import DataFileError
from keras_rnnkit.data.pickled_lists import Ranks, read_lists
from keras_rnnkit.data.reviews import SLOT, Corpus, RankedReviews

LARGEST_FILE = 2**26  # bytes, compressed or not; the official file has 17 and 28 million
MOST_MEMBERS = 64
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others decompress without a bound
_KEYS = ("x_train", "y_train", "x_test", "y_test")


def read_source(path: Path) -> bytes:
    """Returns the bytes of the regular file at `path`."""
    try:
        return read_bounded(path, LARGEST_FILE)
    except (OSError, ValueError) as error:  # missing, no permission, no file, too large
        raise bad_file(path, f"{type(error).__name__}: {error}") from error


def parse_corpus(source: bytes, path: Path) -> Corpus:
    """Returns the reviews in the bytes of an `imdb.npz`; `path` is for the messages."""
    try:
        members = _unzip(source)
        return Corpus(
            train=_parse_split(members["x_train"], members["y_train"]),
            test=_parse_split(members["x_test"], members["y_test"]),
        )
    # Any error of zipfile, zlib or NumPy here means that the file is damaged.
    except Exception as error:
        raise bad_file(path, f"{type(error).__name__}: {error}") from error


def bad_file(path: Path, found: str) -> DataFileError:
    """Returns the error for a file that does not contain the reviews."""
    return DataFileError(
        f"`path` must lead to the IMDB reviews as an `imdb.npz` of Keras' format, a zip of "
        f"{', '.join(_KEYS)}, where each x is an object array of lists of word ranks and each y "
        "an integer array of as many labels. Pass the path of such a file, or omit `path` to "
        f"download the official one. Found: {found}. Received: path='{path}'"
    )


def _unzip(source: bytes) -> dict[str, bytes]:
    if not source:
        raise ValueError("an empty file")
    if source.count(b"PK\x01\x02") > MOST_MEMBERS:  # the signature of a directory entry
        raise ValueError(f"a zip of more than {MOST_MEMBERS} files")
    with zipfile.ZipFile(io.BytesIO(source)) as archive:
        members = {key: _find(archive, key) for key in _KEYS}
        if sum(member.file_size for member in members.values()) > LARGEST_FILE:
            raise ValueError(f"arrays of more than {LARGEST_FILE} bytes when decompressed")
        return {key: _unpack(archive, member) for key, member in members.items()}


def _find(archive: zipfile.ZipFile, key: str) -> zipfile.ZipInfo:
    names = [name[:80] for name in archive.namelist()]
    if names.count(f"{key}.npy") != 1:
        how = "two files" if f"{key}.npy" in names else "no file"
        raise ValueError(f"a zip with {how} {key}.npy; it has {', '.join(names[:8])}")
    member = archive.getinfo(f"{key}.npy")
    if member.compress_type not in _METHODS:
        raise ValueError(f"{key}.npy compressed by another method than NumPy's")
    return member


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The bytes of a member, at most `file_size`: `archive.read` would decompress all of them."""
    with archive.open(member) as stream:
        return stream.read(member.file_size)


def _parse_split(x: bytes, y: bytes) -> RankedReviews:
    reviews = _parse_lists(x)
    slots_and_ranks = array("i")
    for review in reviews:
        slots_and_ranks.append(SLOT)
        slots_and_ranks.extend(review)
    offsets = np.fromiter(accumulate((len(r) + 1 for r in reviews), initial=0), np.int64)
    labels = _parse_labels(y, len(reviews))
    split = RankedReviews(np.frombuffer(slots_and_ranks, np.int32), offsets, labels)
    if reason := split.invalid():
        raise ValueError(reason)
    return split


def _parse_header(member: bytes) -> tuple[tuple[int, ...], np.dtype, int]:
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
    return shape, dtype, stream.tell()


def _parse_labels(member: bytes, reviews: int) -> np.ndarray:
    shape, dtype, start = _parse_header(member)
    if dtype.kind not in "iu":
        raise ValueError(f"labels of dtype {dtype}")
    if shape[0] * dtype.itemsize != len(member) - start:
        raise ValueError(f"labels with a header of shape {shape}, in another number of bytes")
    if shape != (reviews,):
        raise ValueError(f"{reviews} reviews but {shape[0]} labels")
    labels = np.frombuffer(member, dtype, offset=start)
    if labels.size and labels.max() > np.iinfo(np.int64).max:
        raise ValueError(f"a label of {labels.max()}")
    return labels.astype(np.int64)


def _parse_lists(member: bytes) -> list[Ranks]:
    shape, dtype, start = _parse_header(member)
    if dtype.kind != "O":
        raise ValueError(f"reviews of dtype {dtype}")
    reviews = read_lists(member, start)
    if shape != (len(reviews),):
        raise ValueError(f"{len(reviews)} reviews in an array with a header of shape {shape}")
    # A rank takes at least two bytes; a list that is repeated by reference takes none.
    if sum(map(len, reviews)) > len(member):
        raise ValueError("more words than its number of bytes allows")
    return reviews
