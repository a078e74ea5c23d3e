"""Models that end in the states or the traces of a layer, however nested these are."""

import keras
import numpy as np
import pytest
from keras import tree

import keras_rnnkit as kit
from tests.support.cases import assert_close

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5, 3)).astype("float32")


def cells():
    return [kit.LSTMCell(4), keras.layers.GRUCell(2)]


LAYERS = {
    "states": lambda: kit.LSTM(4, return_state=True),
    "trace": lambda: kit.GRU(4, return_gates=True),
    "cells": lambda: kit.RNN(cells(), return_state=True),
    "cells, traces": lambda: kit.RNN(cells(), return_state=True, return_gates=True),
    "both": lambda: kit.Bidirectional(kit.RNN(cells(), return_state=True)),
    "both, traces": lambda: kit.Bidirectional(kit.LSTM(2, return_state=True), return_gates=True),
    "stack": lambda: kit.StackedRNN([4, 2], return_state=True),
    "stack of both": lambda: kit.StackedRNN(
        [4, 2], return_state=True, return_gates=True, bidirectional=True
    ),
    "learned": lambda: kit.LearnedInitialState(kit.RNN(cells(), return_state=True)),
    "minimal": lambda: kit.MinLSTM(4, return_state=True, return_gates=True),
    "distributed": lambda: kit.TimeDistributed(kit.RNN(cells(), return_state=True)),
}


@pytest.mark.slow_on("tensorflow")  # JAX alone is strict about the kinds of lists
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_they_predict_evaluate_and_train(make):
    layer = make()
    x = X[:, None] if isinstance(layer, kit.TimeDistributed) else X
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    outputs = model(x)
    # JAX alone is strict about the kinds of lists, when it compiles; on TensorFlow graphs are slow.
    eagerly = keras.config.backend() == "tensorflow"
    model.compile("sgd", tree.map_structure(lambda _: "mse", outputs), run_eagerly=eagerly)
    predicted = model.predict(x, batch_size=2, verbose=0)
    assert_close(predicted, outputs)
    lists = [part for part in predicted if isinstance(part, list | tuple)]
    assert not any("Tracked" in type(part).__name__ for part in lists)
    targets = tree.map_structure(lambda output: np.zeros(output.shape, "float32"), outputs)
    loss = model.evaluate(x, targets, return_dict=True, verbose=0)["loss"]
    losses = [np.mean(np.asarray(part, "float32") ** 2) for part in tree.flatten(predicted)]
    assert_close(loss, sum(losses), rtol=1e-4)
    history = model.fit(x, targets, epochs=2, verbose=0).history["loss"]
    assert history[1] < history[0]
