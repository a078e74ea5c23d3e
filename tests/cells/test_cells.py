"""Cells by themselves and in Keras' own layers."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import (
    CASES,
    NAMESAKES,
    assert_close,
    by_name,
    few_where_compiled,
    to_numpy,
)

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_call_is_gates_then_step(case):
    cell = case.cell(3, **case.options)
    states = case.filled(0.5, 3, 3)
    gates = cell.gates(X[:, 0], states)  # a cell by itself builds itself
    assert cell.built
    assert isinstance(gates, cell.gates_type)
    assert all(tuple(gate.shape) == (3, 3) for gate in gates)
    output, new_states = cell.step(gates, states)
    assert_close((output, new_states), cell(X[:, 0], states))
    assert tuple(output.shape) == (3, cell.output_size)
    assert [tuple(state.shape) for state in new_states] == [(3, size) for size in case.sizes(3)]
    assert len(cell.state_names) == len(cell.get_initial_state(2)) == case.states


@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_equals_keras(case):
    mine, theirs = case.cell(3, **case.options), case.keras_cell(3, **case.options)
    states = case.filled(0.5, 3, 3)
    mine.build((None, 4))
    theirs.build((None, 4))
    theirs.set_weights(mine.get_weights())
    assert [w.name for w in mine.weights] == [w.name for w in theirs.weights]
    assert_close(mine(X[:, 0], states), theirs(X[:, 0], states))


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_gates_are_activated(case):
    gates = case.cell(3, **case.options).gates(100 * X[:, 0], case.filled(0, 3, 3))
    for field, gate in gates._asdict().items():
        signed = field == "candidate" or (field == "output" and "nas" in case.name)
        low = -1 if signed else 0
        assert (to_numpy(gate) >= low).all()
        assert (to_numpy(gate) <= 1).all()


@pytest.mark.parametrize("case", [c for c in CASES if c.states == 1], ids=by_name)
def test_a_state_outside_a_list_is_returned_outside_a_list(case):
    cell = case.cell(3, **case.options)
    output, state = cell(X[:, 0], np.zeros((3, 3), "float32"))
    assert_close(output, state)
    assert tuple(state.shape) == (3, 3)


@pytest.mark.parametrize("case", few_where_compiled(CASES), ids=by_name)
def test_in_keras_own_layers(case):
    layer = keras.layers.RNN(case.cell(3, **case.options), return_sequences=True)
    same = case.layer(3, return_sequences=True, **case.options)
    same.build((None, 5, 4))
    output = layer(X)
    same.set_weights(layer.get_weights())
    assert_close(output, same(X))
    stack = keras.layers.StackedRNNCells(
        [case.cell(3, **case.options), case.cell(2, **case.options)]
    )
    stacked = keras.layers.RNN(stack)
    chained = keras.Sequential(
        [same, case.layer(2, **case.options)],
    )
    output = stacked(X)
    chained(X)
    chained.set_weights(stacked.get_weights())
    assert_close(output, chained(X))


@pytest.mark.parametrize("implementation", [1, 2])
@pytest.mark.parametrize("case", [c for c in NAMESAKES if c.gates > 1], ids=by_name)
def test_dropout_masks_are_those_of_keras(case, implementation):
    options = {"dropout": 0.5, "seed": 3, "implementation": implementation, **case.options}
    states = case.filled(0.5, 3, 3)
    mine, theirs = case.cell(3, **options), case.keras_cell(3, **options)
    first = mine(X[:, 0], states, training=True)
    theirs.build((None, 4))
    theirs.set_weights(mine.get_weights())
    assert_close(first, theirs(X[:, 0], states, training=True))
    assert not np.allclose(to_numpy(first[0]), to_numpy(mine(X[:, 0], states)[0]))


@pytest.mark.parametrize("case", few_where_compiled(CASES), ids=by_name)
def test_dropout_drops_inputs_and_the_hidden_state_in_training(case):
    states, zeros = case.filled(0.5, 3, 3), np.zeros_like(X[:, 0])
    for rate, inputs in (("dropout", X[:, 0]), ("recurrent_dropout", zeros)):
        cell = case.cell(3, seed=3, **{rate: 0.9}, **case.options)
        assert_close(cell(inputs, states), case_without(cell, rate)(inputs, states))
        dropped = to_numpy(cell(inputs, states, training=True)[0])
        assert not np.allclose(dropped, to_numpy(cell(inputs, states)[0]))


def case_without(cell, rate):
    """The same cell with the same weights, and no dropout."""
    same = type(cell).from_config({**cell.get_config(), rate: 0.0})
    same.build((None, 4))
    same.set_weights(cell.get_weights())
    return same


@pytest.mark.parametrize("case", few_where_compiled(CASES), ids=by_name)
def test_a_cell_alone_keeps_its_compute_dtype(case):
    cell = case.cell(3, dtype="mixed_bfloat16", **case.options)
    gates = cell.gates(X[:, 0], cell.get_initial_state(3))
    assert {keras.backend.standardize_dtype(gate.dtype) for gate in gates} == {"bfloat16"}


def test_cells_of_a_layer_are_the_kits():
    assert type(kit.LSTM(3).cell) is kit.LSTMCell
    assert type(kit.GRU(3).cell) is kit.GRUCell
    assert type(kit.SimpleRNN(3).cell) is kit.SimpleRNNCell
