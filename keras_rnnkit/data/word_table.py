"""The table from words to ids and back: its settings, and what a text becomes."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from keras_rnnkit._checks import INT32_MAX, check_choice, check_integer
from keras_rnnkit.data.padding import SIDES
from keras_rnnkit.data.reviews import HIGHEST_RANK
from keras_rnnkit.data.tokenizers import TOKENIZERS, check_text, check_texts
from keras_rnnkit.data.word_index import ranked

PAD, START, UNKNOWN = "[PAD]", "[START]", "[UNK]"
UNSEEN = ("removed", "oov")
SETTINGS = (
    *("num_words", "start_char", "oov_char", "index_from", "tokenizer", "unseen", "padding"),
)


class WordTable:
    """The ids of words; `Vocabulary` describes the arguments."""

    def __init__(
        self,
        word_index: Mapping[str, int],
        num_words: int | None,
        start_char: int | None,
        oov_char: int | None,
        index_from: int,
        tokenizer: str,
        unseen: str,
        padding: str,
    ) -> None:
        """Checks the index and the settings, and assigns the ids."""
        self.num_words = check_integer(num_words, "num_words", least=1, optional=True)
        self.start_char = check_integer(start_char, "start_char", optional=True)
        self.oov_char = check_integer(oov_char, "oov_char", optional=True)
        self.index_from = check_integer(index_from, "index_from", most=INT32_MAX - HIGHEST_RANK)
        check_choice(tokenizer, "tokenizer", tuple(TOKENIZERS))
        check_choice(unseen, "unseen", UNSEEN)
        check_choice(padding, "padding", SIDES)
        self.tokenizer, self.unseen, self.padding = tokenizer, unseen, padding
        self._index = dict(ranked(word_index))
        ids = {word: rank + self.index_from for word, rank in self._index.items()}
        self._words = {
            id_: word for word, id_ in ids.items() if num_words is None or id_ < num_words
        }
        # Known words that are too rare have an entry, which unseen words do not have.
        self._ids = {word: id_ if id_ in self._words else oov_char for word, id_ in ids.items()}
        special = [0, self.start_char or 0, self.oov_char or 0]
        self._size = 1 + max([*special, *self._words])

    def __len__(self) -> int:
        """The number of ids, special ones included."""
        return self._size

    def __contains__(self, word: object) -> bool:
        """Whether `word` has an id of its own."""
        return isinstance(word, str) and self._ids.get(word) in self._words

    def __eq__(self, other: object) -> bool:
        """Whether the other has the same index and settings."""
        if not isinstance(other, WordTable):
            return NotImplemented
        return self._settings() == other._settings() and self._index == other._index

    def __hash__(self) -> int:
        """A number that equal vocabularies share."""
        return hash((len(self), len(self._index), self.tokenizer))

    def _settings(self) -> dict[str, Any]:
        """Returns the arguments without the index."""
        return {name: getattr(self, name) for name in SETTINGS}

    def _encoded(self, texts: Any, argument: str) -> list[np.ndarray]:
        """Returns the int32 ids of each text."""
        check_texts(texts, argument)
        split, ids_of = TOKENIZERS[self.tokenizer], self._look_up()
        start = [] if self.start_char is None else [self.start_char]
        return [
            np.array(start + ids_of(split(check_text(text, index, argument))), np.int32)
            for index, text in enumerate(texts)
        ]

    def _look_up(self) -> Callable[[list[str]], list[int]]:
        """Returns the function from words to ids; it runs once for each text, so it is short."""
        get, unknown = self._ids.get, self.oov_char
        if unknown is None or self.unseen != "oov":
            return lambda words: [id_ for id_ in map(get, words) if id_ is not None]
        return lambda words: [get(word, unknown) for word in words]  # type: ignore[misc]

    def _decoded(self, ids: list[int], special: bool) -> str:
        marks = {0: PAD, self.start_char: START}
        included = (id_ for id_ in ids if special or id_ not in marks)
        return " ".join(marks.get(id_) or self._words.get(id_, UNKNOWN) for id_ in included)


def check_ids(ids: Any, most: int) -> list[int]:
    """Returns the ids of one review, which are below `most`, or says why they are none."""
    array = np.asarray(ids)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"`ids` must be integers. Received: ids.dtype={array.dtype}")
    if array.ndim != 1:
        raise ValueError(
            "`ids` must be one review, of shape (length,); decode several one by one. "
            f"Received: ids.shape={array.shape}"
        )
    if array.size and not 0 <= array.min() <= array.max() < most:
        raise ValueError(
            f"`ids` must be from 0 to {most - 1}, the ids of this vocabulary. If the "
            "review was encoded with a larger `num_words`, decode it with the same. "
            f"Received: min(ids)={array.min()}, max(ids)={array.max()}"
        )
    ids_as_list: list[int] = array.tolist()
    return ids_as_list
