"""A fitted classifier as a folder: the model, the vocabulary, and the settings of both.

The settings are written last, and hold the SHA-256 of the other files. A folder in which a file is
from another classifier, because saving was interrupted or a file was changed, is refused.
"""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_rnnkit._checks import PathLike, as_path, check_folder, refuse_existing
from keras_rnnkit._files import replacing
from keras_rnnkit.data import DataFileError, Vocabulary
from keras_rnnkit.models._npz import TORN
from keras_rnnkit.text import _settings

MODEL, VOCABULARY, SETTINGS = "model.keras", "vocabulary.json", "settings.json"
# What Keras raises for a model file that is torn, changed or unsafe.
_NO_MODEL = (*TORN, ImportError, RuntimeError)


class Saved(NamedTuple):
    """What a folder holds: the arguments of the classifier, and what `fit` has found."""

    parameters: dict[str, Any]
    classes: np.ndarray
    vocabulary: Vocabulary
    model: keras.Model
    lengths: list[int]
    history: dict[str, list[float]]
    maxlen: int | None = None


def write_folder(folder: PathLike, saved: Saved, overwrite: bool) -> None:
    """Write the three files; the old ones stay complete until all new ones are."""
    target = check_folder(folder, "folder")
    refuse_existing([target / name for name in (MODEL, VOCABULARY, SETTINGS)], "folder", overwrite)
    content = _settings.content_of(saved)
    with (  # the last one is renamed first: the settings last
        replacing(target / SETTINGS) as settings,
        replacing(target / VOCABULARY) as vocabulary,
        replacing(target / MODEL) as model,
    ):
        saved.model.save(model)
        saved.vocabulary.save(vocabulary)
        content["files"] = {MODEL: sha256(model), VOCABULARY: sha256(vocabulary)}
        settings.write_text(_settings.as_text(content), encoding="utf-8")


def read_folder(folder: PathLike, names: Collection[str]) -> Saved:
    """Read the three files, after a check that they belong together.

    Args:
        folder: The folder.
        names: The names of the arguments of a classifier.

    Raises:
        DataFileError: If a file is missing, incomplete, changed or of another version.
    """
    source = as_path(folder, "folder")
    settings = _settings.read(source / SETTINGS, names)
    for name, expected in settings.files.items():
        _check_fingerprint(source / name, expected)
    vocabulary = Vocabulary.load(source / VOCABULARY)
    model = _load_model(source / MODEL)
    _check_fit(source, model, len(vocabulary), len(settings.classes))
    return Saved(
        settings.parameters,
        settings.classes,
        vocabulary,
        model,
        settings.lengths,
        settings.history,
        settings.maxlen,
    )


def sha256(file: Path) -> str:
    """The SHA-256 of a file, read in parts."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_fingerprint(file: Path, expected: str) -> None:
    if not file.is_file():
        raise DataFileError(
            f"`folder` must have the file '{file.name}' of a classifier that `TextClassifier.save` "
            f"stored, and has none. Received: path='{file}'"
        )
    if sha256(file) != expected:
        raise DataFileError(
            f"The file '{file.name}' must be the one that was saved together with '{SETTINGS}'. "
            "It was changed, or saving was interrupted; save the classifier again. "
            f"Received: path='{file}' with another SHA-256"
        )


def _load_model(file: Path) -> Any:
    try:
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    except _NO_MODEL as error:
        raise DataFileError(
            f"The file '{file.name}' must be a Keras model that loads in safe mode, without code "
            f"of its own. Found: {type(error).__name__}: {error}. Received: path='{file}'"
        ) from error


def _check_fit(source: Path, model: Any, words: int, classes: int) -> None:
    """Refuse a model for other ids or other classes than those of the other files."""
    outputs = 1 if classes == 2 else classes
    layers = getattr(model, "layers", [])
    tables = [layer.input_dim for layer in layers if isinstance(layer, keras.layers.Embedding)]
    shapes = tables, getattr(model, "output_shape", None)
    if shapes != ([words], (None, outputs)):
        raise DataFileError(
            f"The file '{MODEL}' must be a model with {words} ids and {outputs} outputs, for the "
            f"words of '{VOCABULARY}' and the classes of '{SETTINGS}'. Received: "
            f"path='{source / MODEL}' with input_dim={shapes[0]}, output_shape={shapes[1]}"
        )
