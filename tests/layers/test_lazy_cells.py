"""Cells of the user whose inner layers are built by their first call."""

from typing import NamedTuple

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from tests.support.backends import float64_allowed
from tests.support.cases import assert_close, to_numpy

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")


class Inner(keras.layers.Layer):
    """A cell of the user, which is built by its first call."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.state_size = units
        self.of_input = keras.layers.Dense(units, dtype=self.dtype_policy)
        self.of_state = keras.layers.Dense(units, dtype=self.dtype_policy)

    def call(self, inputs, states):
        h = ops.tanh(self.of_input(inputs) + self.of_state(states[0]))
        return h, [h]


class Gates(NamedTuple):
    candidate: object


class Trace(NamedTuple):
    candidate: object
    hidden: object
    mask: object


class Gated(kit.GatedCell, keras.layers.Layer):
    """The same cell, showing its gates."""

    state_names, gates_type, trace_type = ("hidden",), Gates, Trace

    def __init__(self, units, **kwargs):
        keras.layers.Layer.__init__(self, **kwargs)
        self.units = self.state_size = self.output_size = units
        self.of_input = keras.layers.Dense(units, dtype=self.dtype_policy)
        self.of_state = keras.layers.Dense(units, dtype=self.dtype_policy)

    def gates(self, inputs, states, training=False):
        return Gates(ops.tanh(self.of_input(inputs) + self.of_state(states[0])))

    def step(self, gates, states):
        return gates.candidate, [gates.candidate]


def expected(cell, x):
    h, rows = np.zeros((len(x), 2)), []
    kernel, bias, recurrent, more = (to_numpy(w) for w in cell.weights)
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ kernel + bias + h @ recurrent + more)
        rows.append(h)
    return np.stack(rows, axis=1)


@pytest.mark.parametrize("kind", [Inner, Gated])
@pytest.mark.parametrize("capture_gates", [False, True])
def test_they_run_and_train(kind, capture_gates):
    layer = kit.RNN(kind(2), return_sequences=True, return_gates=capture_gates)
    returned = layer(X)
    outputs = returned[0] if capture_gates else returned
    assert_close(outputs, expected(layer.cell, X))
    inputs = keras.Input((5, 4))
    returned = kit.RNN(kind(2), return_sequences=True, return_gates=capture_gates)(inputs)
    model = keras.Model(inputs, returned[0] if capture_gates else returned)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    losses = model.fit(X, np.zeros((3, 5, 2)), epochs=3, verbose=0).history["loss"]
    assert losses[2] < losses[0] and len(model.trainable_weights) == 4
    assert_close(model.predict(X, verbose=0), expected(model.layers[1].cell, X))


@pytest.mark.parametrize("kind", [Inner, Gated])
@pytest.mark.parametrize("capture_gates", [False, True])
def test_they_run_in_float64(kind, capture_gates):
    with float64_allowed():
        layer = kit.RNN(kind(2, dtype="float64"), dtype="float64", return_gates=capture_gates)
        returned = layer(X.astype("float64"))
        outputs = returned[0] if capture_gates else returned
        assert keras.utils.standardize_dtype(outputs.dtype) == "float64"
        want = expected(layer.cell, X.astype("float64"))[:, -1]
        np.testing.assert_allclose(to_numpy(outputs), want, rtol=1e-5, atol=1e-6)
