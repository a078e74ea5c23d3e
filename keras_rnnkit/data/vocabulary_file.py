"""The file of a vocabulary: JSON with its version, its settings and its index, checked on reading.

Nothing of a file is run. What is not exactly of this format is refused: other keys, a key or a word
twice, another type, a number that is none in JSON.
"""

import json
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from keras_rnnkit._files import read_bounded, replacing
from keras_rnnkit.data.errors import DataFileError
from keras_rnnkit.data.word_index import ranked, without_repeats

FORMAT = "keras_rnnkit.vocabulary"
VERSION = 1
LARGEST_FILE = 2**26  # bytes; that of the whole IMDB index has 2 million
_SHOWN = 500  # characters of what is wrong


def write_vocabulary(
    path: Path, settings: Mapping[str, Any], index: Mapping[str, int], overwrite: bool
) -> None:
    """Writes the file atomically, unless `read_vocabulary` would refuse it for its size."""
    header = {"format": FORMAT, "version": VERSION, **settings}
    content = json.dumps({**header, "word_index": index}, ensure_ascii=False, indent=0).encode()
    if len(content) > LARGEST_FILE:
        raise ValueError(
            f"`path` would get a file of more than {LARGEST_FILE} bytes, which is not read again. "
            "Fit the vocabulary with a smaller `max_words` or a larger `min_count`. "
            f"Received: path='{path}', words={len(index)}"
        )
    with replacing(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content)


def read_vocabulary(path: Path, settings: tuple[str, ...]) -> dict[str, Any]:
    """Returns the index and the settings of the file at `path`, by their names.

    Only the index and the form are checked: the vocabulary checks its settings.
    """
    try:
        content = read_bounded(path, LARGEST_FILE).decode("utf-8")
        loaded = json.loads(
            content, object_pairs_hook=without_repeats, parse_constant=_refuse_constant
        )
        values = _without_header(loaded, settings)
        ranked(values["word_index"])
    except (OSError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise damaged(error, path) from error
    return values


def damaged(error: BaseException, path: Path) -> DataFileError:
    """Returns the error for a file that is no vocabulary."""
    return DataFileError(
        "`path` must lead to a file that `Vocabulary.save` wrote; save the vocabulary again, or "
        "fit it again. An `imdb_word_index.json` is read by `Vocabulary.imdb(path=...)`. "
        f"Found: {type(error).__name__}: {str(error)[:_SHOWN]}. Received: path='{path}'"
    )


def _without_header(loaded: Any, settings: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(loaded, dict) or loaded.get("format") != FORMAT:
        raise ValueError(f'no JSON object with "format": "{FORMAT}"')
    version = loaded.get("version")
    if type(version) is not int or version != VERSION:
        raise ValueError(
            f"version {reprlib.repr(version)}, and this keras-rnnkit reads version {VERSION}"
        )
    expected = {"format", "version", "word_index", *settings}
    if loaded.keys() != expected:
        different = sorted(loaded.keys() ^ expected)
        raise ValueError(f"keys missing or unknown: {reprlib.repr(different)}")
    return {name: loaded[name] for name in ("word_index", *settings)}


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant}, which is no number of JSON")
