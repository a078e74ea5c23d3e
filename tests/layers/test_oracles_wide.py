"""The kernels against the equations, at a width at which each of their methods is chosen."""

import numpy as np
import pytest
from keras import ops

from keras_rnnkit.running.run import choice_for
from tests.support.backends import gradients, in_a_graph
from tests.support.cases import MASKS, NAMESAKES, built, by_name, to_numpy
from tests.support.oracles import outputs_of

WIDTHS = (3, 12, 48, 130, 260, 520)
BATCH, TIME, FEATURES = 2, 3, 2
MASK = MASKS["holes"][:BATCH, :TIME]


def widths_of_methods(case, masked):
    """The first width at which each method trains, and at which each predicts."""
    first = {}
    for units in WIDTHS:
        layer = case.layer(units, **case.options)
        for training in (True, False):
            asked = {"masked": masked, "capture_gates": False, "training": training}
            first.setdefault((choice_for(layer, **asked).method, training), units)
    return sorted(set(first.values()))


def directional(function, arrays, directions):
    """The derivative of a real-valued function in the direction of each array."""
    found = []
    for i, direction in enumerate(directions):
        moved = [a + 1e-30j * direction if k == i else a + 0j for k, a in enumerate(arrays)]
        found.append(function(moved).imag / 1e-30)
    return found


# With a mask in a graph, which XLA compiles on TensorFlow; without one by single operations.
@pytest.mark.parametrize(
    "mask", [None, pytest.param(MASK, marks=pytest.mark.xla)], ids=["no mask", "holes"]
)
@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_outputs_states_and_gradients_of_every_method(case, mask):
    for units in widths_of_methods(case, mask is not None):
        check(case, mask, units)


def check(case, mask, units):
    rng = np.random.default_rng(units)
    x = rng.normal(size=(BATCH, TIME, FEATURES))
    weights = [w / np.sqrt(units) for w in case.weights(rng, FEATURES, units)]
    states = [rng.normal(size=(BATCH, units)) for _ in range(case.states)]
    every = np.ones((BATCH, TIME), bool) if mask is None else mask
    factors = rng.normal(size=(BATCH, TIME, units)) / units

    def oracle_loss(arrays):
        trace = case.oracle(arrays[0], arrays[1:], states, every)
        return np.sum(factors * outputs_of(trace))

    given = {"mask": mask, "initial_state": [state.astype("float32") for state in states]}

    def loss(layer, inputs):
        outputs, *_ = layer(inputs, training=True, **given)
        return ops.sum(ops.convert_to_tensor(factors, dtype="float32") * outputs)

    layer = built(case, weights, FEATURES, units, return_sequences=True, return_state=True)
    want = case.oracle(x, weights, states, every)
    close = {"rtol": 1e-4, "atol": 1e-5}
    compiled = (lambda function: function) if mask is None else in_a_graph
    inputs = ops.convert_to_tensor(x, dtype="float32")
    outputs, *last = compiled(lambda inputs: layer(inputs, **given))(inputs)
    np.testing.assert_allclose(to_numpy(outputs), outputs_of(want), **close)
    for state, name in zip(last, ("hidden", "cell"), strict=False):
        np.testing.assert_allclose(to_numpy(state), want[name][:, -1], **close)

    arrays = [x, *weights]
    directions = [rng.normal(size=array.shape) for array in arrays]
    slopes = directional(oracle_loss, arrays, directions)
    of_inputs = compiled(lambda inputs: loss(layer, inputs))
    found = gradients(lambda _, inputs: of_inputs(inputs), layer, x.astype("float32"))
    for gradient, direction, slope in zip(found, directions, slopes, strict=True):
        scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
        assert abs(np.sum(gradient * direction) - slope) < 1e-5 * max(1, scale), units
