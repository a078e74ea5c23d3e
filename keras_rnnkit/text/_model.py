"""The Keras model of a text classifier."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import keras

from keras_rnnkit.layers import Embedding, StackedRNN


def build_model(settings: Any, words: int, classes: int, seed: int) -> keras.Model:
    """The model, with weights that depend on the seed alone.

    Args:
        settings: The classifier, with its arguments.
        words: The number of ids.
        classes: The number of classes.
        seed: An integer.

    Returns:
        A model from ids `(batch, time)` to the probability of the second class, `(batch, 1)`, or
        to those of more classes, `(batch, classes)`. It is not compiled.
    """
    with _seeded(seed):
        ids = keras.Input((None,), dtype="int32", name="ids")
        x = Embedding(words, settings.embedding_dim, mask_zero=True, name="embedding")(ids)
        x = keras.layers.Dropout(settings.dropout, name="embedding_dropout")(x)
        stack = StackedRNN(
            list(settings.units),
            settings.cell,
            dropout=[0.0] + [settings.dropout] * (len(settings.units) - 1),
            bidirectional=settings.bidirectional,
            return_sequences=settings.pooling == "mean",
            name="stack",
        )
        x = stack(x)
        if settings.pooling == "mean":
            x = keras.layers.GlobalAveragePooling1D(name="mean")(x)
        x = keras.layers.Dropout(settings.dropout, name="dropout")(x)
        return keras.Model(ids, _head(classes)(x), name="text_classifier")


def _head(classes: int) -> keras.layers.Layer:
    units, activation = (1, "sigmoid") if classes == 2 else (classes, "softmax")
    return keras.layers.Dense(units, activation=activation, name="head")


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Layers built inside draw the same seeds.

    Initializers and dropout layers without a seed of their own draw one from Python's `random`
    when they are made. Its state afterwards is that from before, and no other state is touched.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
