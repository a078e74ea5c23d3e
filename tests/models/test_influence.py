"""The influence of each step against the states themselves, in float64 NumPy."""

import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import keras_rnnkit as kit
from keras_rnnkit.models.origins import Origin, with_origin
from tests.models.influenced import REFUSED, STEPS, SUMS, record_of, state_again
from tests.support import oracles
from tests.support.cases import CASES, MASKS, MIN_CASES, by_name

pytestmark = pytest.mark.no_backend


@pytest.mark.parametrize(
    ("mask", "backward", "dtype"),
    [
        *((mask, backward, "float64") for mask in MASKS for backward in (False, True)),
        ("holes", True, "float32"),
    ],
)
@pytest.mark.parametrize("case", SUMS, ids=by_name)
def test_the_sum_is_the_state(case, mask, backward, dtype):
    mask = np.ones((3, STEPS), bool) if MASKS[mask] is None else MASKS[mask]
    record = record_of(case, mask, dtype, backward)
    result = kit.influence(record, units="all")
    assert result.shape == (3, STEPS, STEPS, 4)
    assert result.dtype == result.first.dtype == dtype
    tolerance = 1e-5 if dtype == "float32" else 1e-10
    expected = getattr(record, result.state)
    np.testing.assert_allclose(state_again(record, result), expected, tolerance, tolerance)
    later = np.tril(np.ones((STEPS, STEPS), bool), -1)
    future = later if backward else later.T
    assert not np.asarray(result)[:, future].any()


def test_the_state_and_its_weights_by_hand():
    record = record_of(CASES[0], np.ones((3, STEPS), bool))
    result = kit.influence(record, units="all")
    assert result.state == "cell"
    for t in range(STEPS):
        np.testing.assert_allclose(result.first[:, t], record.forget[:, : t + 1].prod(1))
        for j in range(t + 1):
            weight = record.input[:, j] * record.forget[:, j + 1 : t + 1].prod(1)
            np.testing.assert_allclose(result[:, t, j], weight)


@pytest.mark.parametrize("mask", MASKS)
def test_masked_steps_pass_on_the_state(mask):
    mask = np.ones((3, STEPS), bool) if MASKS[mask] is None else MASKS[mask]
    result = kit.influence(record_of(CASES[0], mask))
    assert not np.swapaxes(result, 1, 2)[~mask].any()
    rows, steps = np.nonzero(~mask[:, 1:])
    np.testing.assert_allclose(result[rows, steps + 1], result[rows, steps], 1e-12)
    np.testing.assert_array_equal(result.mask, mask)


@pytest.mark.parametrize("case", [CASES[0], CASES[1], MIN_CASES[0]], ids=by_name)
def test_the_average_and_some_units(case):
    record = record_of(case, np.ones((3, STEPS), bool))
    every = kit.influence(record, units="all")
    average = kit.influence(record)
    assert average.shape == (3, STEPS, STEPS)
    assert average.units is None
    np.testing.assert_allclose(average, every.mean(-1), 1e-12)
    np.testing.assert_allclose(average.first, every.first.mean(-1), 1e-12)
    some = kit.influence(record, units=[2, 0])
    assert some.units == (2, 0)
    np.testing.assert_array_equal(some, every[..., [2, 0]])
    np.testing.assert_array_equal(some.first, every.first[..., [2, 0]])


def zoned_out(record, rates):
    """The record of an LSTM whose states are mixed with the old ones, as `Zoneout` does."""
    c = record.origin.initial_states[1]
    cells = []
    for t in range(STEPS):
        new = record.forget[:, t] * c + record.input[:, t] * record.candidate[:, t]
        new = rates[1] * c + (1 - rates[1]) * new
        c = np.where(record.mask[:, t, None], new, c)
        cells.append(c)
    origin = record.origin._replace(zoneout=rates)
    return with_origin(record._replace(cell=np.stack(cells, 1)), origin)


@pytest.mark.parametrize("mask", MASKS)
def test_zoneout_is_mixed_in(mask):
    mask = np.ones((3, STEPS), bool) if MASKS[mask] is None else MASKS[mask]
    record = zoned_out(record_of(CASES[0], mask), (0.05, 0.5))
    result = kit.influence(record, units="all")
    np.testing.assert_allclose(state_again(record, result), record.cell, 1e-10, 1e-10)


def test_a_forget_gate_of_zero_is_exact():
    case, mask = CASES[0], np.ones((3, STEPS), bool)
    record = record_of(case, mask)
    forget = record.forget.copy()
    forget[:, 2] = 0
    c, cells = record.origin.initial_states[1], []
    for t in range(STEPS):
        c = forget[:, t] * c + record.input[:, t] * record.candidate[:, t]
        cells.append(c)
    record = with_origin(record._replace(forget=forget, cell=np.stack(cells, 1)), record.origin)
    result = kit.influence(record, units="all")
    assert not result[:, 2:, :2].any()
    assert not result.first[:, 2:].any()
    np.testing.assert_allclose(state_again(record, result), record.cell, 1e-10, 1e-10)


@pytest.mark.parametrize("case", REFUSED, ids=by_name)
def test_cells_without_such_a_sum_are_refused_by_name(case):
    record = record_of(case, np.ones((3, STEPS), bool))
    with pytest.raises(ValueError, match=rf"Of {record.origin.cell}, .*Received: cell="):
        kit.influence(record)


def test_a_record_that_does_not_follow_its_equations_is_refused():
    record = record_of(CASES[0], np.ones((3, STEPS), bool))
    flipped = with_origin(record, record.origin._replace(backward=True))
    with pytest.raises(ValueError, match=r"does not follow from its gates.*largest error="):
        kit.influence(flipped)


def test_a_bare_record_is_refused():
    _, trace = kit.LSTM(4, return_gates=True)(np.ones((2, 5, 3), "float32"))
    with pytest.raises(ValueError, match="does not hold the cell"):
        kit.influence(trace)


@pytest.mark.parametrize("units", [[], [4], [-1], "none", ["a"], [True]])
def test_units_that_do_not_exist(units):
    with pytest.raises(ValueError, match=r"`units` must be None .* from 0 to 3"):
        kit.influence(record_of(CASES[0], np.ones((3, STEPS), bool)), units=units)


def test_records_of_several_layers_keep_their_structure():
    mask = np.ones((3, STEPS), bool)
    forward, backward = record_of(CASES[0], mask), record_of(CASES[0], mask, backward=True)
    both = kit.influence(kit.BidirectionalTrace(forward, backward))
    assert isinstance(both, kit.BidirectionalTrace)
    np.testing.assert_array_equal(both.forward, kit.influence(forward))
    np.testing.assert_array_equal(both.backward, kit.influence(backward))
    assert set(kit.influence({"a": forward, "b": backward})) == {"a", "b"}
    stack = kit.influence((forward, forward), units=[1])
    assert [part.shape for part in stack] == [(3, STEPS, STEPS, 1)] * 2


def test_outer_steps_of_time_distributed():
    mask = np.concatenate([MASKS["holes"]] * 2)
    record = record_of(CASES[0], mask)
    folded = type(record)(*(array.reshape(3, 2, *array.shape[1:]) for array in record))
    result = kit.influence(with_origin(folded, record.origin))
    assert result.shape == (3, 2, STEPS, STEPS)
    np.testing.assert_array_equal(result.reshape(6, STEPS, STEPS), kit.influence(record))


def test_it_prints_in_a_line_and_is_an_array():
    result = kit.influence(record_of(CASES[0], np.ones((3, STEPS), bool)))
    line = "<Influence (3, 5, 5) float64 on the state 'cell', the average of all units>"
    assert repr(result) == line
    assert type(result[0]) is type(result + 1) is type(result.sum(-1)) is np.ndarray
    assert isinstance(result.max(), float)


def test_memory_is_bounded_for_many_steps():
    case, steps, units = CASES[0], 2000, 32
    rng = np.random.default_rng(0)
    gates = oracles.sigmoid(rng.normal(size=(4, 4, steps, units)) + 2).astype("float32")
    c, cells = np.zeros((4, units)), []
    for t in range(steps):
        c = gates[1][:, t] * c + gates[0][:, t] * gates[2][:, t]
        cells.append(c)
    cells = np.stack(cells, 1).astype("float32")
    origin = Origin("LSTMCell", (np.zeros((4, units)),) * 2, False, None, {})
    mask = np.ones((4, steps), bool)
    record = with_origin(case.cell(1).trace_type(*gates, cells, cells, mask), origin)
    tracemalloc.start()
    result = kit.influence(record)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - result.nbytes < 64 * 2**20  # all weights of all units would take 2 GB
    weights = np.cumprod(gates[1][:, ::-1].astype("float64"), 1)[:, ::-1]
    last = gates[0] * np.concatenate([weights[:, 1:], np.ones((4, 1, units))], 1)
    np.testing.assert_allclose(result[:, -1], last.mean(-1), 1e-5, 1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(0, 7), st.booleans(), st.sampled_from(SUMS), st.randoms())
def test_any_shape_and_mask(batch, steps, backward, case, random):
    mask = np.array([[random.random() < 0.6 for _ in range(steps)] for _ in range(batch)], bool)
    mask = mask.reshape(batch, steps)
    if not steps:  # the oracles need a step
        return
    record = record_of(case, mask, backward=backward)
    result = kit.influence(record, units="all")
    expected = getattr(record, result.state)
    np.testing.assert_allclose(state_again(record, result), expected, 1e-9, 1e-9)
