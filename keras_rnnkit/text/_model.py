"""The Keras model of a text classifier."""

import contextlib
import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops

from keras_rnnkit.layers import Embedding, StackedRNN

POOLINGS = ("mean", "max", "last")


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
        x = _dropped(x, settings)
        parts = pooling_parts(settings.pooling)
        stack = StackedRNN(
            list(settings.units),
            settings.cell,
            dropout=[0.0] + [settings.dropout] * (len(settings.units) - 1),
            bidirectional=settings.bidirectional,
            return_sequences=parts != ["last"],
            seed=_drawn_seed(),
            name="stack",
        )
        x = stack(x)
        if parts != ["last"]:
            x = _pooled(x, ids, parts, settings.bidirectional)
        x = keras.layers.Dropout(settings.dropout, seed=_drawn_seed(), name="dropout")(x)
        return keras.Model(ids, _head(classes)(x), name="text_classifier")


def pooling_parts(pooling: str | Sequence[str]) -> list[str]:
    """What is made of the outputs of all steps, one or several of `POOLINGS`."""
    return [pooling] if isinstance(pooling, str) else list(pooling)


def _dropped(x: Any, settings: Any) -> Any:
    """Vectors of words without some of the words, and without some of their elements."""
    dropout = keras.layers.Dropout
    a_word = (None, None, 1)  # one draw for all elements of a vector
    words = dropout(settings.word_dropout, a_word, _drawn_seed(), name="word_dropout")
    return dropout(settings.dropout, seed=_drawn_seed(), name="vector_dropout")(words(x))


def _pooled(x: Any, ids: Any, parts: list[str], bidirectional: bool) -> Any:
    """The mean, the maximum and the last of the outputs of a text, without its padding."""
    valid = ops.not_equal(ids, 0)
    made = []
    if "mean" in parts:
        made.append(keras.layers.GlobalAveragePooling1D(name="mean")(x))
    if "max" in parts:
        made.append(ops.max(ops.where(valid[:, :, None], x, -math.inf), axis=1))
    if "last" in parts:
        count = ops.cumsum(ops.cast(valid, "int32"), axis=1)
        is_last = ops.logical_and(valid, ops.equal(count, count[:, -1:]))
        last = ops.sum(ops.where(is_last[:, :, None], x, 0.0), axis=1)
        units = x.shape[-1] // 2
        # The last step of a backward layer is the first word.
        made += [last[:, :units], x[:, 0, units:]] if bidirectional else [last]
    return made[0] if len(made) == 1 else keras.layers.Concatenate(name="pooled")(made)


def _head(classes: int) -> keras.layers.Layer:
    units, activation = (1, "sigmoid") if classes == 2 else (classes, "softmax")
    return keras.layers.Dense(units, activation=activation, name="head")


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Layers built inside draw the same seeds.

    Initializers without a seed of their own draw one from Python's `random` when they are made. Its
    state afterwards is that from before, and no other state is touched.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def _drawn_seed() -> int:
    """A seed for a layer with dropout: on PyTorch, one without draws from the global generator."""
    return random.randrange(2**31)
