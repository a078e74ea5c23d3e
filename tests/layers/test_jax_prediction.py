"""What a step of a prediction costs on JAX, by the method for a GPU."""

import keras
import numpy as np
import pytest

from keras_rnnkit.running import run
from tests.layers.paths import HOLES, by_method, pair
from tests.support.cases import NAMESAKES, by_name

if keras.config.backend() != "jax":
    pytest.skip("JAX's programs", allow_module_level=True)

import jax

X = np.random.default_rng(5).normal(size=(4, 6, 3)).astype("float32")


def inner_programs(program):
    for equation in program.eqns:
        for value in equation.params.values():
            if hasattr(value, "jaxpr"):
                yield value.jaxpr
                yield from inner_programs(value.jaxpr)


def loop_of(layer, **arguments):
    """The equation of the one loop in a call of a layer."""
    program = jax.make_jaxpr(lambda x: layer(x, **arguments))(X).jaxpr
    every = [program, *inner_programs(program)]
    (loop,) = [e for p in every for e in p.eqns if e.primitive.name == "scan"]
    return loop


@pytest.mark.parametrize("mask", [None, HOLES], ids=["plain", "masked"])
@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_a_step_has_one_product_and_keeps_the_states_alone(case, mask, monkeypatch):
    monkeypatch.setattr(run, "choose", by_method("hoisted", case))
    loop = loop_of(pair(case, 3)[0], mask=mask)
    in_step = [equation.primitive.name for equation in loop.params["jaxpr"].jaxpr.eqns]
    assert in_step.count("dot_general") == 1 + (case.name == "gru_reset_before")
    assert len(loop.outvars) == case.states
