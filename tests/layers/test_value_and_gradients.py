"""A value and its gradients, on every backend, against float64 formulas in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from keras_rnnkit.kernels import backend_kernels
from tests.support import oracles
from tests.support.backends import float64_allowed
from tests.support.cases import NAMESAKES, built, to_numpy

BACKEND = keras.config.backend()
RNG = np.random.default_rng(5)
A, B, X = RNG.normal(size=(2, 3)), RNG.normal(size=(3,)), RNG.normal(size=(2, 5, 3))
MASK = np.array([[1, 1, 0, 1, 1], [0, 1, 1, 1, 0]], bool)


def taken(function, *arrays, dtype="float64"):
    tensors = [ops.convert_to_tensor(array, dtype=dtype) for array in arrays]
    return backend_kernels().value_and_gradients(function, tensors)


def assert_close(found, wanted, dtype="float64"):
    for got, want in zip(found, wanted, strict=True):
        assert keras.backend.standardize_dtype(got.dtype) == dtype
        tolerance = 1e-5 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(to_numpy(got), want, rtol=tolerance, atol=tolerance)


def product(a, b):
    return ops.sum(a * a * a * b)


def wanted_of_product():
    return np.sum(A**3 * B), [3 * A**2 * B, (A**3).sum(0)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_formula(dtype):
    with float64_allowed():
        value, gradients = taken(product, A, B, dtype=dtype)
        want, d_want = wanted_of_product()
        assert_close([value, *gradients], [want, *d_want], dtype)


def test_no_tensor_at_all():
    value, gradients = backend_kernels().value_and_gradients(lambda: ops.sum(ops.ones(3)), [])
    assert float(value) == 3
    assert gradients == []


@pytest.mark.parametrize("used", [True, False])
def test_a_tensor_that_is_not_used_has_zeros(used):
    with float64_allowed():
        constant = ops.convert_to_tensor(2.0, dtype="float64")
        value, gradients = taken(lambda a, b: ops.sum(a) if used else constant, A, B)
        assert_close(gradients, [np.ones_like(A) * used, np.zeros_like(B)])
        assert_close([value], [A.sum() if used else 2.0])


def test_rows_of_a_table():
    """The gradient of a lookup is a whole table, not a list of its rows."""
    with float64_allowed():
        _, (gradient,) = taken(lambda a: ops.sum(ops.take(a, [1, 1], axis=0)), A)
        assert_close([gradient], [[[0] * 3, [2] * 3]])


@pytest.mark.parametrize("case", NAMESAKES, ids=lambda case: case.name)
def test_through_a_layer_of_the_kit(case):
    weights = case.weights(np.random.default_rng(1), 3, 4)
    zeros = case.filled(0, 2, 4)

    def oracle(arrays):
        return np.sum(case.oracle(arrays[0], weights, zeros, MASK)["hidden"] ** 3)

    with float64_allowed():
        layer = built(case, weights, 3, 4, "float64", return_sequences=True)
        value, gradients = taken(lambda x: ops.sum(layer(x, mask=MASK) ** 3), X)
        assert_close([value], [oracle([X])])
        assert_close(gradients, oracles.complex_step(oracle, [X]))


def test_within_a_compiled_function():
    if BACKEND == "torch":
        pytest.skip("PyTorch compiles nothing by itself")
    layer = kit.LSTM(4)
    layer.build((2, 5, 3))

    def both(x):
        value, (gradient,) = backend_kernels().value_and_gradients(
            lambda x: ops.sum(layer(x) ** 2), [x]
        )
        return value, gradient

    x = ops.convert_to_tensor(X, dtype="float32")
    compiled = backend_kernels().compiled(both, layer.variables, xla=False)
    assert_close(compiled(x), map(to_numpy, both(x)), "float32")


@pytest.mark.skipif(BACKEND != "torch", reason="the modes of PyTorch")
@pytest.mark.parametrize("mode", ["no_grad", "inference_mode"])
def test_parameters_of_torch_get_no_gradients_in_any_mode(mode):
    import torch

    layer = kit.LSTM(4)
    layer.build((2, 5, 3))
    sums = {}
    for inner in ("enable_grad", mode):
        with getattr(torch, inner)():
            x = ops.convert_to_tensor(X, dtype="float32")
            value, (gradient,) = backend_kernels().value_and_gradients(
                lambda x: ops.sum(layer(x) ** 2), [x]
            )
        assert not value.requires_grad
        assert not x.requires_grad
        sums[inner] = gradient
    assert all(variable.value.grad is None for variable in layer.variables)
    np.testing.assert_array_equal(*map(to_numpy, sums.values()))
    assert np.abs(to_numpy(gradient)).min() > 0
