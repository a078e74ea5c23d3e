"""The IMDB reviews, ready to train on.

Maas, Daly, Pham, Huang, Ng and Potts (2011), "Learning Word Vectors for Sentiment Analysis",
ACL 2011: the Large Movie Review Dataset, 25,000 labelled reviews to train on and 25,000 to test.
"""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split

from keras_rnnkit.data.checks import require_choice, require_count
from keras_rnnkit.data.corpus import PathLike, load_corpus, shuffled_rows
from keras_rnnkit.data.padding import SIDES, rectangle
from keras_rnnkit.data.reviews import Numbering, number

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

    With the defaults this is, element for element, `keras.datasets.imdb.load_data(num_words=500)`
    followed by scikit-learn's `train_test_split(test_size=0.2, random_state=42)` and
    `keras.utils.pad_sequences(maxlen=100)`. It leaves out what surprises there: the start sign
    stays whatever `skip_top` says, `num_words=None` keeps the rarest word too, a review longer
    than `maxlen` is cut and not dropped, and a `path` is read where it lies.

    Source: Maas et al. (2011), "Learning Word Vectors for Sentiment Analysis", ACL 2011, the
    Large Movie Review Dataset.

    Args:
        num_words: Ids from this one on become `oov_char`; `None` keeps every word. As in Keras
            it counts ids, so it is the `input_dim` of an `Embedding`.
        maxlen: The length of every row; `None` for that of the longest review of all three parts.
        validation_size: The share of the training reviews to hold out, or their number if an
            integer. 0 or `None` holds out nothing: `validation` then has 0 rows, and `train` is
            in Keras' order.
        seed: The seed of that split, scikit-learn's `random_state`.
        padding: `"pre"` pads on the left, `"post"` on the right, both with 0.
        truncating: `"pre"` cuts what is too long on the left, `"post"` on the right.
        path: A local `imdb.npz` of Keras' format, read without any download. `None` for the
            official file, through Keras' cached download with its checksum.
        skip_top: Ids below this one become `oov_char` (the most frequent words). As in Keras it
            counts ids.
        start_char: The id in front of every review; `None` for no such id.
        oov_char: The id of every word left out; `None` takes those words out of the review.
        index_from: The number added to a word's rank (the most frequent word has rank 1).
        shuffle_seed: The seed Keras shuffles the reviews with (its `seed`).
        cache: Whether to keep and use a flat copy of the file, which loads many times faster.
            It is checked on every load, and made anew when the file is another or the copy is
            damaged; no copy is kept where the folder cannot be written.
        cache_dir: The folder of that copy. `None` for `datasets/keras_rnnkit` in Keras' home
            (`$KERAS_HOME` or `~/.keras`).

    Returns:
        An `ImdbData(train, validation, test)`, each a `Split(x, y)`: `x` int32 of shape
        `(n, maxlen)`, `y` int64 of shape `(n,)`, 1 for a positive review and 0 for a negative one.

    Raises:
        DataFileError: If the file is missing, torn, foreign or unsafe.
        DownloadError: If there is no `path` and the official file cannot be fetched.
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
    numbering = Numbering.checked(num_words, skip_top, start_char, oov_char, index_from)
    maxlen = require_count("maxlen", maxlen, least=1, optional=True)
    require_choice("padding", padding, SIDES)
    require_choice("truncating", truncating, SIDES)
    corpus = load_corpus(path, cache, cache_dir)
    train_rows, test_rows = shuffled_rows(corpus, shuffle_seed)
    train_rows, validation_rows = _hold_out(train_rows, validation_size, seed)
    table = numbering.table(corpus.highest_rank)
    parts = [
        (corpus.train, train_rows),
        (corpus.train, validation_rows),
        (corpus.test, test_rows),
    ]
    ids = [number(split, rows, numbering, table, maxlen, truncating) for split, rows in parts]
    if maxlen is None:
        maxlen = max(int(part.lengths.max(initial=0)) for part in ids)
        _check_memory(maxlen, sum(len(part.lengths) for part in ids))
    return ImdbData(
        *(
            Split(rectangle(*part, maxlen, padding), split.labels[rows])
            for part, (split, rows) in zip(ids, parts, strict=True)
        )
    )


def _check_memory(longest: int, reviews: int) -> None:
    if longest * reviews > MOST_IDS:
        raise ValueError(
            f"`maxlen=None` pads all reviews to the longest, here {reviews} to {longest} ids: "
            f"{longest * reviews * 4 / 2**30:.1f} GiB. Pass a `maxlen`. Received: maxlen=None"
        )


def _hold_out(
    rows: np.ndarray, size: float | None, seed: int | None
) -> tuple[np.ndarray, np.ndarray]:
    if size is None or (size == 0 and not isinstance(size, bool)):
        return rows, rows[:0]
    most = len(rows) if isinstance(size, Integral) else 1
    if isinstance(size, bool) or not isinstance(size, Real) or not 0 < size < most:
        raise ValueError(
            "`validation_size` must be a share between 0 and 1, a number of reviews below "
            f"{len(rows)}, or None. Received: validation_size={size!r}"
        )
    return tuple(train_test_split(rows, test_size=size, random_state=seed))
