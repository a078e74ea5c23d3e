"""Layers inside a cell of the user: random numbers, counters, statistics, in calls and `fit`."""

from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from tests.support.backends import float64_allowed
from tests.support.cases import MASKS, assert_close, to_numpy

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")


class Gates(NamedTuple):
    candidate: Any


class Trace(NamedTuple):
    candidate: Any
    hidden: Any
    mask: Any


class Parts:
    """A dropout layer, a normalization, and a counter of steps."""

    def make(self):
        self.state_size = self.output_size = self.units = 4
        self.drop = keras.layers.Dropout(0.5, seed=3)
        self.norm = keras.layers.BatchNormalization(momentum=0.5)

    def build(self, shape):
        self.drop.build(shape), self.norm.build(shape)
        self.steps = self.add_weight((), "zeros", trainable=False, dtype="int32", name="steps")

    def new(self, x, training):
        self.steps.assign_add(1)
        return self.norm(x, training=training) + self.drop(ops.ones_like(x), training=training)


class Foreign(Parts, keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.make()

    def call(self, inputs, states, training=False):
        h = self.new(inputs, training) + 0.0 * states[0]
        return h, [h]


class Gated(Parts, kit.GatedCell, keras.layers.Layer):
    state_names, gates_type, trace_type = ("hidden",), Gates, Trace

    def __init__(self, **kwargs):
        keras.layers.Layer.__init__(self, **kwargs)
        self.make()

    def gates(self, inputs, states, training=False):
        return Gates(self.new(inputs, training))

    def step(self, gates, states):
        return gates.candidate, [gates.candidate]


CELLS = {
    "foreign": Foreign,
    "gated": Gated,
    "zoneout": lambda: kit.Zoneout(Foreign(), 0.0),
    "zoneout of gated": lambda: kit.Zoneout(Gated(), 0.0),
    "stack": lambda: keras.layers.StackedRNNCells([Foreign(), kit.GRUCell(4)]),
}


def inner(layer):
    cell = layer.cell
    cell = cell.cells[0] if hasattr(cell, "cells") else cell
    return cell.cell if isinstance(cell, kit.Zoneout) else cell


def check_learned(layer, calls, x):
    """The counter, and the running mean of the steps' inputs."""
    cell = inner(layer)
    assert int(cell.steps.value) == calls * x.shape[1]
    mean = np.zeros(4)
    for _ in range(calls):
        for t in range(x.shape[1]):
            mean = 0.5 * mean + 0.5 * x[:, t].mean(axis=0)
    np.testing.assert_allclose(to_numpy(cell.norm.moving_mean), mean, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("unroll", [False, True], ids=["loop", "unrolled"])
@pytest.mark.parametrize("name", CELLS)
def test_eager_calls_draw_and_learn_in_every_step(name, unroll):
    layer = kit.RNN(CELLS[name](), return_sequences=True, unroll=unroll)
    layer.build((None, 5, 4))
    first, second = (to_numpy(layer(X, training=True)) for _ in range(2))
    assert not np.allclose(first, second)
    check_learned(layer, 2, X)
    if name != "stack":
        # In training a batch normalization gives every step another shift; what was dropped shows.
        drawn = first - expected_norm(X)
        assert set(np.unique(drawn.round(3))) == {0.0, 2.0}
        assert any((drawn[:, t].round(3) != drawn[:, 0].round(3)).any() for t in range(1, 5))
    before = [to_numpy(v) for v in inner(layer).drop.variables]
    layer(X)
    assert_close([to_numpy(v) for v in inner(layer).drop.variables], before)


def expected_norm(x):
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-3)


@pytest.mark.parametrize("mask", ["no mask", "holes"])
@pytest.mark.parametrize("name", CELLS)
def test_fit_draws_and_learns_in_every_step(name, mask):
    layer = kit.RNN(CELLS[name]())
    inputs, given = keras.Input((5, 4)), keras.Input((5,), dtype="bool")
    outputs = layer(inputs, mask=None if mask == "no mask" else given)
    outputs = keras.layers.Dense(1, trainable=False)(outputs)
    model = keras.Model([inputs, given], outputs)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    keep = np.ones((3, 5), bool) if MASKS[mask] is None else MASKS[mask]
    losses = [model.fit([X, keep], X[:, 0, :1], verbose=0).history["loss"][0] for _ in range(3)]
    assert len(set(losses)) == 3
    check_learned(layer, 3, X * keep[..., None])


def test_a_variable_around_the_cell_is_read_as_it_is_in_training():
    """A cell may look at a layer that is not its own: its gradient must not be lost."""
    outside = keras.layers.Dense(4, use_bias=False)
    outside.build((None, 4))

    class Looking(Foreign):
        def call(self, inputs, states, training=False):
            h = self.new(ops.matmul(inputs, looked_at[0].kernel), False) + 0.0 * states[0]
            return h, [h]

    looked_at = [outside]

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.outside, self.rnn = outside, kit.RNN(Looking())

        def call(self, x):
            return self.rnn(x)

    model = Model()
    model(X)
    before = to_numpy(outside.kernel)
    model.compile("sgd", "mse")
    model.fit(X, X[:, 0], verbose=0)
    assert not np.allclose(to_numpy(outside.kernel), before)


class Leaky(kit.GatedCell, keras.layers.SimpleRNNCell):
    """Operations of Keras that make float32 of float64 on some backends."""

    state_names, gates_type, trace_type = ("hidden",), Gates, Trace

    def gates(self, inputs, states, training=False):
        z = ops.matmul(inputs, self.kernel) + self.bias
        return Gates(ops.tanh(z + ops.matmul(states[0], self.recurrent_kernel)))

    def step(self, gates, states):
        h = ops.cast(0.9 * states[0] + 0.1 * gates.candidate, "float32")
        return h, (h,)


def test_a_stack_computes_in_the_dtype_of_its_cells():
    with float64_allowed():
        x = np.random.default_rng(1).normal(size=(3, 5, 4))
        stack = kit.RNN([kit.GRUCell(3, dtype="float64") for _ in range(2)], dtype="float64")
        layers = [
            kit.GRU(3, dtype="float64", path="portable", return_sequences=more)
            for more in (True, False)
        ]
        chain = keras.Sequential([keras.Input((5, 4), dtype="float64"), *layers])
        stack.build(x.shape)
        chain.set_weights(stack.get_weights())
        assert_close(stack(x), chain(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("wrap", [lambda c: c, lambda c: kit.Zoneout(c, 0.0), lambda c: [c]])
@pytest.mark.parametrize("mask", ["no mask", "holes"])
@pytest.mark.parametrize("how", ["eager", "fit"])
def test_a_cell_of_the_user_has_the_dtype_of_its_layer(wrap, mask, how):
    with float64_allowed():
        cell = wrap(Leaky(4, dtype="float64"))
        layer = kit.RNN(cell, return_sequences=True, return_gates=True, dtype="float64")
        x = X.astype("float64")
        if how == "fit":
            inputs, given = keras.Input((5, 4), dtype="float64"), keras.Input((5,), dtype="bool")
            model = keras.Model([inputs, given], layer(inputs, mask=given))
            keep = np.ones((3, 5), bool) if MASKS[mask] is None else MASKS[mask]
            output, trace = model.predict([x, keep], verbose=0)
        else:
            output, trace = layer(x, mask=MASKS[mask])
        trace = trace[0] if isinstance(cell, list) else trace
        kinds = {keras.utils.standardize_dtype(part.dtype) for part in (output, *trace[:2])}
        assert kinds == {"float64"}
        kernel, recurrent, bias = layer.get_weights()
        h, keep = np.zeros((3, 4)), np.ones((3, 5), bool) if MASKS[mask] is None else MASKS[mask]
        for t in range(5):
            g = np.tanh(x[:, t] @ kernel + h @ recurrent + bias)
            h = np.where(keep[:, t, None], 0.9 * h + 0.1 * g, h)
            assert_close(trace.hidden[:, t], h, rtol=1e-5, atol=1e-6)
