"""Reading an HDF5 file of Keras 2: its config and its arrays, and nothing outside of the file.

HDF5 can refer to other files: by external links, by virtual datasets and by external storage. All
are refused before their target is opened. So are compressed datasets, and datasets that declare a
larger shape than they store or are together larger than the file, before memory is allocated.
"""

import contextlib
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from keras_rnnkit._files import open_regular

_STRING = re.compile(r'(?s)"(?:[^"\\]|\\.?)*(?:"|\Z)')  # it never fails after its first quote
_MOST_CONFIG = 32 * 2**20  # characters
_MOST_NAMES = 100_000
_DEPTH = 100  # of brackets in brackets
_LAYOUTS = (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)


class Keras2File:
    """The config and the arrays of an open file.

    Args:
        file: The open file.
    """

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._left = self.size()  # bytes that may still be read as arrays
        self._weights = _group(file, "model_weights") if "model_weights" in file else file
        if "layer_names" not in self._weights.attrs and "layer_names0" not in self._weights.attrs:
            raise ValueError("it has no `layer_names`, as the HDF5 files of Keras 2 have")
        self._check_version()

    def config(self) -> dict[str, Any] | None:
        """The architecture, as Keras 2 wrote it; `None` for a file of weights alone."""
        if "model_config" not in self._file.attrs:
            return None
        text = _text(_attribute(self._file, "model_config"))
        if len(text) > _MOST_CONFIG:
            raise ValueError(f"its config is longer than {_MOST_CONFIG} characters")
        _check_depth(text)
        try:
            config = json.loads(text)
        except ValueError as error:
            raise ValueError(f"its config is no JSON: {error}") from error
        if not isinstance(config, dict):
            raise ValueError("its config is no JSON object")
        return config

    def arrays(self) -> dict[str, dict[str, np.ndarray]]:
        """The arrays of each layer that has any, by the names of layers and weights, in order."""
        found: dict[str, dict[str, np.ndarray]] = {}
        for layer in _names(self._weights, "layer_names"):
            group = _group(self._weights, layer)
            names = _names(group, "weight_names")
            if names:
                found[layer] = {name: self._array(group, name) for name in names}
        return found

    def size(self) -> int:
        """The number of bytes of the file, so that it can have no more values."""
        return int(self._file.id.get_filesize())

    def _array(self, group: Any, name: str) -> np.ndarray:
        """A dataset that is stored in the file itself; many names may lead to the same one."""
        found = _dataset(group, name)
        self._left -= math.prod(found.shape) * found.dtype.itemsize
        if self._left < 0:
            raise ValueError(f"the arrays up to '{name}' are larger than the file")
        # Backends take no other byte order than the machine's.
        return np.asarray(found[()], dtype=found.dtype.newbyteorder("="))

    def _check_version(self) -> None:
        version = "1"
        if "keras_version" in self._weights.attrs:
            version = _text(_attribute(self._weights, "keras_version"))
        if not version.startswith("2."):
            reader = "Keras 2" if version.startswith("1") else "`keras.models.load_model`"
            raise ValueError(f"it was written by Keras {version[:20]}, whose files {reader} reads")


@contextlib.contextmanager
def open_keras2(path: Path) -> Iterator[Keras2File]:
    """Open the file of Keras 2 at a path.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no file of Keras 2, is damaged, or refers to another file.
    """
    try:
        with open_regular(path) as stream, h5py.File(stream, "r") as file:
            yield Keras2File(file)
    except FileNotFoundError:
        raise
    except (ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        reason = error.args[0] if isinstance(error, KeyError) else error
        raise ValueError(
            f"`path` must be an HDF5 file of Keras 2, whole and by itself, but: {reason}. "
            f"Received: path='{path}'"
        ) from error


def _attribute(group: Any, name: str) -> Any:
    """An attribute, after a check that it has few entries."""
    shape = group.attrs.get_id(name).shape
    if shape is None or math.prod(shape) > _MOST_NAMES:
        raise ValueError(f"its attribute '{name}' has the shape {shape}")
    return group.attrs[name]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if not isinstance(value, str):
        raise ValueError(f"text was expected, not {type(value).__name__}")
    return value


def _names(group: Any, name: str) -> list[str]:
    """A list of names, which Keras writes in parts where it is long."""
    if name in group.attrs:
        parts = [_attribute(group, name)]
    else:
        parts = []
        while f"{name}{len(parts)}" in group.attrs:
            parts.append(_attribute(group, f"{name}{len(parts)}"))
    names = [_text(one) for part in parts for one in np.asarray(part).ravel().tolist()]
    if len(set(names)) < len(names):
        raise ValueError(f"its `{name}` has a name twice")
    return names


def _member(group: Any, name: str) -> Any:
    """The object at a path below a group, over links inside of the file alone."""
    for part in name.split("/"):
        encoded = part.encode("utf-8")
        if not isinstance(group, h5py.Group) or part in ("", ".", "..") or part not in group:
            raise ValueError(f"it has no '{name}'")
        if group.id.links.get_info(encoded).type != h5py.h5l.TYPE_HARD:
            raise ValueError(f"'{name}' is a link to another place or file, which is not followed")
        group = group[part]
    return group


def _group(parent: Any, name: str) -> Any:
    found = _member(parent, name)
    if not isinstance(found, h5py.Group):
        raise ValueError(f"'{name}' is no group")
    return found


def _dataset(group: Any, name: str) -> Any:
    """A dataset whose numbers are stored in the file itself."""
    found = _member(group, name)
    if not isinstance(found, h5py.Dataset):
        raise ValueError(f"'{name}' is no dataset")
    how = found.id.get_create_plist()
    if how.get_layout() not in _LAYOUTS:
        raise ValueError(f"'{name}' is a virtual dataset, which refers to other files")
    if how.get_external_count():
        raise ValueError(f"'{name}' is stored in another file")
    if how.get_nfilters():
        raise ValueError(f"'{name}' is compressed, which Keras 2 never does")
    if found.dtype.kind not in "fiub" or found.dtype.itemsize > 8:
        raise ValueError(f"'{name}' does not hold numbers, but {found.dtype}")
    wanted = math.prod(found.shape) * found.dtype.itemsize
    if wanted > found.id.get_storage_size():
        raise ValueError(f"'{name}' declares the shape {found.shape}, but stores less")
    return found


def _check_depth(text: str) -> None:
    """Refuse JSON that would need a deep recursion."""
    depth = 0
    for sign in re.sub(r"[^\[\]{}]", "", _STRING.sub("", text)):
        depth += 1 if sign in "[{" else -1
        if depth > _DEPTH:
            raise ValueError(f"its config has more than {_DEPTH} levels")
