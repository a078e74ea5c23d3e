"""The memory of the tests is limited."""

import weakref
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support import memory
from tests.support.memory import MemoryGuard, WorkerPeaks


def session(**config):
    return SimpleNamespace(exitstatus=0, config=SimpleNamespace(**config))


@pytest.mark.parametrize(("peak", "status"), [(1.4, 0), (1.6, 1)])
def test_a_worker_above_the_limit_fails_the_run(peak, status, monkeypatch):
    monkeypatch.setattr(memory, "memory", lambda what: peak)
    worker = session(workeroutput={})
    MemoryGuard(limit=1.5).pytest_sessionfinish(worker)
    node = SimpleNamespace(
        workeroutput=worker.config.workeroutput, gateway=SimpleNamespace(id="gw0")
    )
    run, lines = MemoryGuard(limit=1.5), []
    WorkerPeaks(run).pytest_testnodedown(node)
    ended = session()
    run.pytest_sessionfinish(ended)
    run.pytest_terminal_summary(SimpleNamespace(write_line=lambda line, **_: lines.append(line)))
    assert ended.exitstatus == status
    assert lines[0] == f"Peak memory: gw0 {peak:.2f} GB"
    assert lines[1:] == ["ERROR: gw0 took more than 1.5 GB"] * status


def test_caches_are_cleared_when_memory_has_grown(monkeypatch):
    levels, cleared = iter([1.0, 0.9, 1.1, 1.4, 0.8, 1.0]), []
    monkeypatch.setattr(memory, "memory", lambda: next(levels))
    monkeypatch.setattr(memory, "clear_caches", lambda: cleared.append(1))
    guard = MemoryGuard(limit=1.5)
    seen = []
    for _ in range(5):
        guard.after_test()
        seen.append(len(cleared))
    assert seen == [0, 0, 0, 1, 1]


@pytest.mark.skipif(keras.config.backend() != "jax", reason="JAX alone needs it")
def test_jax_clears_what_it_compiled():
    import jax

    compiled = jax.jit(lambda x: x + 1)
    compiled(1.0)
    assert compiled._cache_size() == 1
    memory.clear_caches()
    assert compiled._cache_size() == 0
    assert np.isfinite(kit.LSTM(2)(np.ones((1, 3, 2), "float32"))).all()


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="TensorFlow alone needs it")
def test_tensorflow_frees_the_graphs_of_trained_models():
    import tensorflow as tf

    graphs = []

    def loss(y, outputs):
        graphs.append(weakref.ref(tf.compat.v1.get_default_graph()))
        return keras.ops.mean((y - outputs) ** 2)

    model = keras.Sequential([keras.Input((3, 2)), kit.LSTM(2)])
    model.compile("sgd", loss)
    model.fit(np.ones((1, 3, 2)), np.ones((1, 2)), verbose=0)
    assert all(graph() is not None for graph in graphs)
    del model
    memory.clear_caches()
    assert graphs and all(graph() is None for graph in graphs)
