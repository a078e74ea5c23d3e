"""Words to ids and back, by the rule the IMDB data set was made with."""

import string
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from keras_rnnkit._files import as_path
from keras_rnnkit.data.checks import require_choice, require_count
from keras_rnnkit.data.corpus import PathLike
from keras_rnnkit.data.downloading import IMDB_WORD_INDEX, fetch
from keras_rnnkit.data.padding import SIDES, pad
from keras_rnnkit.data.word_index import ranked, read_index

PAD, START, UNKNOWN = "[PAD]", "[START]", "[UNK]"
_SEPARATORS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
# The data set was made from bytes: letters outside ASCII kept their case, and of all the white
# space only the three of ASCII separate words.
_RULE = str.maketrans(
    string.ascii_uppercase + _SEPARATORS, string.ascii_lowercase + " " * len(_SEPARATORS)
)


def tokenize(text: str) -> list[str]:
    """Splits a text into words as the IMDB data set was.

    Punctuation but the apostrophe becomes a space, so that `<br />` leaves the word `br`; ASCII
    letters become small, others keep their case.

    Args:
        text: The text.

    Returns:
        Its words.

    Example:

    >>> tokenize("Don't miss it!<br />A GEM...")
    ["don't", 'miss', 'it', 'br', 'a', 'gem']
    """
    if not isinstance(text, str):
        raise TypeError(f"`text` must be a str. Received: {type(text).__name__}")
    return [word for word in text.translate(_RULE).split(" ") if word]


class Vocabulary:
    """The words of a data set and their ids, with padding, start and unknown taken care of.

    Id 0 pads; `start_char` (1) stands in front of a review; `oov_char` (2) stands for a known
    word that is too rare to have an id of its own; a word of rank r (1 is the most frequent) has
    the id `index_from + r` if that is below `num_words`. `len(vocabulary)` is the number of ids,
    so it is the `input_dim` of an `Embedding`.

    Source of the IMDB index: Maas et al. (2011), "Learning Word Vectors for Sentiment Analysis",
    ACL 2011, as numbered for Keras.

    Args:
        word_index: The rank of every word, from 1, no rank twice.
        num_words: Words whose id would be this or above become `oov_char`; `None` keeps all.
        start_char: The id in front of every review; `None` for no such id.
        oov_char: The id of a known word too rare; `None` leaves such words out.
        index_from: The number added to a rank.

    Raises:
        TypeError: If `word_index` does not map words to integers.
        ValueError: If a rank is below 1 or there twice, a word is no text that can be written (a
            lone surrogate), or an option is not one of the above.

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
        """Checks the index and numbers its words; the arguments are those of the class."""
        self.num_words = require_count("num_words", num_words, least=1, optional=True)
        self.start_char = require_count("start_char", start_char, optional=True)
        self.oov_char = require_count("oov_char", oov_char, optional=True)
        self.index_from = require_count("index_from", index_from)
        ids = {word: rank + self.index_from for word, rank in ranked(word_index)}
        self._words = {
            id_: word for word, id_ in ids.items() if num_words is None or id_ < num_words
        }
        # Known words that are too rare keep an entry, so that they differ from unseen ones.
        self._ids = {word: id_ if id_ in self._words else oov_char for word, id_ in ids.items()}
        special = [0, self.start_char or 0, self.oov_char or 0]
        self._size = 1 + max([*special, *self._words])

    @classmethod
    def imdb(cls, num_words: int | None = 500, path: PathLike | None = None) -> "Vocabulary":
        """Returns the vocabulary of `load_imdb` with the same `num_words`.

        Args:
            num_words: As in `load_imdb`.
            path: A local `imdb_word_index.json`, read without any download. `None` for the
                official file, through Keras' cached download with its checksum.

        Returns:
            A `Vocabulary` of 88,584 words, of which those with an id below `num_words` are kept.

        Raises:
            DataFileError: If the file is missing, or is no word index: a word or a rank that
                stands there twice, say.
            DownloadError: If there is no `path` and the official file cannot be fetched.

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
        require_count("num_words", num_words, least=1, optional=True)
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
        """Returns the ids of a text, or of several, as a model trained on the data expects them.

        Words are split by `tokenize`, and words that the index does not know at all are left
        out: the data set was made in this way.

        Args:
            text: A text, or an iterable of texts.
            maxlen: The length of every row. `None` leaves one text as long as it is, and pads
                several to the longest of them.
            padding: `"pre"` pads on the left, `"post"` on the right, both with 0.
            truncating: `"pre"` cuts what is too long on the left, `"post"` on the right.

        Returns:
            int32 ids of shape `(maxlen,)` for one text, `(len(texts), maxlen)` for several.

        Raises:
            TypeError: If `text` is neither a text nor an iterable of texts.
            ValueError: If an option is not one of the above.
        """
        require_count("maxlen", maxlen, least=1, optional=True)
        require_choice("padding", padding, SIDES)
        require_choice("truncating", truncating, SIDES)
        if isinstance(text, str):
            return self.encode([text], maxlen, padding, truncating).reshape(-1)
        if isinstance(text, bytes) or not isinstance(text, Iterable):
            raise TypeError(f"`text` must be a str or several. Received: {type(text).__name__}")
        return pad([self._encode(one) for one in text], maxlen, padding, truncating)

    def decode(self, ids: Any, special: bool = False) -> str:
        """Returns the words of a review.

        Args:
            ids: Integers of shape `(length,)`.
            special: Whether to show padding and start, as `[PAD]` and `[START]`.

        Returns:
            The words with a space between them, `[UNK]` for words too rare.

        Raises:
            TypeError: If `ids` does not hold integers.
            ValueError: If an id is not below `len(vocabulary)`, or `ids` has another shape.
        """
        array = np.asarray(ids)
        if array.size and array.dtype.kind not in "iu":
            raise TypeError(f"`ids` must hold integers. Received: dtype {array.dtype}")
        if array.ndim != 1:
            raise ValueError(
                "`ids` must be one review, of shape (length,); decode several one by one. "
                f"Received: shape {array.shape}"
            )
        if array.size and not 0 <= array.min() <= array.max() < len(self):
            raise ValueError(
                f"`ids` must lie from 0 to {len(self) - 1}, the ids of this vocabulary. Received: "
                f"{array.min()} to {array.max()}. Was the review numbered with more words?"
            )
        marks = {0: PAD, self.start_char: START}
        shown = (id_ for id_ in array.tolist() if special or id_ not in marks)
        return " ".join(marks.get(id_) or self._words.get(id_, UNKNOWN) for id_ in shown)

    def _encode(self, text: str) -> list[int]:
        start = [] if self.start_char is None else [self.start_char]
        ids = (self._ids[word] for word in tokenize(text) if word in self._ids)
        return start + [id_ for id_ in ids if id_ is not None]
