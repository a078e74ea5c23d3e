"""The IMDB reviews, ready to train on.

Maas, Daly, Pham, Huang, Ng and Potts (2011), "Learning Word Vectors for Sentiment Analysis",
ACL 2011: the Large Movie Review Dataset, 25,000 labelled reviews to train on and 25,000 to test.
"""

from numbers import Real
from typing import NamedTuple

import numpy as np

from keras_rnnkit._checks import PathLike, check_choice, check_integer, is_integer
from keras_rnnkit.data.corpus import load_corpus, shuffled_rows
from keras_rnnkit.data.padding import SIDES, padded_rows
from keras_rnnkit.data.reviews import IdRule, encode

MOST_IDS = 2**28  # a GiB


class Split(NamedTuple):
    """Padded reviews and their labels: `x` int32 `(n, maxlen)`, `y` int64 `(n,)`, 1 is positive."""

    x: np.ndarray
    y: np.ndarray


class ImdbData(NamedTuple):
    """What `load_imdb` returns; it unpacks as `train, validation, test`."""

    train: Split
    validation: Split
    test: Split


def load_imdb(
    num_words: int | None = 500,
    maxlen: int | None = 100,
    validation_size: float | None = 0.2,
    seed: int | None = 42,
    padding: str = "pre",
    truncating: str = "pre",
    path: PathLike | None = None,
    *,
    skip_top: int = 0,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    shuffle_seed: int = 113,
    cache: bool = True,
    cache_dir: PathLike | None = None,
) -> ImdbData:
    """Loads the IMDB reviews as padded arrays for training, validation and test.

    With the defaults, the arrays are equal to those of
    `keras.datasets.imdb.load_data(num_words=500)` followed by scikit-learn's
    `train_test_split(test_size=0.2, random_state=42)` and `keras.utils.pad_sequences(maxlen=100)`.
    Some arguments differ from those of Keras' loader: `skip_top` does not replace `start_char`,
    `num_words=None` includes the rarest word, reviews longer than `maxlen` are truncated instead of
    removed, and a file at `path` is read without a download.

    Source: Maas et al. (2011), "Learning Word Vectors for Sentiment Analysis", ACL 2011, the
    Large Movie Review Dataset.

    Args:
        num_words: Ids from this one on are replaced by `oov_char`; `None` keeps every word. As in
            Keras it counts ids, so it is the `input_dim` of an `Embedding`.
        maxlen: The length of every row; `None` for that of the longest review of all three splits.
        validation_size: The fraction of the training reviews to use for validation, or their
            number if an integer. With 0 or `None`, `validation` has 0 rows, and `train` is in
            Keras' order.
        seed: The seed of that split, scikit-learn's `random_state`.
        padding: `"pre"` pads on the left, `"post"` on the right, both with 0.
        truncating: `"pre"` truncates longer reviews on the left, `"post"` on the right.
        path: A local `imdb.npz` of Keras' format, read without any download. `None` for the
            official file, which Keras downloads once and whose checksum is verified.
        skip_top: Ids below this one (the most frequent words) are replaced by `oov_char`. As in
            Keras it counts ids.
        start_char: The id at the start of every review; `None` for no such id.
        oov_char: The id that replaces out-of-vocabulary words; `None` removes those words.
        index_from: The number added to a word's rank (the most frequent word has rank 1).
        shuffle_seed: The seed with which Keras shuffles the reviews (its `seed`).
        cache: Whether to write and use a copy of the file that loads many times faster. The copy is
            checked at every load, and written again if the file has changed or the copy is damaged.
            If the folder is not writable, no copy is written.
        cache_dir: The folder of that copy. `None` for `datasets/keras_rnnkit` in Keras' home
            (`$KERAS_HOME` or `~/.keras`).

    Returns:
        An `ImdbData(train, validation, test)`, each a `Split(x, y)`: `x` int32 of shape
        `(n, maxlen)`, `y` int64 of shape `(n,)`, 1 for a positive review and 0 for a negative one.

    Raises:
        DataFileError: If the file is missing, incomplete, of another format or unsafe.
        DownloadError: If there is no `path` and the official file cannot be downloaded.
        ValueError: If an argument is not one of the above, or `maxlen=None` would pad the
            reviews to more than a GiB.

    Example:

    >>> import os, tempfile
    >>> import numpy as np
    >>> reviews = np.array([[1, 4, 2], [5], [3, 3], [9, 1, 1, 2]], dtype=object)
    >>> labels = np.array([1, 0, 1, 0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = os.path.join(folder, "imdb.npz")
    ...     np.savez(file, x_train=reviews, y_train=labels, x_test=reviews, y_test=labels)
    ...     data = load_imdb(maxlen=4, validation_size=1, path=file, cache=False)
    >>> data.train.x.shape, data.validation.x.shape, data.test.x.shape
    ((3, 4), (1, 4), (4, 4))
    >>> data.test.x[0], int(data.test.y[0])
    (array([0, 0, 1, 8], dtype=int32), 0)
    """
    rule = IdRule.checked(num_words, skip_top, start_char, oov_char, index_from)
    maxlen = check_integer(maxlen, "maxlen", least=1, optional=True)
    check_choice(padding, "padding", SIDES)
    check_choice(truncating, "truncating", SIDES)
    corpus = load_corpus(path, cache, cache_dir)
    train_rows, test_rows = shuffled_rows(corpus, shuffle_seed)
    train_rows, validation_rows = _split_validation(train_rows, validation_size, seed)
    table = rule.table(corpus.highest_rank)
    splits = [
        (corpus.train, train_rows),
        (corpus.train, validation_rows),
        (corpus.test, test_rows),
    ]
    ids = [encode(split, rows, rule, table, maxlen, truncating) for split, rows in splits]
    if maxlen is None:
        maxlen = max(int(encoded.lengths.max(initial=0)) for encoded in ids)
        _check_memory(maxlen, sum(len(encoded.lengths) for encoded in ids))
    return ImdbData(
        *(
            Split(padded_rows(*encoded, maxlen, padding), split.labels[rows])
            for encoded, (split, rows) in zip(ids, splits, strict=True)
        )
    )


def _check_memory(longest: int, reviews: int) -> None:
    if longest * reviews > MOST_IDS:
        raise ValueError(
            f"`maxlen` must be given for these reviews: padded to the longest, {reviews} reviews "
            f"of {longest} ids take {longest * reviews * 4 / 2**30:.1f} GiB. Pass a `maxlen`. "
            "Received: maxlen=None"
        )


def _split_validation(
    rows: np.ndarray, size: float | None, seed: int | None
) -> tuple[np.ndarray, np.ndarray]:
    if size is None or (size == 0 and not isinstance(size, bool)):
        return rows, rows[:0]
    most = len(rows) if is_integer(size) else 1
    if isinstance(size, bool) or not isinstance(size, Real) or not 0 < size < most:
        raise ValueError(
            "`validation_size` must be a fraction between 0 and 1, a number of reviews below "
            f"{len(rows)}, or None. Received: validation_size={size!r}"
        )
    from sklearn.model_selection import train_test_split  # slow to load, and used here alone

    return tuple(train_test_split(rows, test_size=size, random_state=seed))
