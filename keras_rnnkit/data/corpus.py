"""Loads the reviews: from the cache if it is valid, else from the source file."""

import hashlib

import numpy as np

from keras_rnnkit._checks import PathLike, as_path
from keras_rnnkit.data.caching import cache_file, default_folder, load_cache, save_cache
from keras_rnnkit.data.downloading import IMDB_REVIEWS, fetch
from keras_rnnkit.data.reading import parse_corpus, read_source
from keras_rnnkit.data.reviews import Corpus


def load_corpus(path: PathLike | None, cache: bool, cache_dir: PathLike | None) -> Corpus:
    """Returns the reviews of the file at `path`, or of the official one.

    The whole file is hashed at every load (a few hundredths of a second): size and time alone
    do not tell whether it was replaced.
    """
    folder = default_folder() if cache_dir is None else as_path(cache_dir, "cache_dir")
    file = fetch(IMDB_REVIEWS) if path is None else as_path(path, "path")
    source = read_source(file)
    if not cache:
        return parse_corpus(source, file)
    digest = hashlib.sha256(source).hexdigest()
    cached = cache_file(file, folder)
    corpus = load_cache(cached, digest)
    if corpus is None:
        corpus = parse_corpus(source, file)
        save_cache(cached, digest, corpus)
    return corpus


def shuffled_rows(corpus: Corpus, seed: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the order of the training and of the test reviews, shuffled as Keras does."""
    generator = np.random.RandomState(seed)
    train, test = (np.arange(len(split.labels)) for split in corpus)
    generator.shuffle(train)
    generator.shuffle(test)
    return train, test
