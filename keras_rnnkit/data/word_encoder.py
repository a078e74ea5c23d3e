"""Texts to ids and back, by the words of a table."""

from collections.abc import Iterable
from typing import Any, Literal, overload

import numpy as np

from keras_rnnkit._checks import check_choice, check_integer
from keras_rnnkit.data.padding import SIDES, Padded, pad
from keras_rnnkit.data.word_table import WordTable, check_ids


class WordEncoder(WordTable):
    """What a `Vocabulary` does with texts and ids; it describes the arguments."""

    @property
    def words(self) -> tuple[str, ...]:
        """The words with an id of their own, the most frequent first."""
        return tuple(self._words.values())

    @overload
    def encode(
        self,
        text: str | Iterable[str],
        maxlen: int | None = ...,
        padding: str | None = ...,
        truncating: str | None = ...,
        *,
        return_mask: Literal[False] = ...,
    ) -> np.ndarray: ...

    @overload
    def encode(
        self,
        text: str | Iterable[str],
        maxlen: int | None = ...,
        padding: str | None = ...,
        truncating: str | None = ...,
        *,
        return_mask: Literal[True],
    ) -> Padded: ...

    def encode(
        self,
        text: str | Iterable[str],
        maxlen: int | None = None,
        padding: str | None = None,
        truncating: str | None = None,
        *,
        return_mask: bool = False,
    ) -> np.ndarray | Padded:
        """Returns the ids of a text, or of several, for a model that was trained on the data.

        Words are split by the `tokenizer` of the vocabulary. A word that has no id gets the id
        `oov_char`; in the vocabulary of the IMDB data set, words that are not in its index are
        removed, as in the data set.

        Args:
            text: A text, or an iterable of texts.
            maxlen: The length of every row. With `None`, one text keeps its length, and several
                are padded to the longest of them.
            padding: `"pre"` pads on the left, `"post"` on the right, both with 0; `None` for the
                `padding` of the vocabulary, `"pre"` for the IMDB data set and `"post"` after `fit`.
            truncating: `"pre"` truncates longer texts on the left, `"post"` on the right; `None`
                for the `padding` of the vocabulary.
            return_mask: Whether to return the mask and the lengths too.

        Returns:
            int32 ids of shape `(maxlen,)` for one text, `(len(texts), maxlen)` for several; with
            `return_mask=True`, `Padded(ids, mask, lengths)`, as `pad` returns it.

        Raises:
            TypeError: If `text` is neither a text nor an iterable of texts.
            ValueError: If an argument is not one of the above.
        """
        padding = self.padding if padding is None else padding
        truncating = self.padding if truncating is None else truncating
        check_integer(maxlen, "maxlen", least=1, optional=True)
        check_choice(padding, "padding", SIDES)
        check_choice(truncating, "truncating", SIDES)
        texts = [text] if isinstance(text, str) else text
        rows = pad(self._encoded(texts, "text"), maxlen, padding, truncating, return_mask=True)
        if isinstance(text, str):
            rows = Padded(*(field[0] for field in rows))
        return rows if return_mask else rows.ids

    def encode_many(self, texts: Iterable[str]) -> list[np.ndarray]:
        """Returns the ids of many texts without padding, for batches of similar length.

        Args:
            texts: The texts, for example a list.

        Returns:
            A list with an int32 array of shape `(length,)` for each text.

        Raises:
            TypeError: If `texts` is not an iterable of str.

        Example:

        >>> from keras_rnnkit.data import Vocabulary
        >>> vocabulary = Vocabulary.fit(["a good film", "a dull one"])
        >>> vocabulary.encode_many(["a film", "an odd and dull film"])
        [array([1, 3, 5], dtype=int32), array([1, 2, 2, 2, 4, 5], dtype=int32)]
        """
        return self._encoded(texts, "texts")

    def decode(self, ids: Any, special: bool = False) -> str:
        """Returns the words of a review.

        Args:
            ids: Integers of shape `(length,)`.
            special: Whether to include padding and start, as `[PAD]` and `[START]`.

        Returns:
            The words with a space between them, `[UNK]` for words that are too rare.

        Raises:
            TypeError: If `ids` are not integers.
            ValueError: If an id is not below `len(vocabulary)`, or `ids` has another shape.
        """
        return self._decoded(check_ids(ids, len(self)), special)
