"""The backward pass on TensorFlow in chunks of steps, as wide layers take it."""

from pathlib import Path

import keras
import numpy as np
import pytest

from keras_rnnkit.kernels import _cells
from keras_rnnkit.kernels._arguments import Arguments, Plan
from keras_rnnkit.running import run
from tests.layers.chunks import (
    assert_first_states_get_the_portable_gradients,
    assert_totals_are_in_single_precision,
    recorded_lengths,
)
from tests.layers.paths import (
    HOLES,
    VARIANTS,
    assert_same_gradients,
    assert_same_gradients_with_resets,
    by_method,
    close,
    pair,
)
from tests.support.cases import NAMESAKES, by_name

if keras.config.backend() != "tensorflow":
    pytest.skip("TensorFlow's backward pass", allow_module_level=True)

from keras_rnnkit.kernels import tensorflow as kernels

pytestmark = pytest.mark.xla


@pytest.fixture
def in_chunks(monkeypatch):
    """The lengths of the chunks that are made, in layers of any width."""
    monkeypatch.setattr(kernels, "CHUNK_FROM_UNITS", 1)
    monkeypatch.setattr(kernels, "CHUNK_STEPS", 2)
    return recorded_lengths(kernels, monkeypatch)


@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
@pytest.mark.parametrize("variant", ["gates", "recurrent dropout", "backwards"])
def test_chunks_have_the_portable_gradients(case, variant, in_chunks, monkeypatch):
    monkeypatch.setattr(run, "choose", by_method("per gate", case))
    assert_same_gradients(case, 3, HOLES, VARIANTS[variant])
    assert in_chunks == [2]


@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_chunks_send_gradients_to_the_first_states(case, in_chunks, monkeypatch):
    monkeypatch.setattr(run, "choose", by_method("per gate", case))
    assert_first_states_get_the_portable_gradients(case)
    assert in_chunks == [2]


def test_chunks_train_a_model_as_the_portable_path(in_chunks, monkeypatch):
    monkeypatch.setattr(run, "choose", by_method("per gate", NAMESAKES[0]))
    x = np.random.default_rng(5).normal(size=(8, 6, 3)).astype("float32")
    trained = []
    for layer in pair(NAMESAKES[0], 3):
        model = keras.Sequential([keras.Input((6, 3)), layer])
        model.compile(keras.optimizers.SGD(0.5), "mse")
        model.fit(x, x[:, 0], batch_size=4, epochs=2, shuffle=False, verbose=0)
        trained.append(model.get_weights())
    for got, want in zip(*trained, strict=True):
        close(got, want)
    assert set(in_chunks) == {2}


def test_chunks_start_new_sequences_at_resets(in_chunks, monkeypatch):
    monkeypatch.setattr(run, "choose", by_method("per gate", NAMESAKES[0]))
    assert_same_gradients_with_resets(NAMESAKES[0], 3)
    assert in_chunks == [2]


def test_totals_over_chunks_are_in_single_precision(in_chunks, monkeypatch):
    monkeypatch.setattr(run, "choose", by_method("per gate", NAMESAKES[-1]))
    monkeypatch.setattr(kernels, "MOST_CHUNKS", 512)
    assert_totals_are_in_single_precision()
    assert in_chunks == [2]


def test_the_page_has_the_width():
    page = Path(__file__).parents[2] / "docs" / "background" / "design.md"
    assert f"TensorFlow from {kernels.CHUNK_FROM_UNITS} units" in page.read_text("utf-8")


LENGTHS = [
    ("per gate", 100, 96, 20),
    ("per gate", 400, 96, 40),  # ten chunks at most
    ("per gate", 100, 95, None),  # narrow
    ("hoisted", 100, 96, None),  # as on a GPU
    ("per gate", 101, 96, None),  # no chunks of one length
    ("per gate", 38, 96, None),  # too few steps for two chunks
    ("per gate", None, 96, None),
]


@pytest.mark.parametrize(("method", "steps", "units", "length"), LENGTHS)
def test_chunks_in_wide_layers(method, steps, units, length):
    inputs, state = (keras.KerasTensor(shape) for shape in ((steps, 4, 2), (4, units)))
    args = Arguments([inputs], [state], None, None, None, [], [])
    assert kernels._chunk_length(Plan(_cells.LSTM, method), args) == length
