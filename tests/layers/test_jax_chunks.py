"""The backward pass on JAX in chunks of steps, where that of all steps would take much memory."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
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
    METHODS,
    VARIANTS,
    assert_same_gradients,
    assert_same_gradients_with_resets,
    by_method,
)
from tests.support.cases import NAMESAKES, by_name

if keras.config.backend() != "jax":
    pytest.skip("JAX's backward pass", allow_module_level=True)

from keras_rnnkit.kernels import jax as kernels

pytestmark = pytest.mark.skipif(
    kernels.jax.default_backend() != "cpu", reason="chunks are for a CPU"
)


# The chunks are made alike for each cell; the GRU has most pre-activations beside its gates.
SLOW = pytest.mark.slow_on("jax")


@pytest.fixture
def in_chunks(monkeypatch):
    """The lengths of the chunks that are made, with all limits lifted."""
    monkeypatch.setattr(kernels, "CHUNK_ABOVE_BYTES", 0)
    monkeypatch.setattr(kernels, "CHUNK_STEPS", 2)
    monkeypatch.setattr(kernels, "CHUNK_ROWS", 1)
    kernels._run.clear_cache()
    yield recorded_lengths(kernels, monkeypatch)
    kernels._run.clear_cache()


@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
@pytest.mark.parametrize("variant", ["gates", "recurrent dropout", "backwards"])
def test_chunks_have_the_portable_gradients(case, variant, in_chunks):
    assert_same_gradients(case, 3, HOLES, VARIANTS[variant])
    assert in_chunks == [2]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=[] if case.name == "gru" else SLOW)
        for case in NAMESAKES
    ],
)
@pytest.mark.parametrize(("method", "options"), METHODS, ids=str)
def test_chunks_of_every_method_send_gradients_to_the_first_states(
    method, options, case, in_chunks, monkeypatch
):
    monkeypatch.setattr(run, "choose", by_method(method, case))
    assert_first_states_get_the_portable_gradients(case, **options)
    assert in_chunks == [2]


def test_chunks_start_new_sequences_at_resets(in_chunks):
    assert_same_gradients_with_resets(NAMESAKES[0], 3)
    assert in_chunks == [2]


def test_totals_over_chunks_are_in_single_precision(in_chunks):
    assert_totals_are_in_single_precision()
    assert in_chunks == [2]


SHAPES = [
    ("LSTM", (200, 64), 128, 8),  # steps, batch: 8 steps or more
    ("LSTM", (100, 1024), 8, 10),  # that divide all steps
    ("LSTM", (200, 32), 512, 20),  # 512 rows or more
    ("LSTM", (100, 64), 102, None),  # at most 10 MiB
    ("LSTM", (100, 64), 103, 10),
    ("GRU", (100, 64), 102, None),  # which has four pre-activations a step, too
    ("GRU", (100, 64), 103, 10),
    ("LSTM", (101, 64), 128, None),  # no chunks of one length
    ("LSTM", (12, 64), 2048, None),  # too few steps for two chunks
    ("LSTM", (100, 0), 128, None),
]


@pytest.mark.parametrize(("cell", "sizes", "units", "length"), SHAPES, ids=str)
def test_chunks_where_they_save_much(cell, sizes, units, length):
    state = np.zeros((sizes[1], units), "float32")
    args = Arguments([np.zeros((*sizes, 1))], [state], None, None, None, [], [])
    assert kernels._chunk_length(Plan(getattr(_cells, cell), "fused gates"), args) == length


def test_the_backward_pass_can_be_exported_for_any_batch():
    layer = kit.LSTM(2)
    layer.build((None, 5, 3))
    export = pytest.importorskip("jax.export")
    batch, *_ = export.symbolic_shape("b")
    shape = kernels.jax.ShapeDtypeStruct((batch, 5, 3), "float32")
    exported = export.export(kernels.jax.jit(layer))(shape)
    assert exported.vjp().in_avals[0].shape == (batch, 5, 3)
