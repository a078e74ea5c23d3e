"""Words to ids and back, with the tokenisation of the IMDB data set."""

import reprlib
import string
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from keras_rnnkit._checks import PathLike, as_path, check_choice, check_integer
from keras_rnnkit.data.downloading import IMDB_WORD_INDEX, fetch
from keras_rnnkit.data.padding import SIDES, pad
from keras_rnnkit.data.word_index import ranked, read_index

PAD, START, UNKNOWN = "[PAD]", "[START]", "[UNK]"
_SEPARATORS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
# The data set was tokenised as bytes: letters outside ASCII keep their case, and no white space
# separates words but space, tab and newline.
_RULE = str.maketrans(
    string.ascii_uppercase + _SEPARATORS, string.ascii_lowercase + " " * len(_SEPARATORS)
)


def tokenize(text: str) -> list[str]:
    """Splits a text into words like the IMDB data set.

    Punctuation except the apostrophe is replaced by a space, so that `<br />` becomes the word
    `br`; ASCII letters are converted to lower case, others keep their case.

    Args:
        text: The text.

    Returns:
        Its words.

    Example:

    >>> tokenize("Don't miss it!<br />A GEM...")
    ["don't", 'miss', 'it', 'br', 'a', 'gem']
    """
    if not isinstance(text, str):
        raise TypeError(
            f"`text` must be a str. Received: text={reprlib.repr(text)} of type "
            f"{type(text).__name__}"
        )
    return [word for word in text.translate(_RULE).split(" ") if word]


class Vocabulary:
    """The words of a data set and their ids, with ids for padding, start and rare words.

    Id 0 is padding; `start_char` (1) is the first id of every review; `oov_char` (2) is the id of
    known words that are too rare to have an id of their own; a word of rank r (1 is the most
    frequent) has the id `index_from + r` if that is below `num_words`. `len(vocabulary)` is the
    number of ids, so it is the `input_dim` of an `Embedding`.

    Source of the IMDB index: Maas et al. (2011), "Learning Word Vectors for Sentiment Analysis",
    ACL 2011, as numbered for Keras.

    Args:
        word_index: The rank of every word, from 1, without duplicates.
        num_words: Words whose id would be this number or more get the id `oov_char`; `None` keeps
            all words.
        start_char: The first id of every review; `None` for no such id.
        oov_char: The id of known words that are too rare; `None` removes such words.
        index_from: The number added to a rank.

    Raises:
        TypeError: If `word_index` does not map words to integers.
        ValueError: If a rank is below 1 or a duplicate, a word cannot be encoded as text (a
            lone surrogate), or an argument is not one of the above.

    Example:

    >>> vocabulary = Vocabulary({"the": 1, "film": 2, "good": 3, "dull": 4}, num_words=7)
    >>> vocabulary.encode("The film: good, not dull!")
    array([1, 4, 5, 6, 2], dtype=int32)
    >>> vocabulary.decode([0, 0, 1, 4, 5, 6, 2])
    'the film good [UNK]'
    >>> len(vocabulary), vocabulary.words
    (7, ('the', 'film', 'good'))
    """

    def __init__(
        self,
        word_index: Mapping[str, int],
        num_words: int | None = None,
        *,
        start_char: int | None = 1,
        oov_char: int | None = 2,
        index_from: int = 3,
    ) -> None:
        """Checks the index and assigns the ids; the arguments are those of the class."""
        self.num_words = check_integer(num_words, "num_words", least=1, optional=True)
        self.start_char = check_integer(start_char, "start_char", optional=True)
        self.oov_char = check_integer(oov_char, "oov_char", optional=True)
        self.index_from = check_integer(index_from, "index_from")
        ids = {word: rank + self.index_from for word, rank in ranked(word_index)}
        self._words = {
            id_: word for word, id_ in ids.items() if num_words is None or id_ < num_words
        }
        # Known words that are too rare have an entry, which unknown words do not have.
        self._ids = {word: id_ if id_ in self._words else oov_char for word, id_ in ids.items()}
        special = [0, self.start_char or 0, self.oov_char or 0]
        self._size = 1 + max([*special, *self._words])

    @classmethod
    def imdb(cls, num_words: int | None = 500, path: PathLike | None = None) -> "Vocabulary":
        """Returns the vocabulary of `load_imdb` with the same `num_words`.

        Args:
            num_words: As in `load_imdb`.
            path: A local `imdb_word_index.json`, read without any download. `None` for the
                official file, which Keras downloads once and whose checksum is verified.

        Returns:
            A `Vocabulary` of the words whose id is below `num_words`, out of 88,584 words.

        Raises:
            DataFileError: If the file is missing or is not a word index, for example because a word
                or a rank is in it twice.
            DownloadError: If there is no `path` and the official file cannot be downloaded.

        Example:

        >>> import json, os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = os.path.join(folder, "imdb_word_index.json")
        ...     with open(file, "w") as stream:
        ...         json.dump({"the": 1, "film": 2}, stream)
        ...     vocabulary = Vocabulary.imdb(path=file)
        >>> vocabulary.encode("The film", maxlen=4)
        array([0, 1, 4, 5], dtype=int32)
        """
        check_integer(num_words, "num_words", least=1, optional=True)
        file = fetch(IMDB_WORD_INDEX) if path is None else as_path(path, "path")
        return cls(dict(read_index(file)), num_words)

    def __len__(self) -> int:
        """The number of ids, special ones included."""
        return self._size

    def __contains__(self, word: object) -> bool:
        """Whether `word` has an id of its own."""
        return isinstance(word, str) and self._ids.get(word) in self._words

    def __repr__(self) -> str:
        """Its sizes."""
        return f"<Vocabulary of {len(self._words)} words, {len(self)} ids>"

    @property
    def words(self) -> tuple[str, ...]:
        """The words with an id of their own, the most frequent first."""
        return tuple(self._words.values())

    def encode(
        self,
        text: str | Iterable[str],
        maxlen: int | None = None,
        padding: str = "pre",
        truncating: str = "pre",
    ) -> np.ndarray:
        """Returns the ids of a text, or of several, for a model that was trained on the data.

        Words are split by `tokenize`, and words that are not in the index are removed, as in the
        data set.

        Args:
            text: A text, or an iterable of texts.
            maxlen: The length of every row. With `None`, one text keeps its length, and several
                are padded to the longest of them.
            padding: `"pre"` pads on the left, `"post"` on the right, both with 0.
            truncating: `"pre"` truncates longer texts on the left, `"post"` on the right.

        Returns:
            int32 ids of shape `(maxlen,)` for one text, `(len(texts), maxlen)` for several.

        Raises:
            TypeError: If `text` is neither a text nor an iterable of texts.
            ValueError: If an argument is not one of the above.
        """
        check_integer(maxlen, "maxlen", least=1, optional=True)
        check_choice(padding, "padding", SIDES)
        check_choice(truncating, "truncating", SIDES)
        if isinstance(text, str):
            return self.encode([text], maxlen, padding, truncating).reshape(-1)
        if isinstance(text, bytes) or not isinstance(text, Iterable):
            raise TypeError(
                "`text` must be a str or an iterable of them. "
                f"Received: text={reprlib.repr(text)} of type {type(text).__name__}"
            )
        return pad([self._encode(one) for one in text], maxlen, padding, truncating)

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
        array = np.asarray(ids)
        if array.size and array.dtype.kind not in "iu":
            raise TypeError(f"`ids` must be integers. Received: ids.dtype={array.dtype}")
        if array.ndim != 1:
            raise ValueError(
                "`ids` must be one review, of shape (length,); decode several one by one. "
                f"Received: ids.shape={array.shape}"
            )
        if array.size and not 0 <= array.min() <= array.max() < len(self):
            raise ValueError(
                f"`ids` must be from 0 to {len(self) - 1}, the ids of this vocabulary. If the "
                "review was encoded with a larger `num_words`, decode it with the same. "
                f"Received: min(ids)={array.min()}, max(ids)={array.max()}"
            )
        marks = {0: PAD, self.start_char: START}
        included = (id_ for id_ in array.tolist() if special or id_ not in marks)
        return " ".join(marks.get(id_) or self._words.get(id_, UNKNOWN) for id_ in included)

    def _encode(self, text: str) -> list[int]:
        start = [] if self.start_char is None else [self.start_char]
        ids = (self._ids[word] for word in tokenize(text) if word in self._ids)
        return start + [id_ for id_ in ids if id_ is not None]
