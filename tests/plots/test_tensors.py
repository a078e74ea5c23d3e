"""Traces of the backend's tensors are drawn."""

import keras
import numpy as np
import pytest

from tests.plots.traces import TIME, array, in_order, simple


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_tensors_of_the_backend(dtype):
    values = keras.ops.cast(keras.ops.convert_to_tensor(array(-1, 1)), dtype)
    mask = keras.ops.convert_to_tensor(np.ones((2, TIME), dtype=bool))
    image = in_order(simple(values, mask))["hidden"].images[0].get_array()
    assert np.allclose(image, array(-1, 1)[0].T, atol=1e-2)
