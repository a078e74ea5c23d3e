"""Repeated eager calls: nothing is compiled twice, and no memory is retained."""

import contextlib
import gc
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import CASES, MIN_CASES, assert_close, by_name, to_numpy

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
HOLES = np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 0], [1, 1, 0, 1, 1]], bool)
ON_JAX = pytest.mark.skipif(keras.config.backend() != "jax", reason="about what JAX compiles")


@contextlib.contextmanager
def compilations():
    """A list that grows with everything that JAX compiles."""
    import jax

    found = []

    def heard(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            found.append(duration)

    jax.monitoring.register_event_duration_secs_listener(heard)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(heard)


def calls(layer):
    """Every kind of eager call."""
    layer(X)
    layer(X, training=True)
    layer(X, mask=HOLES)
    if hasattr(layer, "trace"):
        layer.trace(X)
        layer.trace(X, mask=HOLES)


class Own(kit.GatedCell, keras.layers.SimpleRNNCell):
    state_names, gates_type = ("hidden",), kit.SimpleRNNGates
    trace_type = kit.SimpleRNNTrace

    def gates(self, inputs, states, training=False):
        return kit.SimpleRNNGates(inputs @ self.kernel + states[0])

    def step(self, gates, states):
        return gates.candidate, [gates.candidate]


LAYERS = {
    "fused": lambda: kit.LSTM(3, dropout=0.5),
    "portable": lambda: kit.GRU(3, path="portable", dropout=0.5, recurrent_dropout=0.5),
    "other activation": lambda: kit.LSTM(3, activation="relu"),
    "function": lambda: kit.LSTM(3, activation=lambda x: 0.5 * x),
    "unrolled": lambda: kit.LSTM(3, unroll=True),
    "min_gru": lambda: kit.MinGRU(3),
    "zoneout": lambda: kit.RNN(kit.Zoneout(kit.LSTMCell(3), 0.5)),
    "of keras": lambda: kit.RNN(keras.layers.GRUCell(3, dropout=0.5)),
    "one's own": lambda: kit.RNN(Own(4)),
    "cells": lambda: kit.RNN([kit.GRUCell(3), keras.layers.LSTMCell(2)]),
    "stack": lambda: kit.StackedRNN([3, 2], bidirectional=True, path="portable"),
    "stateful": lambda: kit.GRU(3, path="portable", stateful=True),
}


@ON_JAX
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_the_second_call_compiles_nothing(make):
    layer = make()
    calls(layer)
    with compilations() as found:
        calls(layer)
        calls(layer)
    assert not found


@ON_JAX
@pytest.mark.parametrize("case", [*CASES[-3:], *MIN_CASES[::2]], ids=by_name)
def test_an_eager_call_is_compiled_with_everything_it_depends_on(case):
    options = {"path": "portable", "return_sequences": True, **case.options}
    layer = case.layer(3, **options)
    first = to_numpy(layer(X))
    layer.set_weights([w + 0.5 for w in layer.get_weights()])
    assert not np.allclose(to_numpy(layer(X)), first)
    layer.cell.activation = keras.activations.softsign
    new = case.layer(3, activation="softsign", **options)
    new.build((None, 5, 4))
    new.set_weights(layer.get_weights())
    assert_close(layer(X), new(X))
    if hasattr(layer.cell, "leaky"):
        layer.cell.leaky = 0.25
        assert not np.allclose(to_numpy(layer(X)), to_numpy(new(X)))


def test_what_a_cell_of_ones_own_looks_at_is_looked_at_in_every_call():
    class Scaled(Own):
        scale = 1.0

        def gates(self, inputs, states, training=False):
            return kit.SimpleRNNGates(self.scale * (inputs @ self.kernel))

    layer = kit.RNN(Scaled(4))
    once = to_numpy(layer(X))
    layer.cell.scale = 3.0
    assert_close(layer(X), 3 * once)
    assert_close(layer.trace(X).hidden[:, -1], 3 * once)


@pytest.mark.parametrize("name", ["portable", "of keras", "zoneout", "cells"])
def test_a_layer_without_references_is_freed(name):
    layer = LAYERS[name]()
    calls(layer)
    seen = weakref.ref(layer), weakref.ref(layer.cell)
    del layer
    gc.collect()
    assert [one() for one in seen] == [None, None]


def resident():
    """The memory of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc to read")
@pytest.mark.parametrize("name", ["fused", "portable", "zoneout", "one's own", "min_gru"])
def test_five_thousand_calls_keep_nothing(name):
    layer = LAYERS[name]()
    model = keras.Sequential([keras.Input((5, 4)), layer])
    run = [
        lambda: layer(X),
        lambda: layer(X, training=True),
        lambda: layer.trace(X, mask=HOLES),
        lambda: model.predict_on_batch(X),
    ]
    grown = []
    for _ in range(6):
        before = resident()
        for i in range(1000):
            run[i % 4]()
        gc.collect()
        grown.append(resident() - before)
    # What each call kept would be kept by every thousand of them; the allocator's moods are not.
    assert min(grown[1:]) < 1
