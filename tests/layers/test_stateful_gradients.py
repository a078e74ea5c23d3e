"""Gradients through a stateful layer, which assigns its new states before the backward pass."""

import numpy as np
import pytest
from keras import ops

from tests.support.backends import gradients
from tests.support.cases import NAMESAKES, assert_close, by_name

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 2)).astype("float32")


def loss(layer, x, **given):
    return ops.sum(layer(x, training=True, **given) ** 2)


@pytest.mark.parametrize("path", ["auto", "portable"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_they_are_those_of_the_states_before_the_call(case, dropout, path):
    options = {"path": path, "recurrent_dropout": dropout, "seed": 1, **case.options}
    carrying, plain = case.layer(2, stateful=True, **options), case.layer(2, **options)
    for layer in (carrying, plain):
        layer.build(X.shape)
    plain.set_weights([RNG.normal(size=weight.shape) for weight in plain.weights])
    carrying.set_weights(plain.get_weights())
    states = [RNG.normal(size=(3, 2)).astype("float32") for _ in range(case.states)]
    carrying.reset_state(states)

    def from_states(layer, x):
        return loss(layer, x, initial_state=states)

    assert_close(gradients(loss, carrying, X), gradients(from_states, plain, X))
