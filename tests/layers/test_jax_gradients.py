"""Second derivatives and forward mode on JAX, of every kernel."""

import keras
import numpy as np
import pytest

from tests.support.cases import MIN_CASES, NAMESAKES, assert_close, by_name

if keras.config.backend() != "jax":
    pytest.skip("JAX's transforms", allow_module_level=True)

import jax

CASES = [*NAMESAKES, *(case for case in MIN_CASES if not case.options)]
FEATURES, UNITS = 3, 4
X = np.random.default_rng(5).normal(size=(2, 6, FEATURES)).astype("float32")
MASK = np.array([[1, 1, 0, 1, 1, 0], [0, 1, 1, 1, 1, 1]], bool)


def made(case, path):
    layer = case.layer(UNITS, path=path, **case.options)
    layer.build(X.shape)
    layer.set_weights([w / 2 for w in case.weights(np.random.default_rng(1), FEATURES, UNITS)])
    return layer


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_second_derivatives_are_those_of_the_portable_path(case):
    found = []
    for path in ("auto", "portable"):
        layer = made(case, path)

        def penalty(x, layer=layer):
            gradient = jax.grad(lambda x: (layer(x, mask=MASK) ** 2).sum())(x)
            return (gradient**2).sum()

        found.append(jax.grad(penalty)(X))
    assert abs(found[1]).max() > 1e-3
    assert_close(*found, rtol=2e-4, atol=2e-5)


def test_forward_mode_takes_the_portable_path_alone():
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(made(NAMESAKES[0], "auto"), (X,), (X,))
    jax.jvp(made(NAMESAKES[0], "portable"), (X,), (X,))
