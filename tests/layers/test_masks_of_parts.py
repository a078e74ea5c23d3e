"""Masks with more axes than steps: a step is valid if any part of it is."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from tests.support.cases import CASES, MIN_CASES, assert_close, to_numpy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 4)).astype("float32")
PARTS = np.array([[[1, 1], [0, 1], [0, 0]], [[0, 0], [1, 0], [1, 1]]], bool)
STEPS = PARTS.any(-1)

LAYERS = {
    "bidirectional": lambda: kit.Bidirectional(kit.GRU(3, return_sequences=True)),
    "around Keras": lambda: kit.Bidirectional(keras.layers.GRU(3, return_sequences=True)),
    "stack": lambda: kit.StackedRNN([3, 2], residual=True, return_sequences=True),
    "learned": lambda: kit.LearnedInitialState(kit.LSTM(3, return_sequences=True)),
    "cells": lambda: kit.RNN([kit.LSTMCell(3), kit.GRUCell(2)], return_sequences=True),
}
LAYERS |= {
    case.name: lambda case=case: case.layer(3, return_sequences=True, **case.options)
    for case in [CASES[0], CASES[-1], MIN_CASES[0]]
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_every_layer_takes_the_steps_out_of_them(make):
    layer = make()
    want = layer(X, mask=STEPS)
    for parts in (PARTS, PARTS[..., None], STEPS[..., None]):
        assert_close(layer(X, mask=parts), want)
    x = ops.convert_to_tensor(X)
    behind = layer.compute_mask(x, ops.convert_to_tensor(PARTS))
    assert_close(behind, STEPS)
    if hasattr(layer, "trace") and not isinstance(layer, kit.Bidirectional):
        assert_close(layer.trace(X, mask=PARTS), layer.trace(X, mask=STEPS))


def test_a_loss_behind_counts_the_steps():
    """Keras multiplies the loss by the mask that reaches it, whose shape must be that of steps."""
    words = np.where(PARTS, 1, 0)
    model = keras.Sequential(
        [
            keras.Input((None, 2), dtype="int32"),
            kit.Embedding(2, 4, mask_zero=True),
            kit.TimeDistributed(kit.GRU(3)),
            kit.GRU(2, return_sequences=True),
        ]
    )
    model.compile("sgd", "mse")
    output = to_numpy(model(words))
    y = np.zeros_like(output)
    want = np.mean((output**2).mean(-1)[STEPS])
    assert_close(model.evaluate(words, y, verbose=0), want)


def test_one_that_does_not_fit_is_refused():
    layer = kit.LSTM(3)
    with pytest.raises(ValueError, match="expected a `mask`"):
        layer(X, mask=PARTS[:, :2])
