"""The synthetic reviews that come with the package."""

import hashlib

import keras
import numpy as np
import pytest

from keras_rnnkit.data import load_sample

pytestmark = pytest.mark.no_backend


def test_shapes_and_balance():
    train, validation, vocabulary = load_sample()
    for split, count in ((train, 480), (validation, 120)):
        assert len(split.texts) == count
        assert split.x.shape == (count, 20)
        assert split.x.dtype == np.int32
        assert split.y.dtype == np.int64
        assert split.y.sum() == count // 2
        assert split.x.max() < len(vocabulary)
        assert (split.x == 2).sum() == 0
    assert not set(train.texts) & set(validation.texts)


def test_texts_and_ids_are_the_same_reviews():
    train, _, vocabulary = load_sample()
    assert tuple(vocabulary.decode(row) for row in train.x) == train.texts
    assert max(len(text.split()) for text in train.texts) < 20


def test_the_same_reviews_on_every_machine():
    train, validation, _ = load_sample()
    text = "\n".join(train.texts + validation.texts)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "c23e069e666bac91"


def test_counting_words_is_not_enough_and_an_lstm_is():
    train, validation, vocabulary = load_sample()
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Embedding(len(vocabulary), 16),
            keras.layers.LSTM(16),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    model.fit(train.x, train.y, epochs=8, batch_size=32, verbose=0)
    assert model.evaluate(validation.x, validation.y, verbose=0)[1] > 0.9
    assert accuracy_of_counted_words(train, validation, len(vocabulary)) < 0.7


def accuracy_of_counted_words(train, validation, size):
    """Least squares on the counts of words, without their order."""
    counts, held_out = (
        np.stack([np.bincount(row, minlength=size) for row in split.x])
        for split in (train, validation)
    )
    weights = np.linalg.lstsq(counts, 2 * train.y - 1, rcond=None)[0]
    return ((held_out @ weights > 0) == validation.y).mean()
