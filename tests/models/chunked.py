"""Models that carry their states, and the same models without states, trained by hand."""

import keras
import numpy as np

import keras_rnnkit as kit
from tests.support.cases import to_numpy

LANES, TIME, FEATURES = 2, 11, 3
KINDS = {
    "lstm": lambda **options: [kit.LSTM(4, **options)],
    "gru": lambda **options: [kit.GRU(4, **options)],
    "minimal": lambda **options: [kit.MinLSTM(4, **options)],
    "simple and lstm": lambda **options: [kit.SimpleRNN(3, **options), kit.LSTM(4, **options)],
    "cells": lambda **options: [kit.RNN([kit.LSTMCell(3), kit.GRUCell(4)], **options)],
    "peephole": lambda **options: [kit.RNN(kit.PeepholeLSTMCell(4), **options)],
}


def data(rows=2 * LANES, time=TIME, seed=0):
    """Inputs, targets and weights of each step."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, time, FEATURES)).astype("float32")
    y = rng.normal(size=(rows, time, 1)).astype("float32")
    return x, y, rng.random(size=(rows, time)).astype("float32")


def optimizer():
    return keras.optimizers.SGD(0.1, momentum=0.9)


def stateful_model(kind, masked=False, resets=False, time=None, dropout=0):
    """A model for `kit.fit_chunks`."""
    x = keras.Input(batch_shape=(LANES, time, FEATURES), name="x")
    starts = keras.Input(batch_shape=(LANES, time), dtype="bool", name="starts")
    given = {"resets": starts} if resets else {}
    h = keras.layers.Masking()(x) if masked else x
    for layer in KINDS[kind](stateful=True, return_sequences=True):
        h = layer(h, **given)
    model = keras.Model([x, starts] if resets else x, keras.layers.Dense(1)(h))
    model.compile(optimizer(), "mse", weighted_metrics=["mae"])
    return model


def plain_models(kind, masked=False, resets=False):
    """A model that takes the first states as inputs, and one that returns the last states."""
    x, starts = keras.Input((None, FEATURES)), keras.Input((None,), dtype="bool")
    given = {"resets": starts} if resets else {}
    h = keras.layers.Masking()(x) if masked else x
    first, last = [], []
    for layer in KINDS[kind](return_state=True, return_sequences=True):
        layer.build((None, None, h.shape[-1]))
        states = [keras.Input((size,)) for size in keras.tree.flatten(layer.state_size)]
        structure = keras.tree.pack_sequence_as(layer.state_size, states)
        h, *after = layer(h, initial_state=structure, **given)
        first, last = first + states, last + keras.tree.flatten(after)
    inputs = [x, starts, *first] if resets else [x, *first]
    model = keras.Model(inputs, keras.layers.Dense(1)(h))
    model.compile(optimizer(), "mse")
    return model, keras.Model(inputs, last)


def train_by_hand(models, x, y, borders, weights=None, epochs=1):
    """The losses of all chunks; every chunk is a batch whose first states are inputs."""
    model, last_states = models
    losses = []
    x = x if isinstance(x, list) else [x]
    for row in np.tile(np.arange(0, len(y), LANES), epochs):
        rows = slice(row, row + LANES)
        states = [np.zeros((LANES, one.shape[-1]), "float32") for one in model.inputs[len(x) :]]
        for start, stop in borders:
            chunk = [part[rows, start:stop] for part in x]
            weight = None if weights is None else weights[rows, start:stop]
            inputs = [*chunk, *states]
            states = [to_numpy(one) for one in keras.tree.flatten(last_states(inputs))]
            losses.append(model.train_on_batch(inputs, y[rows, start:stop], weight))
    return np.array(losses)


def weights_of(model):
    return [np.array(to_numpy(weight)) for weight in model.trainable_weights]
