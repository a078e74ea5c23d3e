"""The settings of a saved classifier as JSON, and their checks."""

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from keras_rnnkit._checks import INT32_MAX, check_integer
from keras_rnnkit._files import read_bounded
from keras_rnnkit._version import __version__
from keras_rnnkit.data import DataFileError
from keras_rnnkit.text._checks import check_settings

FORMAT, VERSION = "keras_rnnkit.TextClassifier", 1
LARGEST = 2**24  # bytes
_JSON = (str, int, float, bool, type(None))
_NO_SETTINGS = (
    *(OSError, ValueError, TypeError, KeyError, AttributeError),
    *(OverflowError, RecursionError, MemoryError),
)
_KINDS = {"b": bool, "i": int, "u": int, "f": float, "U": str, "O": str}  # of classes


class Settings(NamedTuple):
    """What the file holds."""

    parameters: dict[str, Any]
    classes: np.ndarray
    lengths: list[int]
    history: dict[str, list[float]]
    maxlen: int | None
    files: dict[str, str]  # the SHA-256 of each of the other files


def content_of(saved: Any) -> dict[str, Any]:
    """What is stored, without the fingerprints of the other files.

    Raises:
        ValueError: If an argument cannot be stored.
    """
    classes = saved.classes
    values = classes.tolist()
    if not all(type(value) is _KINDS.get(classes.dtype.kind) for value in values):
        raise ValueError(
            "`classes_` must be strings, numbers or booleans to be stored. "
            f"Received: classes_={classes!r}"
        )
    return {
        "format": FORMAT,
        "version": VERSION,
        "keras_rnnkit": __version__,
        "parameters": {name: _stored(name, one) for name, one in saved.parameters.items()},
        "classes": {"dtype": classes.dtype.str, "values": values},
        "lengths": saved.lengths,
        "history": saved.history,
        "maxlen": saved.maxlen,
    }


def as_text(content: dict[str, Any]) -> str:
    """The text of the file: the content, with its own SHA-256."""
    return json.dumps({**content, "sha256": _digest(content)}, indent=1) + "\n"


def read(file: Path, names: Collection[str]) -> Settings:
    """The settings in a file, for a classifier with arguments of these names.

    Raises:
        DataFileError: If it is missing, incomplete, changed or of another version.
    """
    try:
        content = json.loads(read_bounded(file, LARGEST).decode("utf-8"))
        return _checked(content, set(names))
    except _NO_SETTINGS as error:
        raise DataFileError(
            f"The file '{file.name}' must be the settings that `TextClassifier.save` of this "
            f"version wrote, complete and unchanged. Found: {type(error).__name__}: {error}. "
            f"Received: path='{file}'"
        ) from error


def _stored(name: str, value: Any) -> Any:
    """An argument as JSON has it, tuples by name and dicts as pairs, for keys may be numbers."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return {"pairs": [[_stored(name, k), _stored(name, v)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_stored(name, one) for one in value]}
    if isinstance(value, list | np.ndarray):
        return [_stored(name, one) for one in value]
    if not isinstance(value, _JSON):
        raise ValueError(
            f"`{name}` must be of strings, numbers, booleans and None, in lists or dicts, to be "
            f"saved; give a cell by its name, or call `set_params({name}=...)`, which keeps the "
            f"fitted model. Received: {name}={value!r}"
        )
    return value


def _restored(value: Any) -> Any:
    if isinstance(value, dict) and "tuple" in value:
        return tuple(map(_restored, value["tuple"]))
    if isinstance(value, dict):
        return {key: _restored(one) for key, one in value["pairs"]}
    return [_restored(one) for one in value] if isinstance(value, list) else value


def _checked(content: Any, names: set[str]) -> Settings:
    _expect(isinstance(content, dict), "a JSON object")
    _expect(content.get("format") == FORMAT, f"format '{FORMAT}'")
    _expect(content.get("version") == VERSION, f"version {VERSION}")
    own = content.pop("sha256")
    _expect(own == _digest(content), "unchanged settings")
    parameters = {name: _restored(value) for name, value in content["parameters"].items()}
    lengths, history, files = content["lengths"], content["history"], content["files"]
    _expect(set(parameters) == names, "the arguments of a TextClassifier")
    check_settings(SimpleNamespace(**parameters))
    _expect(bool(lengths) and all(type(n) is int and n > 0 for n in lengths), "lengths above 0")
    maxlen = check_integer(content["maxlen"], "maxlen", least=2, optional=True)
    most = INT32_MAX if maxlen is None else min(maxlen, INT32_MAX)
    _expect(lengths == sorted(lengths) and lengths[-1] <= most, "ascending lengths up to maxlen")
    _expect(set(files) == {"model.keras", "vocabulary.json"}, "the names of the other files")
    return Settings(parameters, _classes(**content["classes"]), lengths, history, maxlen, files)


def _classes(dtype: str, values: list[Any]) -> np.ndarray:
    kind = np.dtype(dtype).kind
    right = all(type(one) is _KINDS.get(kind) for one in values)
    _expect(right and len(set(values)) == len(values) > 1, "two classes or more")
    return np.array(values, None if kind == "U" else dtype)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"it does not have {what}")
