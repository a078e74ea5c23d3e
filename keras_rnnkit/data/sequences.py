"""The IMDB reviews exactly as `keras.datasets.imdb.load_data` returns them."""

import numpy as np

from keras_rnnkit._checks import PathLike
from keras_rnnkit.data.corpus import load_corpus, shuffled_rows
from keras_rnnkit.data.reviews import IdRule, RankedReviews, encode

SplitRows = tuple[RankedReviews, np.ndarray]


def load_imdb_sequences(
    path: PathLike | None = None,
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    *,
    cache: bool = True,
    cache_dir: PathLike | None = None,
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Loads exactly the lists that `keras.datasets.imdb.load_data` returns.

    Use it in programs that must reproduce results of Keras' loader. As there, `skip_top` also
    replaces `start_char` by `oov_char`, `num_words=None` also replaces the rarest word, and
    `maxlen` removes every review of that length or longer; `load_imdb` does none of this. Only
    `path` differs: it is a local file, read without a download.

    Args:
        path: A local `imdb.npz` of Keras' format; `None` for the official file, downloaded.
        num_words: As in Keras.
        skip_top: As in Keras.
        maxlen: As in Keras.
        seed: As in Keras.
        start_char: As in Keras.
        oov_char: As in Keras.
        index_from: As in Keras.
        cache: As in `load_imdb`.
        cache_dir: As in `load_imdb`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: each x an object array of lists of ids, each y an
        int64 array of labels.

    Raises:
        DataFileError: If the file is missing, incomplete, of another format or unsafe.
        DownloadError: If there is no `path` and the official file cannot be downloaded.
        ValueError: If an argument is not one of the above, or `maxlen` removes all reviews.

    Example:

    >>> import os, tempfile
    >>> import numpy as np
    >>> reviews = np.array([[1, 4, 2], [5]], dtype=object)
    >>> labels = np.array([1, 0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = os.path.join(folder, "imdb.npz")
    ...     np.savez(file, x_train=reviews, y_train=labels, x_test=reviews, y_test=labels)
    ...     (x_train, y_train), _ = load_imdb_sequences(file, cache=False)
    >>> list(x_train)
    [[1, 4, 7, 5], [1, 2]]
    """
    rule = IdRule.checked(num_words or None, skip_top, start_char, oov_char, index_from)
    corpus = load_corpus(path, cache, cache_dir)
    splits = list(zip(corpus, shuffled_rows(corpus, seed), strict=True))
    if maxlen:
        splits = [_shorter_than(maxlen, split, start_char) for split in splits]
    raw = rule._replace(num_words=None, skip_top=0)
    if rule.num_words is None:  # Keras' bound then excludes the highest id itself
        table = raw.table(corpus.highest_rank)
        highest = max(int(encode(*split, raw, table).values.max(initial=0)) for split in splits)
        rule = rule._replace(num_words=highest)
    table = rule._replace(exempt_start=False).table(corpus.highest_rank)
    train, test = (_as_lists(split, rule, table) for split in splits)
    return train, test


def _shorter_than(maxlen: int, split: SplitRows, start_char: int | None) -> SplitRows:
    reviews, rows = split
    rows = rows[reviews.spans(rows, start_char)[1] < maxlen]
    if not len(rows):
        raise ValueError(
            "`maxlen` must be larger than the shortest review: Keras removes reviews of `maxlen` "
            f"ids or more, and none is left. Received: maxlen={maxlen}"
        )
    return reviews, rows


def _as_lists(split: SplitRows, rule: IdRule, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    reviews, rows = split
    values, lengths = encode(reviews, rows, rule, table)
    ids = values.tolist()
    ends = np.cumsum(lengths).tolist()
    starts = [0, *ends[:-1]]
    lists = [ids[start:end] for start, end in zip(starts, ends, strict=True)]
    return np.array(lists, dtype=object), reviews.labels[rows]
