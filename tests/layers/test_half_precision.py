"""Policies of pure half precision: weights, too, are float16 or bfloat16."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from tests.support.cases import CASES, MIN_CASES, by_name, few_where_compiled, to_numpy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5, 4)).astype("float32")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("case", few_where_compiled([*CASES, *MIN_CASES]), ids=by_name)
def test_every_layer_is_built_with_its_own_initializers(case, dtype):
    layer = case.layer(3, dtype=dtype, **case.options)
    output = layer(X)
    assert all(keras.utils.standardize_dtype(w.dtype) == dtype for w in layer.weights)
    assert keras.utils.standardize_dtype(output.dtype) == dtype
    assert np.isfinite(to_numpy(ops.cast(output, "float32"))).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_initial_recurrent_kernel_is_that_of_float32(dtype):
    kernels = []
    for of_kernel in (dtype, "float32"):
        cell = kit.GRUCell(
            3, recurrent_initializer=keras.initializers.Orthogonal(seed=1), dtype=of_kernel
        )
        cell.build((None, 4))
        kernels.append(to_numpy(ops.cast(cell.recurrent_kernel, "float32")))
    np.testing.assert_allclose(*kernels, atol=0.01)
    np.testing.assert_allclose(kernels[0] @ kernels[0].T, np.eye(3), atol=0.02)
