"""Traces of the backend's tensors, and of its layers, are drawn."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit import plots
from tests.plots.test_choices import prediction_panel
from tests.plots.test_explore import LSTMLike, lstm, read
from tests.plots.traces import TIME, GRULike, array, in_order, panels, simple


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_tensors_of_the_backend(dtype):
    values = keras.ops.cast(keras.ops.convert_to_tensor(array(-1, 1)), dtype)
    mask = keras.ops.convert_to_tensor(np.ones((2, TIME), dtype=bool))
    image = in_order(simple(values, mask))["hidden"].images[0].get_array()
    assert np.allclose(image, array(-1, 1)[0].T, atol=1e-2)


def test_a_page_of_tensors_of_the_backend(tmp_path):
    trace = LSTMLike(*map(keras.ops.convert_to_tensor, lstm()[:-1]), mask=None)
    assert read(trace, tmp_path / "page.html")[0]["tokens"] == ["0", "1", "2", "3", "4", "5"]


def test_the_prediction_so_far_is_the_head_on_each_hidden_state_that_is_not_masked():
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    mask = np.array([[1, 1, 0, 1, 0, 1], [1] * 6], dtype=bool)
    layer, head = kit.LSTM(4), keras.layers.Dense(1, activation="sigmoid")
    trace = layer.trace(x, mask)
    values = keras.ops.convert_to_numpy(head(trace.hidden))[0, :, 0]
    inputs = keras.Input((4,))
    for one in (head, keras.Model(inputs, head(inputs)), lambda h: head(h)[:, 0]):
        axes = prediction_panel(plots.gates(trace, head=one))
        assert np.allclose(axes.lines[0].get_ydata(), values[mask[0]], atol=1e-5)
        assert axes.get_ylim()[0] < 0 and axes.get_ylim()[1] > 1
    assert "prediction so far" not in panels(plots.gates(trace))


def test_the_trace_of_a_layer():
    trace = kit.GRU(4).trace(np.ones((1, 5, 3), "float32"))
    assert list(panels(plots.states(trace))) == ["hidden"]
    assert isinstance(trace, kit.GRUTrace) and GRULike._fields == trace._fields
