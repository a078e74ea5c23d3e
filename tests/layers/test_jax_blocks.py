"""The way back on JAX in blocks of steps, where all at once would take much memory."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.kernels import _cells
from keras_rnnkit.kernels._sequence import Arguments
from tests.layers.test_paths import HOLES, VARIANTS, assert_same_gradients
from tests.support.backends import gradients
from tests.support.cases import NAMESAKES, by_name

if keras.config.backend() != "jax":
    pytest.skip("JAX's way back", allow_module_level=True)

from keras_rnnkit.kernels import jax as kernels

CPU_ONLY = pytest.mark.skipif(kernels.jax.default_backend() != "cpu", reason="blocks are a CPU's")


@pytest.fixture
def in_blocks(monkeypatch):
    """The lengths of the blocks that are made, with all limits lifted."""
    lengths, block = [], kernels._block
    monkeypatch.setattr(kernels, "AT_ONCE", 0)
    monkeypatch.setattr(kernels, "STEPS", 2)
    monkeypatch.setattr(kernels, "ROWS", 1)

    def note(args):
        lengths.append(block(args))
        return lengths[-1]

    monkeypatch.setattr(kernels, "_block", note)
    kernels._run.clear_cache()
    yield lengths
    kernels._run.clear_cache()


@CPU_ONLY
@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
@pytest.mark.parametrize("variant", ["gates", "recurrent dropout", "backwards"])
def test_blocks_have_the_portable_gradients(case, variant, in_blocks):
    assert_same_gradients(case, 3, HOLES, VARIANTS[variant])
    assert in_blocks == [2]


@CPU_ONLY
def test_sums_over_blocks_are_in_single_precision(in_blocks):
    """Each of 512 blocks adds two to the gradient of the bias, which bfloat16 cannot past 512."""
    layer = kit.SimpleRNN(1, dtype="mixed_bfloat16", return_sequences=True)
    layer.build((1, 1024, 1))
    layer.set_weights([np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(1)])

    def loss(layer, x):
        return keras.ops.sum(keras.ops.cast(layer(x), "float32"))

    *_, d_bias = gradients(loss, layer, np.zeros((1, 1024, 1), "float32"))
    assert in_blocks == [2]
    np.testing.assert_array_equal(np.asarray(d_bias, "float32"), [1024.0])


SHAPES = [
    ((100, 64, 128), 128, 10),  # 512 rows or more
    ((200, 32, 256), 512, 20),
    ((100, 1024, 16), 8, 10),  # 8 steps or more
    ((100, 64, 16), 8, None),  # little enough to be made at once
    ((101, 64, 128), 128, None),  # no blocks of one length
    ((12, 64, 128), 2048, None),  # too few steps for two blocks
]


@CPU_ONLY
@pytest.mark.parametrize(("shape", "units", "length"), SHAPES, ids=str)
def test_blocks_where_they_save_much(shape, units, length):
    columns = len(_cells.LSTM.inputs) * units
    kernel = np.zeros((shape[-1], columns), "float32")
    args = Arguments([np.zeros(shape, "float32")], [], kernel, None, None, [], [])
    assert kernels._block(args) == length
