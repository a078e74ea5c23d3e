"""Layers against the float64 NumPy transcriptions of their equations."""

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st

from tests.support.backends import float64_allowed, gradients
from tests.support.cases import CASES, MASKS, MIN_CASES, NAMESAKES, built, by_name, to_numpy
from tests.support.oracles import complex_step, outputs_of

ALL = [*CASES, *MIN_CASES]
WITH_KERNEL = [*NAMESAKES, *MIN_CASES]


def with_masks(*masks):
    """Each case with each mask: a case, a dtype and the name of the mask.

    Without a kernel, the loop treats the masks of all cells alike: one of them is enough where it
    has to be compiled.
    """
    return [
        pytest.param(
            case,
            dtype,
            mask,
            id=f"{case.name}-{dtype}-{mask}",
            marks=[]
            if case in WITH_KERNEL or (dtype, mask) == ("float64", "holes")
            else pytest.mark.slow_on("jax", "tensorflow"),
        )
        for case in ALL
        for dtype, mask in masks
    ]


TOLERANCES = {"float32": 1e-5, "float64": 1e-10}


def expected_trace(case, x, weights, states, mask, go_backwards=False):
    mask = np.ones(x.shape[:2], bool) if mask is None else mask
    if go_backwards:
        x, mask = x[:, ::-1], mask[:, ::-1]
    return case.oracle(x, weights, states, mask)


def check(case, dtype, mask, *, go_backwards, initial, seed=0, batch=3, time=5, feats=2, units=3):
    rng = np.random.default_rng(seed)
    x, weights = rng.normal(size=(batch, time, feats)), case.weights(rng, feats, units)
    states = [rng.normal(size=(batch, size)) * initial for size in case.sizes(units)]
    want = expected_trace(case, x, weights, states, mask, go_backwards)
    layer = built(
        case,
        weights,
        feats,
        units,
        dtype,
        go_backwards=go_backwards,
        return_sequences=True,
        return_state=True,
        return_gates=True,
    )
    given = [state.astype(dtype) for state in states] if initial else None
    outputs, *last, trace = layer(x.astype(dtype), mask=mask, initial_state=given)
    tolerance = TOLERANCES[dtype] * (case.amplifies if dtype == "float32" else 1)
    close = {"rtol": tolerance, "atol": tolerance}
    assert set(trace._fields) == set(want)
    for field in trace._fields:
        np.testing.assert_allclose(
            to_numpy(getattr(trace, field)), want[field], **close, err_msg=field
        )
    np.testing.assert_allclose(to_numpy(outputs), outputs_of(want), **close)
    for state, name in zip(last, ("hidden", "cell"), strict=False):
        np.testing.assert_allclose(to_numpy(state), want[name][:, -1], **close)
        assert keras.backend.standardize_dtype(state.dtype) == dtype


# In float64 a difference shows most; float32 is drawn at random below.
@pytest.mark.parametrize(
    ("go_backwards", "initial"),
    [(False, 0), (True, 1)],
    ids=["from zeros", "from states, backwards"],
)
@pytest.mark.parametrize(
    ("case", "dtype", "mask"),
    with_masks(*(("float64", name) for name in MASKS), ("float32", "holes")),
)
def test_outputs_states_and_gates_are_those_of_the_equations(
    case, mask, go_backwards, initial, dtype
):
    with float64_allowed():
        check(case, dtype, MASKS[mask], go_backwards=go_backwards, initial=initial)


@pytest.mark.slow_on("jax")
@pytest.mark.parametrize("case", ALL, ids=by_name)
@hypothesis.settings(max_examples=3, deadline=None)
@hypothesis.given(data=st.data())
def test_any_shape_mask_and_length(case, data):
    batch, time = data.draw(st.integers(1, 4), "batch"), data.draw(st.integers(1, 7), "time")
    bits = st.lists(st.booleans(), min_size=batch * time, max_size=batch * time)
    mask = np.array(data.draw(bits, "mask")).reshape(batch, time)
    check(
        case,
        "float32",
        data.draw(st.sampled_from([None, mask]), "masked"),
        go_backwards=data.draw(st.booleans(), "go_backwards"),
        initial=data.draw(st.sampled_from([0, 1]), "initial"),
        seed=data.draw(st.integers(0, 99), "seed"),
        batch=batch,
        time=time,
        feats=data.draw(st.integers(1, 4), "features"),
        units=data.draw(st.integers(1, 4), "units"),
    )


@pytest.mark.parametrize(
    ("case", "dtype", "mask"),
    with_masks(("float64", "no mask"), ("float64", "holes"), ("float64", "an all-padding row")),
)
def test_gradients_of_outputs_and_gates_are_those_of_the_equations(case, dtype, mask):
    rng = np.random.default_rng(1)
    x, weights = rng.normal(size=(3, 5, 2)), case.weights(rng, 2, 3)
    zeros = case.filled(0, 3, 3)
    trace = expected_trace(case, x, weights, zeros, MASKS[mask])
    share_h, share_g = (rng.normal(size=trace[name].shape) for name in ("hidden", "candidate"))

    def oracle_loss(arrays):
        trace = expected_trace(case, arrays[0], arrays[1:], zeros, MASKS[mask])
        return np.sum(share_h * trace["hidden"]) + np.sum(share_g * trace["candidate"] ** 2)

    def loss(layer, inputs):
        outputs, trace = layer(inputs, mask=MASKS[mask])
        weigh_h, weigh_g = (
            keras.ops.convert_to_tensor(share, dtype=dtype) for share in (share_h, share_g)
        )
        penalty = keras.ops.sum(weigh_g * trace.candidate * trace.candidate)
        return keras.ops.sum(weigh_h * outputs) + penalty

    with float64_allowed():
        layer = built(case, weights, 2, 3, dtype, return_sequences=True, return_gates=True)
        got = gradients(loss, layer, x)
    wanted = complex_step(oracle_loss, [x, *weights])
    if not layer.trainable_weights:  # a reservoir: by the inputs alone
        wanted = wanted[:1]
    for mine, want in zip(got, wanted, strict=True):
        np.testing.assert_allclose(mine, want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", [case for case in ALL if case.gates > 1], ids=by_name)
def test_the_oracle_tells_gates_apart(case):
    """Swapping any two gates' weights changes what the oracle expects.

    Constant weights, as in the goldens of Keras' own tests, would not.
    """
    rng = np.random.default_rng(2)
    x, weights = rng.normal(size=(3, 5, 2)), case.weights(rng, 2, 3)
    states = case.filled(0, 3, 3)
    want = expected_trace(case, x, weights, states, None)["hidden"]
    for first in range(case.gates):
        for second in range(first + 1, case.gates):
            order = list(range(case.gates))
            order[first], order[second] = second, first
            swapped = [
                np.concatenate([np.split(w, case.gates, axis=-1)[k] for k in order], axis=-1)
                if w.shape[-1] % case.gates == 0
                else w
                for w in weights
            ]
            assert not np.allclose(expected_trace(case, x, swapped, states, None)["hidden"], want)
