"""Labelled texts in folders: a folder for each class, a file for each text."""

import os
import stat
import unicodedata
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from keras_rnnkit.data.decoding import decoded, read_file
from keras_rnnkit.data.errors import DataFileError

MOST_BYTES = 2**26  # a text
UNLABELLED = ("unsup",)  # the folder of the IMDB data set with 50,000 reviews without a label


def read_class_folders(
    folder: Path, encoding: str, unlabelled: Sequence[str] | None
) -> tuple[list[str], list[str], list[str]]:
    """Returns the texts, the names of their classes, and the paths of their files."""
    names = _labelled(folder, _visible(folder, folder)[0], unlabelled)
    if not names:
        _refuse(folder, "no folders, one for each class")
    found = {name: _visible(folder / name, folder) for name in names}
    _refuse_nested(folder, {name: folders for name, (folders, _) in found.items() if folders})
    texts, classes, files = [], [], []
    for name, (_, inside) in found.items():
        if not inside:
            _refuse(folder, f"no files in '{name}'; remove it or name it in `unlabelled`")
        for file in inside:
            shown = f"{name}/{file}"
            content = read_file(folder / name / file, MOST_BYTES, shown)
            texts.append(decoded(content, encoding, folder / name / file))
            classes.append(name)
            files.append(shown)
    return texts, classes, files


def as_names(names: Any, argument: str) -> tuple[str, ...]:
    """Returns one name or several as a tuple of different names, or says that they are none."""
    given = tuple(names) if isinstance(names, list | tuple) else (names,)
    valid = all(isinstance(name, str) for name in given)
    composed = tuple(map(class_name, given)) if valid else ()
    if not valid or len(set(composed)) < len(given):
        raise ValueError(
            f"`{argument}` must be a list of different names, or None. "
            f"Received: {argument}={names!r}"
        )
    return composed


def class_name(name: str) -> str:
    """Returns the name in composed form (NFC): macOS gives folders the decomposed one."""
    return unicodedata.normalize("NFC", name)


def _labelled(folder: Path, names: list[str], unlabelled: Sequence[str] | None) -> list[str]:
    """Returns the names of the classes; warns of a folder that is skipped by default."""
    without = UNLABELLED if unlabelled is None else as_names(unlabelled, "unlabelled")
    skipped = [name for name in names if class_name(name) in without]
    if unlabelled is None and skipped:
        warnings.warn(
            f"The folder '{skipped[0]}' of '{folder}' is skipped, because its texts have no label. "
            f'Pass unlabelled=["{skipped[0]}"] to skip it without this warning, or unlabelled=[] '
            "to read it as a class.",
            UserWarning,
            stacklevel=4,
        )
    if unlabelled is not None and len(skipped) < len(set(without)):
        raise ValueError(
            f"`unlabelled` must name folders of '{folder}', which has {', '.join(names) or 'none'}."
            f" Received: unlabelled={without!r}"
        )
    return [name for name in names if name not in skipped]


def _visible(folder: Path, root: Path) -> tuple[list[str], list[str]]:
    """Returns the sorted names of the folders and of the files in a folder, without hidden ones."""
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    (folders if _is_folder(entry) else files).append(entry.name)
    except OSError as error:
        raise DataFileError(
            "`path` must be a folder that can be read, with a folder of texts for each class. "
            f"Found: {error.strerror}: '{error.filename or folder}'. Received: path='{root}'"
        ) from error
    return sorted(folders), sorted(files)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return stat.S_ISDIR(entry.stat().st_mode)  # of a link's target; a broken link is an error


def _refuse_nested(folder: Path, nested: dict[str, list[str]]) -> None:
    if nested:
        name, inside = next(iter(nested.items()))
        paths = " or ".join(f"path='{folder / name}'" for name in nested)
        _refuse(
            folder,
            f"the folder '{name}' with folders inside ('{inside[0]}'). "
            f"If these are the classes, pass {paths}; else name the folder in `unlabelled`",
        )


def _refuse(folder: Path, found: str) -> NoReturn:
    raise DataFileError(
        "`path` must be a folder with a folder of texts for each class. "
        f"Found: {found}. Received: path='{folder}'"
    )
