"""The vocabulary of the IMDB data set and those of one's own texts: made, saved and loaded."""

from collections.abc import Iterable, Mapping

from keras_rnnkit._checks import PathLike, as_path, check_choice, check_file, check_integer
from keras_rnnkit.data.counting import count_words, most_frequent
from keras_rnnkit.data.downloading import IMDB_WORD_INDEX, fetch
from keras_rnnkit.data.tokenizers import TOKENIZERS
from keras_rnnkit.data.vocabulary_file import damaged, read_vocabulary, write_vocabulary
from keras_rnnkit.data.word_encoder import WordEncoder
from keras_rnnkit.data.word_index import read_index
from keras_rnnkit.data.word_table import SETTINGS


class Vocabulary(WordEncoder):
    """The words of a data set and their ids, with ids for padding, start and unknown words.

    Id 0 is padding; `start_char` (1) is the first id of every review; `oov_char` (2) is the id of
    words without an id of their own; a word of rank r (1 is the most frequent) has the id
    `index_from + r` if that is below `num_words`. `len(vocabulary)` is the number of ids, so it is
    the `input_dim` of an `Embedding`.

    `Vocabulary.fit` makes one from texts, `Vocabulary.imdb` that of the IMDB data set, and
    `Vocabulary.load` reads one that `save` wrote. Two vocabularies are equal if they encode alike.

    Source of the IMDB index: Maas et al. (2011), "Learning Word Vectors for Sentiment Analysis",
    ACL 2011, as numbered for Keras.

    Args:
        word_index: The rank of every word, from 1, without duplicates.
        num_words: Words whose id would be this number or more get the id `oov_char`; `None` keeps
            all words.
        start_char: The first id of every review; `None` for no such id.
        oov_char: The id of words that have none; `None` removes such words.
        index_from: The number added to a rank.
        tokenizer: How texts are split into words, `"imdb"` or `"unicode"`; see `tokenize`.
        unseen: What becomes of words that are not in `word_index`: `"removed"` as in the IMDB data
            set, or `"oov"`, which gives them the id `oov_char` too.
        padding: The side on which `encode` pads and truncates by default, `"pre"` or `"post"`.

    Raises:
        TypeError: If `word_index` does not map words to integers.
        ValueError: If a rank is below 1 or a duplicate, a word cannot be encoded as text (a
            lone surrogate), an id does not fit int32, or an argument is not one of the above.

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
        tokenizer: str = "imdb",
        unseen: str = "removed",
        padding: str = "pre",
    ) -> None:
        """Checks the index and assigns the ids; the arguments are those of the class."""
        super().__init__(
            word_index, num_words, start_char, oov_char, index_from, tokenizer, unseen, padding
        )

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        max_words: int | None = None,
        min_count: int = 1,
        *,
        tokenizer: str = "unicode",
    ) -> "Vocabulary":
        """Returns the vocabulary of these texts.

        Id 0 is padding, 1 the start of a text and 2 every word without an id of its own, whether
        it was too rare in these texts or not in them at all. The words follow from 3 on, the most
        frequent first, equally frequent ones in the order of their characters' code points: the
        ids do not depend on the order of the texts. Fit on the training texts only. `encode` pads
        and truncates on the right by default.

        Args:
            texts: The texts, for example a list; a generator is read once.
            max_words: How many words get an id of their own, the most frequent ones; `None` for
                all. `len(vocabulary)` is at most `max_words + 3`.
            min_count: How often a word must occur in the texts to get an id.
            tokenizer: How texts are split into words, `"unicode"` or `"imdb"`; see `tokenize`.

        Returns:
            A `Vocabulary`.

        Raises:
            TypeError: If `texts` is not an iterable of str.
            ValueError: If no word is left, `texts` are a table, or an argument is not one of the
                above.

        Example:

        >>> vocabulary = Vocabulary.fit(["A good film!", "A dull film."], min_count=2)
        >>> vocabulary.words
        ('a', 'film')
        >>> vocabulary.encode("What a good film", maxlen=6)
        array([1, 2, 3, 2, 4, 0], dtype=int32)
        """
        check_integer(max_words, "max_words", least=1, optional=True)
        check_integer(min_count, "min_count", least=1)
        check_choice(tokenizer, "tokenizer", tuple(TOKENIZERS))
        index = most_frequent(count_words(texts, tokenizer), max_words, min_count)
        return cls(index, index_from=2, tokenizer=tokenizer, unseen="oov", padding="post")

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

    @classmethod
    def load(cls, path: PathLike) -> "Vocabulary":
        """Returns the vocabulary that `save` wrote to this file.

        The file is only data: whatever it contains, nothing of it is run.

        Args:
            path: The path of the file.

        Returns:
            A `Vocabulary` that is equal to the saved one.

        Raises:
            DataFileError: If the file is missing, is not what `save` wrote, or was written by a
                version of this package that changed the format.
        """
        file = as_path(path, "path")
        values = read_vocabulary(file, SETTINGS)
        try:
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise damaged(error, file) from error

    def save(self, path: PathLike, *, overwrite: bool = False) -> None:
        """Writes the vocabulary to a JSON file, which `Vocabulary.load` reads.

        The file is written to a temporary one and renamed, so it is always complete.

        Args:
            path: The path of the file, which ends in `.json`.
            overwrite: Whether to replace a file that exists.

        Raises:
            FileExistsError: If the file exists, unless `overwrite=True`.
            OSError: If the file cannot be written.
            ValueError: If `path` does not end in `.json`, or the file would have more than 64 MiB.

        Example:

        >>> import os, tempfile
        >>> vocabulary = Vocabulary.fit(["a good film", "a dull film"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = os.path.join(folder, "vocabulary.json")
        ...     vocabulary.save(file)
        ...     loaded = Vocabulary.load(file)
        >>> loaded == vocabulary
        True
        """
        file = check_file(path, "path", ".json", overwrite)
        write_vocabulary(file, self._settings(), self._index, overwrite)

    def __repr__(self) -> str:
        """Its sizes."""
        return f"<Vocabulary of {len(self._words)} words, {len(self)} ids>"
