"""`resets`: new sequences inside the rows, against the equations of each sequence by itself."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.backends import float64_allowed, gradients
from tests.support.cases import CASES, MIN_CASES, NAMESAKES, built, to_numpy
from tests.support.oracles import complex_step, restarted

BATCH, TIME, FEATURES, UNITS = 3, 6, 2, 3
RESETS = np.array([[0, 0, 1, 0, 1, 0], [1, 0, 0, 1, 1, 0], [0, 1, 0, 0, 0, 1]], bool)
# Resets at valid and at masked steps, at the first step, and at the last one.
MASKS = {
    "no mask": None,
    "holes": np.array([[1, 1, 0, 1, 0, 0], [0, 1, 1, 0, 1, 1], [1, 0, 1, 0, 1, 0]], bool),
}
EVERYTHING = {"return_sequences": True, "return_state": True, "return_gates": True}
MIN = [case for case in MIN_CASES if not case.options]
# The portable loop treats all cells alike: where it is compiled, one of them is enough.
WITH_KERNEL = [*NAMESAKES, *MIN]
QUICK = [*WITH_KERNEL, *(case for case in CASES if case.name == "projected_lstm")]
ALL = [
    pytest.param(
        case,
        id=case.name,
        marks=[] if case in QUICK else pytest.mark.slow_on("jax", "tensorflow"),
    )
    for case in [*CASES, *MIN_CASES]
]
EXACT = {"rtol": 1e-10, "atol": 1e-10}


def drawn(case, seed=0):
    rng = np.random.default_rng(seed)
    x, weights = rng.normal(size=(BATCH, TIME, FEATURES)), case.weights(rng, FEATURES, UNITS)
    return x, weights, [rng.normal(size=(BATCH, size)) for size in case.sizes(UNITS)]


def mask_of(name):
    return np.ones((BATCH, TIME), bool) if MASKS[name] is None else MASKS[name]


@pytest.mark.parametrize("path", ["auto", "portable"])
@pytest.mark.parametrize(
    ("mask", "backwards"), [("no mask", False), ("holes", False), ("holes", True)]
)
@pytest.mark.parametrize("case", ALL)
def test_outputs_states_and_gates_are_those_of_the_equations(case, mask, backwards, path):
    if path == "portable" and case not in WITH_KERNEL:
        pytest.skip("the path of the cell already")
    x, weights, states = drawn(case)
    options = {**EVERYTHING, "go_backwards": backwards, "path": path}
    with float64_allowed():
        layer = built(case, weights, FEATURES, UNITS, "float64", **options)
        call = {"mask": MASKS[mask], "resets": RESETS, "initial_state": states}
        outputs, *last, trace = layer(x, **call)
    want, wanted_outputs = restarted(
        case.oracle, x, weights, states, mask_of(mask), RESETS, go_backwards=backwards
    )
    for field in trace._fields:
        value = to_numpy(getattr(trace, field))
        np.testing.assert_allclose(value, want[field], **EXACT, err_msg=field)
    np.testing.assert_allclose(to_numpy(outputs), wanted_outputs, **EXACT)
    for state, name in zip(last, ("hidden", "cell"), strict=False):
        np.testing.assert_allclose(to_numpy(state), want[name][:, -1], **EXACT)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("case", ALL)
def test_gradients_are_those_of_the_equations(case, mask):
    """Also those of the learned states, from which the sequences start."""
    x, weights, states = drawn(case, seed=1)
    learned = [state[0] for state in states]

    def expected(arrays):
        x, *weights = arrays[: -case.states]
        rows = [np.tile(state, (BATCH, 1)) for state in arrays[-case.states :]]
        return restarted(case.oracle, x, weights, rows, mask_of(mask), RESETS, rows)

    trace, outputs = expected([x, *weights, *learned])
    rng = np.random.default_rng(2)
    by_output, by_gate = (rng.normal(size=v.shape) for v in (outputs, trace["candidate"]))

    def oracle_loss(arrays):
        trace, outputs = expected(arrays)
        return np.sum(by_output * outputs) + np.sum(by_gate * trace["candidate"] ** 2)

    def loss(layer, inputs):
        outputs, trace = layer(inputs, mask=MASKS[mask], resets=RESETS)
        share, penalty = (
            keras.ops.convert_to_tensor(v, dtype="float64") for v in (by_output, by_gate)
        )
        return keras.ops.sum(share * outputs) + keras.ops.sum(penalty * trace.candidate**2)

    with float64_allowed():
        options = {"return_sequences": True, "return_gates": True}
        inner = built(case, weights, FEATURES, UNITS, "float64", **options)
        layer = kit.LearnedInitialState(inner)
        layer.build(x.shape)
        for variable, value in zip(layer.learned_states, learned, strict=True):
            variable.assign(value)
        got = gradients(loss, layer, x)
    by_x, *by_own = complex_step(oracle_loss, [x, *weights, *learned])
    own = map(id, [*inner.weights, *layer.learned_states])
    by_variable = dict(zip(own, by_own, strict=True))
    wanted = [by_x, *(by_variable[id(variable)] for variable in layer.trainable_variables)]
    for mine, want in zip(got, wanted, strict=True):
        np.testing.assert_allclose(mine, want, **EXACT)
