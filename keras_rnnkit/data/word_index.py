"""The index of a vocabulary: words and their ranks, checked, from memory or from a file."""

import json
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_rnnkit._files import read_bounded
from keras_rnnkit.data.errors import DataFileError
from keras_rnnkit.data.reviews import HIGHEST_RANK

LARGEST_INDEX = 2**23  # bytes; the official one has 1.6 million


def ranked(word_index: Any) -> list[tuple[str, int]]:
    """Returns the checked words and ranks, the most frequent first."""
    if not isinstance(word_index, Mapping):
        raise TypeError(
            f"`word_index` must map words to ranks. Received: word_index={reprlib.repr(word_index)}"
        )
    words: dict[int, str] = {}
    for word, rank in word_index.items():
        _check(word, rank)
        if rank in words:
            raise ValueError(
                "`word_index` must not have a rank twice. Received: "
                f"word_index[{reprlib.repr(words[rank])}]={rank}, "
                f"word_index[{reprlib.repr(word)}]={rank}"
            )
        words[rank] = word
    return [(words[rank], rank) for rank in sorted(words)]


def read_index(path: Path) -> list[tuple[str, int]]:
    """Returns the words and ranks in the file at `path`.

    Raises:
        DataFileError: It is no word index.
    """
    try:
        content = read_bounded(path, LARGEST_INDEX).decode("utf-8")
        return ranked(json.loads(content, object_pairs_hook=without_repeats))
    except (OSError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise DataFileError(
            "`path` must lead to the IMDB word index as an `imdb_word_index.json` of Keras' "
            "format, a JSON object of words and their ranks. Pass the path of such a file, or "
            f"omit `path` to download the official one. Found: {type(error).__name__}: {error}. "
            f"Received: path='{path}'"
        ) from error


def _check(word: Any, rank: Any) -> None:
    received = f"Received: word_index[{reprlib.repr(word)}]={reprlib.repr(rank)}"
    if type(word) is not str or type(rank) is not int:
        raise TypeError(f"`word_index` must map words to ranks. {received}")
    if not 1 <= rank <= HIGHEST_RANK:
        raise ValueError(f"`word_index` must have ranks from 1 to {HIGHEST_RANK}. {received}")
    if not is_text(word):
        raise ValueError(
            f"`word_index` must have words without lone surrogates, which no file can store. "
            f"{received}"
        )


def is_text(word: str) -> bool:
    """Whether a word can be encoded; a lone surrogate cannot."""
    return word.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in word)


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns an object of a JSON file as a dict, or says which key is in it twice."""
    index: dict[str, Any] = {}
    for word, rank in pairs:
        if word in index:
            raise ValueError(f"the word {reprlib.repr(word)} twice")
        index[word] = rank
    return index
