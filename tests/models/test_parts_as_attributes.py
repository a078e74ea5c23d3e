"""A part of a recurrent layer may be an attribute of the model too."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.witness import check_traces, randomized

L = keras.layers
X = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")


class Model(keras.Model):
    """Has a part, and the layer around it, as attributes."""

    def __init__(self, part, around):
        super().__init__()
        self.part, self.layer = part, around(part)

    def call(self, inputs):
        return self.layer(inputs)


class CallsBoth(Model):
    """Calls the cell by itself as well."""

    def call(self, inputs):
        return self.part(inputs[:, 0], [self.layer(inputs)])[0]


PARTS = {
    "cell of Keras": lambda: (L.GRUCell(3), L.RNN),
    "cell of the kit": lambda: (kit.LSTMCell(3), kit.RNN),
    "cell of a stack": lambda: (L.LSTMCell(3), lambda cell: L.RNN([cell, L.GRUCell(2)])),
    "learned state": lambda: (kit.GRU(3), kit.LearnedInitialState),
    "both directions": lambda: (kit.Bidirectional(kit.GRU(3)), kit.LearnedInitialState),
}


@pytest.mark.parametrize("kind", PARTS)
def test_it_is_traced_as_part_of_the_layer(kind):
    part, around = PARTS[kind]()
    model = Model(part, around)
    model(X)
    traces = check_traces(randomized(model), X)
    assert list(traces) == [model.layer.name]
    assert traces.not_called == ()


def test_so_in_time_distributed():
    model = Model(L.GRU(3), L.TimeDistributed)
    x = np.stack([X, X + 1], axis=1)
    model(x)
    traces = kit.trace(randomized(model), x)
    assert (list(traces), traces.not_called) == ([model.layer.name], ())


def test_a_cell_that_the_model_calls_too_is_refused():
    model = CallsBoth(L.GRUCell(3, name="mine"), L.RNN)
    model(X)
    with pytest.raises(ValueError, match="'mine' is called by the model's own code, step by step"):
        kit.trace(model, X)
