"""Padded inputs, and models that read them."""

import keras
import numpy as np

import keras_rnnkit as kit

L = keras.layers
STEPS = 6
REVIEWS = [[5, 9, 2, 3, 1, 7], [7, 2, 4, 8], [6], []]
POST = kit.data.pad(REVIEWS[:3], padding="post")
PRE = kit.data.pad(REVIEWS[:3], padding="pre")
FULL = np.arange(1, 1 + 3 * STEPS, dtype="int32").reshape(3, STEPS) % 9 + 1


def series(ids, features=3):
    """Features in place of ids: at padded steps zeros."""
    values = np.random.default_rng(0).normal(size=(*ids.shape, features))
    return np.where((ids != 0)[..., None], values, 0).astype("float32")


def ids_model(*layers, mask_zero=False, embedding=kit.Embedding, name=None):
    """A model of word ids, with these layers behind its embedding."""
    model = keras.Sequential([keras.Input((None,), dtype="int32")], name=name)
    for layer in (embedding(20, 4, mask_zero=mask_zero, name="embedding"), *layers):
        model.add(layer)
    return model


def kinds(report):
    """What was found, by layer, with the rows."""
    return [(finding.kind, finding.layer, finding.rows.tolist()) for finding in report]
