"""The arrays of a trace: of batches put together, copied once, and nobody else's."""

import tracemalloc

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.models._arrays import Rows
from keras_rnnkit.models._runner import runner_for
from tests.models.traced import BATCH, FEATURES, STEPS, model_of, sequences


def test_batches_make_no_difference():
    model = model_of(keras.layers.GRU(3, name="gru"))
    x = np.concatenate([sequences(seed=i) for i in range(3)])
    whole, parts = kit.trace(model, x), kit.trace(model, x, batch_size=4)
    for field in whole["gru"]._fields:
        a, b = getattr(whole["gru"], field), getattr(parts["gru"], field)
        np.testing.assert_allclose(a, b, atol=1e-6)
    a, b = whole["gru"].origin.initial_states, parts["gru"].origin.initial_states
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(whole.outputs, parts.outputs, atol=1e-6)


def test_arrays_of_traces_are_ones_own():
    model = model_of(kit.Bidirectional(kit.LSTM(3), name="both"), masked=False)
    for size in (2, BATCH):
        traces, again = (kit.trace(model, sequences(), batch_size=size) for _ in range(2))
        record, other = traces["both"].forward, again["both"].forward
        expected = other.forget.copy()
        for array in (*record, *traces["both"].backward, traces.outputs):
            array[...] = 0  # not of a tensor, which may be of the model
        np.testing.assert_array_equal(other.forget, expected)
        (part,) = kit.trace_batches(model, sequences())
        part["both"].forward.forget[...] = 0


def test_the_rows_of_batches_are_spread_evenly(monkeypatch):
    monkeypatch.setattr("keras_rnnkit.models._runner.Runner.batch_size", lambda self, x: 4)
    runner = runner_for(model_of(kit.GRU(3)), None)
    x = np.zeros((9, STEPS, FEATURES))
    assert [len(batch) for batch in runner.batches(x, None)] == [3, 3, 3]
    assert [len(batch) for batch in runner.batches(x, 4)] == [4, 4, 1]


def test_each_batch_is_copied_once():
    model = keras.Sequential([keras.Input((50, FEATURES)), kit.LSTM(32)])
    x = np.zeros((200, 50, FEATURES), "float32")
    kit.trace(model, x, batch_size=20)
    tracemalloc.start()
    try:
        traces = kit.trace(model, x, batch_size=20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    size = sum(array.nbytes for array in keras.tree.flatten(dict(traces)))
    assert peak < 1.4 * size  # the arrays of all rows, and at most a few batches


def test_arrays_of_batches_are_put_together_whatever_their_rows():
    rows = Rows(5)
    for part in (np.arange(3), np.arange(3, 5)):
        twice = np.repeat(part, 2)
        changing = part if len(part) == 3 else twice
        rows.add(len(part), {"rows": part[:, None], "twice": twice, "changing": changing})
    found = rows.result()
    np.testing.assert_array_equal(found["rows"], np.arange(5)[:, None])
    np.testing.assert_array_equal(found["twice"], np.repeat(np.arange(5), 2))
    np.testing.assert_array_equal(found["changing"], [0, 1, 2, 3, 3, 4, 4])
    rows = Rows(2)
    for _ in range(2):
        rows.add(1, np.float32(1))
    with pytest.raises(ValueError, match="a row for each example"):
        rows.result()
