"""Random masks: drawn only in training, passed to the cell, and separate for each thread."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import (
    CASES,
    MIN_CASES,
    assert_close,
    by_name,
    few_where_compiled,
    to_numpy,
)

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
HALF = {"dropout": 0.5, "recurrent_dropout": 0.5, "seed": 3}


class Plain(kit.GatedCell, keras.layers.SimpleRNNCell):
    """A cell of one's own that finds its masks as the cells of Keras do."""

    state_names = ("hidden",)
    gates_type = kit.SimpleRNNGates
    trace_type = kit.SimpleRNNTrace

    def gates(self, inputs, states, training=False):
        (h,) = states
        if training:
            inputs = inputs * self.get_dropout_mask(inputs)
            h = h * self.get_recurrent_dropout_mask(h)
        z = inputs @ self.kernel + h @ self.recurrent_kernel + self.bias
        return kit.SimpleRNNGates(candidate=keras.ops.tanh(z))

    def step(self, gates, states):
        return gates.candidate, [gates.candidate]


class Subclass(kit.SimpleRNNCell):
    """One whose `gates` is of the time before there were masks to hand over."""

    def gates(self, inputs, states, training=False):
        return super().gates(inputs, states, training=training)


LAYERS = {
    "lstm": lambda: kit.LSTM(3, recurrent_weight_dropout=0.5, **HALF),
    "gru, portable": lambda: kit.GRU(3, path="portable", **HALF),
    "min_lstm": lambda: kit.MinLSTM(3, dropout=0.5, seed=3),
    "rglru": lambda: kit.RGLRU(3, dropout=0.5, seed=3),
    "zoneout": lambda: kit.RNN(kit.Zoneout(kit.LSTMCell(3, **HALF), 0.5, seed=3)),
    "of keras": lambda: kit.RNN(keras.layers.GRUCell(3, **HALF)),
    "zoneout of keras": lambda: kit.RNN(kit.Zoneout(keras.layers.GRUCell(3, **HALF), 0.5, seed=3)),
    "one's own": lambda: kit.RNN(Plain(3, **HALF)),
    "a subclass": lambda: kit.RNN(Subclass(3, **HALF)),
    "stack of cells": lambda: kit.RNN([kit.GRUCell(3, **HALF), keras.layers.LSTMCell(2, **HALF)]),
    "stack": lambda: kit.StackedRNN([3, 2], dropout=0.5, recurrent_dropout=0.5, seed=3),
    "both directions": lambda: kit.Bidirectional(kit.LSTM(3, **HALF)),
}


def seeds(layer):
    return [to_numpy(v) for v in layer.variables if v.name == "seed_generator_state"]


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_inference_draws_nothing(make):
    layer = make()
    inputs = keras.Input((5, 4))
    model = keras.Model(inputs, layer(inputs))
    before = seeds(layer)
    assert before
    layer(X), layer(X, mask=np.ones((3, 5), bool)), model(X)
    kit.explain(model)
    if hasattr(layer, "trace"):
        layer.trace(X)
    if not isinstance(layer, kit.Bidirectional):
        kit.stream(model).chunk(X)
    model.predict(X, verbose=0)
    assert_close(seeds(layer), before)
    layer(X, training=True)
    moved = [(a != b).any() for a, b in zip(seeds(layer), before, strict=True)]
    assert any(moved)


@pytest.mark.parametrize("name", [pytest.param("lstm", marks=pytest.mark.xla), "of keras", "stack"])
def test_training_is_the_same_with_a_validation_in_between(name):
    def losses(**validation):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((5, 4)), LAYERS[name](), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model.fit(X, X[:, 0, :1], epochs=3, shuffle=False, verbose=0, **validation).history[
            "loss"
        ]

    np.testing.assert_allclose(losses(), losses(validation_data=(X, X[:, 0, :1])), rtol=1e-5)


@pytest.mark.parametrize("case", few_where_compiled([*CASES, *MIN_CASES[::2]]), ids=by_name)
def test_no_mask_is_stored_on_a_cell_of_the_kit(case, monkeypatch):
    rates = {"dropout": 0.5, "seed": 3}
    if case not in MIN_CASES:
        rates["recurrent_dropout"] = 0.5
    cell = kit.Zoneout(case.cell(3, **rates, **case.options), 0.5)
    layer = kit.RNN(cell)
    layer(X)
    kept, set_as_ever = [], keras.layers.Layer.__setattr__

    def watch(self, name, value):
        kept.append(name)
        set_as_ever(self, name, value)

    monkeypatch.setattr(keras.layers.Layer, "__setattr__", watch)
    layer(X, training=True)
    assert not [name for name in kept if "mask" in name]


@pytest.mark.parametrize("name", ["lstm", "zoneout", "of keras", "one's own", "stack of cells"])
def test_threads_do_not_mix_their_masks(name):
    """Inference beside training, on sequences of lengths that the masks of others do not fit."""
    layer = LAYERS[name]()
    xs = [X[:, :1], X[:, :3], X]
    want = [to_numpy(layer(x)) for x in xs]

    def work(i):
        got = to_numpy(layer(xs[i % 3], training=bool(i % 2)))
        assert i % 2 or np.allclose(got, want[i % 3], atol=1e-5)
        assert not i % 2 or not np.allclose(got, want[i % 3], atol=1e-5)

    for x in xs:
        layer(x, training=True)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(48)))


def test_one_thread_at_a_time_runs_a_cell_that_stores_its_masks():
    """Sequences of one thread each: no step of another comes in between."""
    steps = []

    class Slow(keras.layers.SimpleRNNCell):
        def call(self, sequence, states, training=False):
            steps.append(threading.get_ident())
            time.sleep(0.002)
            return super().call(sequence, states, training=training)

    layer = kit.RNN(Slow(3, **HALF))
    layer(X)
    steps.clear()
    start = threading.Barrier(2)

    def work():
        start.wait()
        for _ in range(3):
            layer(X, training=True)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(steps) == 30
    assert all(len(set(steps[i : i + 5])) == 1 for i in range(0, 30, 5))


@pytest.mark.parametrize("kind", [Plain, Subclass])
def test_a_cell_without_the_argument_drops_as_before(kind):
    mine = kit.RNN(kind(3, **HALF), return_sequences=True)
    kits = kit.SimpleRNN(3, return_sequences=True, **HALF)
    theirs = keras.layers.SimpleRNN(3, return_sequences=True, **HALF)
    for layer in (mine, kits, theirs):
        layer.build((None, 5, 4))
        layer.set_weights([np.full(w.shape, 0.1) for w in layer.weights])
    for _ in range(2):
        got = to_numpy(mine(X, training=True))
        assert_close(got, kits(X, training=True))
        assert_close(got, theirs(X, training=True))
        assert not np.allclose(got, to_numpy(mine(X)))


class FlipGates(NamedTuple):
    candidate: Any


class FlipTrace(NamedTuple):
    candidate: Any
    hidden: Any
    mask: Any


class Flip(kit.GatedCell, keras.layers.Layer):
    """Masks of a kind of its own: one a sequence on the inputs, and one a step on the state."""

    state_names, gates_type, trace_type = ("hidden",), FlipGates, FlipTrace

    def __init__(self, units, **kwargs):
        keras.layers.Layer.__init__(self, **kwargs)
        self.units = self.state_size = self.output_size = units
        self.seed_generator = keras.random.SeedGenerator(1)

    def draw_masks(self, inputs, states, steps=1):
        def signs(shape):
            drawn = keras.random.uniform(shape, seed=self.seed_generator)
            return keras.ops.where(drawn < 0.5, -1.0, 1.0)

        every = signs((steps, *keras.ops.shape(states[0])))
        return kit.Masks(inputs=signs(keras.ops.shape(inputs)), states=(every,))

    def gates(self, inputs, states, training=False, masks=None):
        return FlipGates(inputs if masks is None else inputs * masks.inputs)

    def step(self, gates, states, masks=None):
        h = gates.candidate if masks is None else gates.candidate * masks.states[0]
        return h, [h]


@pytest.mark.parametrize("wrap", [lambda c: c, lambda c: kit.Zoneout(c, 0.0), lambda c: [c]])
def test_a_cell_may_draw_masks_of_its_own(wrap):
    layer = kit.RNN(wrap(Flip(4)), return_gates=True)
    ones = np.ones((6, 30, 4), "float32")

    def trace_of(returned):
        return returned[1] if hasattr(returned[1], "hidden") else returned[1][0]

    trace = trace_of(layer(ones, training=True))
    candidate, hidden = to_numpy(trace.candidate), to_numpy(trace.hidden)
    assert (candidate == candidate[:, :1]).all() and set(np.unique(candidate)) == {-1, 1}
    signs = hidden * candidate
    assert set(np.unique(signs)) == {-1, 1} and abs(signs.mean(axis=1)).max() < 1
    trace = trace_of(layer(ones))
    assert (to_numpy(trace.hidden) == 1).all()
