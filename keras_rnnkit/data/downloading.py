"""The official files, downloaded once by Keras' `get_file`."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import keras

from keras_rnnkit._files import read_bounded, replacing
from keras_rnnkit.data.caching import keras_home
from keras_rnnkit.data.errors import DownloadError


class Remote(NamedTuple):
    """A file to download and the checksum it must have."""

    name: str
    origin: str
    algorithm: str
    digest: str


LARGEST_DOWNLOAD = 2**26  # bytes; the larger of the two files has 17 million
_FOLDER = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
IMDB_REVIEWS = Remote(
    name="imdb.npz",
    origin=f"{_FOLDER}imdb.npz",
    algorithm="sha256",
    digest="69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
)
IMDB_WORD_INDEX = Remote(
    name="imdb_word_index.json",
    origin=f"{_FOLDER}imdb_word_index.json",
    algorithm="md5",
    digest="bfafd718b763782e994055a2d397834f",
)


def fetch(remote: Remote) -> Path:
    """Returns the path of the downloaded file; downloads and checks it first if needed."""
    for home in (keras_home(), _writable_home()):
        file = home / "datasets" / remote.name
        if _is_whole(file, remote):
            return file
    try:
        _download(remote, file, home)
        return file
    except Exception as error:  # Keras raises a bare Exception when a URL cannot be reached
        raise DownloadError(
            f"`path` must be given, since {remote.name} cannot be downloaded "
            f"({type(error).__name__}: {error}). Download it from {remote.origin} "
            f"({remote.algorithm} {remote.digest}), and either put it at "
            f"'{home / 'datasets' / remote.name}' or pass "
            f'`path="/folder/of/{remote.name}"`. Received: path=None'
        ) from error


def _writable_home() -> Path:
    """Returns Keras' home, or the folder that Keras uses if its home cannot be written."""
    home = keras_home()
    with contextlib.suppress(OSError):
        home.mkdir(parents=True, exist_ok=True)
    return home if os.access(home, os.W_OK) else Path(tempfile.gettempdir()) / ".keras"


def _is_whole(file: Path, remote: Remote) -> bool:
    """Whether the file exists with the right checksum; `replacing` refuses what is no file."""
    with contextlib.suppress(OSError, ValueError):
        content = read_bounded(file, LARGEST_DOWNLOAD)
        return hashlib.new(remote.algorithm, content).hexdigest() == remote.digest
    return False


def _download(remote: Remote, file: Path, home: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary:
        keras.utils.get_file(
            fname=temporary.name,
            origin=remote.origin,
            file_hash=remote.digest,
            hash_algorithm=remote.algorithm,
            cache_dir=str(home),
            cache_subdir=str(temporary.parent.resolve()),
        )
