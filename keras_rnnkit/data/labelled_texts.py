"""One's own labelled texts: from a folder for each class, or from a CSV file."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_rnnkit._checks import PathLike, as_path
from keras_rnnkit.data.class_folders import as_names, class_name, read_class_folders
from keras_rnnkit.data.decoding import check_encoding
from keras_rnnkit.data.errors import DataFileError
from keras_rnnkit.data.text_tables import read_table

_NAMED = 3  # empty texts that the warning names


class Reviews(NamedTuple):
    """Texts and their labels, as `read_reviews` returns them.

    `texts[i]` has the class `classes[labels[i]]` and is from `files[i]`: the path of its file
    below the folder, or the name of the CSV file and the line.
    """

    texts: list[str]
    labels: np.ndarray
    classes: tuple[str, ...]
    files: list[str]

    def __repr__(self) -> str:
        """The number of texts of each class."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        each = ", ".join(f"{n} {name}" for n, name in zip(counts, self.classes, strict=True))
        return f"<Reviews of {len(self.texts)} texts: {each}>"


def read_reviews(
    path: PathLike,
    *,
    text: str = "text",
    label: str = "label",
    encoding: str = "utf-8",
    delimiter: str | None = None,
    quoted: bool = True,
    unlabelled: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
) -> Reviews:
    r"""Reads labelled texts from a folder for each class, or from a CSV file.

    A folder has one folder for each class, named like the class, with one text in each file:
    `reviews/neg/1.txt`, `reviews/pos/2.txt`. Folders and files are read in the order of their
    names. Hidden files and folders, whose names start with a dot, and files beside the class
    folders are not read; links are followed. If a class folder has folders itself, as in a folder
    with `train` and `test`, an error says which path to pass.

    A CSV file has a line with the names of its columns, and a row for each text. Quoted texts may
    have line breaks. Empty lines are not read.

    Texts are returned as they are in the file, without a byte order mark. Empty texts are returned
    with a warning that names them. Names of classes are in Unicode's composed form (NFC).

    Args:
        path: The folder or the CSV file.
        text: In a CSV file, the name of the column with the texts.
        label: In a CSV file, the name of the column with the labels.
        encoding: The encoding of the files, such as `"utf-8"`, `"cp949"` or `"utf-16"`.
        delimiter: In a CSV file, the character between the columns; `None` for a tab if the name
            ends in `.tsv`, else a comma.
        quoted: In a CSV file, whether texts can be within quotes (`"`), which may have delimiters
            and line breaks; `False` if quotes are characters of the texts.
        unlabelled: The names of folders whose texts have no label, which are skipped. `None` for
            `unsup`, the folder of the IMDB data set, with a warning if there is one.
        classes: The names of the classes in the order of their numbers, for example
            `train.classes` for the test texts. `None` for all that there are, in the order of their
            names, or of their values if all are integers.

    Returns:
        A `Reviews(texts, labels, classes, files)`: n texts, int64 labels of shape `(n,)`, the
        names of the classes, and where each text is from.

    Raises:
        DataFileError: If there is nothing to read at `path`, or a file is damaged or in another
            encoding; the error names the file, and the line or the byte.
        ValueError: If an argument is not one of the above.

    Example:

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "reviews.csv")
    ...     _ = file.write_text('text,label\n"A gem, truly",good\nDull,bad\n')
    ...     reviews = read_reviews(file)
    >>> reviews
    <Reviews of 2 texts: 1 bad, 1 good>
    >>> reviews.texts, reviews.labels, reviews.files
    (['A gem, truly', 'Dull'], array([1, 0]), ['reviews.csv:2', 'reviews.csv:3'])
    """
    source = as_path(path, "path")
    check_encoding(encoding)
    expected = None if classes is None else as_names(classes, "classes")
    if source.is_dir():
        texts, names, files = read_class_folders(source, encoding, unlabelled)
    elif source.exists():
        texts, names, files = read_table(source, text, label, encoding, delimiter, quoted)
    else:
        raise DataFileError(
            "`path` must be a folder with a folder of texts for each class, or a CSV file. "
            f"Found: nothing. Received: path='{source}'"
        )
    _warn_of_empty(texts, files)
    names = [class_name(name) for name in names]
    ordered = _sorted_classes(names) if expected is None else expected
    positions = {name: position for position, name in enumerate(ordered)}
    _refuse_others(positions, names, files, source)
    labels = np.array([positions[name] for name in names], dtype=np.int64)
    return Reviews(texts, labels, ordered, files)


def _refuse_others(
    positions: dict[str, int], names: list[str], files: list[str], source: Path
) -> None:
    for name, file in zip(names, files, strict=True):
        if name not in positions:
            raise DataFileError(
                f"`classes` must have the class of every text. Found: '{name}' in {file} of "
                f"'{source}'. Received: classes={tuple(positions)!r}"
            )


def _sorted_classes(names: list[str]) -> tuple[str, ...]:
    distinct = sorted(set(names))
    try:
        return tuple(sorted(distinct, key=int))
    except ValueError:
        return tuple(distinct)


def _warn_of_empty(texts: list[str], files: list[str]) -> None:
    empty = [file for text, file in zip(texts, files, strict=True) if not text.strip()]
    if empty:
        more = f" and {len(empty) - _NAMED} more" if len(empty) > _NAMED else ""
        warnings.warn(
            f"{len(empty)} of {len(texts)} texts are empty: {', '.join(empty[:_NAMED])}{more}.",
            UserWarning,
            stacklevel=3,
        )
