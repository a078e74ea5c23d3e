"""Cells in a layer, stacks of cells and of layers, as ONNX gives their numbers."""

import gc
import weakref

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.interop.onnx import building
from keras_rnnkit.interop.onnx.graph import Graph
from tests.interop.onnx.one_layer import OneLayer, masks, sequences
from tests.support.cases import CASES, MASKS, MIN_CASES, built, by_name, few_where_compiled
from tests.support.oracles import outputs_of

ALL = [*CASES, *MIN_CASES]
# The cells that are an operator; the others run as the body of a loop.
OPERATORS = {
    "lstm": "LSTM",
    "gru": "GRU",
    "gru_reset_before": "GRU",
    "simple_rnn": "RNN",
    "coupled_lstm": "LSTM",
    "peephole_lstm": "LSTM",
}


@pytest.mark.parametrize("case", few_where_compiled(ALL), ids=by_name)
def test_the_numbers_are_those_of_the_equations(case):
    rng = np.random.default_rng(0)
    weights = case.weights(rng, 2, 3)
    states = [rng.normal(size=(3, size)) for size in case.sizes(3)]
    x = rng.normal(size=(3, 5, 2))
    close = {"rtol": 1e-5 * case.amplifies, "atol": 1e-5 * case.amplifies}
    for backwards in (False, True):
        layer = built(
            case, weights, 2, 3, return_sequences=True, return_state=True, go_backwards=backwards
        )
        given = [len(state[0]) for state in states]
        one = OneLayer(layer, masked=True, given=given, features=2)
        assert OPERATORS.get(case.name, "Scan") in one.kinds()
        for name, mask in MASKS.items():
            mask = np.ones((3, 5), bool) if mask is None else mask
            run = slice(None, None, -1 if backwards else 1)
            want = case.oracle(x[:, run], weights, states, mask[:, run])
            first = [state.astype("float32") for state in states]
            output, *last = one(x.astype("float32"), mask, first)
            np.testing.assert_allclose(output, outputs_of(want), err_msg=name, **close)
            for state, kind in zip(last, ("hidden", "cell"), strict=False):
                np.testing.assert_allclose(state, want[kind][:, -1], err_msg=name, **close)


CELLS = {
    "lstm_of_keras": lambda: keras.layers.LSTMCell(4),
    "gru_of_keras": lambda: keras.layers.GRUCell(4),
    "simple_rnn_of_keras": lambda: keras.layers.SimpleRNNCell(4),
    "zoneout": lambda: kit.Zoneout(kit.LSTMCell(4), rate={"cell": 0.5, "hidden": 0.25}),
    "zoneout_gru": lambda: kit.Zoneout(kit.GRUCell(4, reset_after=False), rate=0.5),
    "no_zoneout": lambda: kit.Zoneout(kit.LSTMCell(4), rate=0.0),
    "zoneout_twice": lambda: kit.Zoneout(kit.Zoneout(kit.MinGRUCell(4), rate=0.5), rate=0.1),
    "layer_norm": lambda: kit.LayerNormLSTMCell(4, use_bias=False),
    "layer_norm_gru": lambda: kit.LayerNormGRUCell(4, use_bias=False),
    "coupled_relu": lambda: kit.CoupledLSTMCell(4, recurrent_activation="relu"),
    "coupled_hard": lambda: kit.CoupledLSTMCell(4, recurrent_activation="hard_sigmoid"),
    "peephole_silu": lambda: kit.PeepholeLSTMCell(4, activation="silu", use_bias=False),
    "esn": lambda: kit.ESNCell(4, connectivity=0.9, use_bias=False),
    "nas": lambda: kit.NASCell(4, projection=3),
}
STACKS = {
    "stack": lambda: [kit.LSTMCell(4), keras.layers.GRUCell(3)],
    "mixed_stack": lambda: [kit.MinLSTMCell(4), kit.ProjectedLSTMCell(5, projection=2)],
    "stack_of_one": lambda: [kit.PeepholeLSTMCell(4)],
}


@pytest.mark.slow_on("jax", "tensorflow")
@pytest.mark.parametrize("cell", [*CELLS, *STACKS])
def test_any_cell(cell):
    make = {**CELLS, **STACKS}[cell]
    for how in ({}, {"return_sequences": True, "go_backwards": True}):
        one = OneLayer(kit.RNN(make(), return_state=True, **how), masked=True)
        for mask in masks(4, 5).values():
            one.assert_same(sequences(4, 5), mask)
    one = OneLayer(kit.Bidirectional(kit.RNN(make(), return_sequences=True)))
    one.assert_same(sequences(2, 3))


def test_a_stack_of_cells_is_a_node_for_each():
    cells = [keras.layers.LSTMCell(4), keras.layers.GRUCell(3), keras.layers.SimpleRNNCell(2)]
    one = OneLayer(keras.layers.RNN(cells, return_sequences=True, return_state=True))
    kinds = one.kinds()
    assert [kinds.count(kind) for kind in ("LSTM", "GRU", "RNN", "Scan")] == [1, 1, 1, 0]
    one.assert_same(sequences(3, 4))


def test_one_order_of_steps_serves_every_layer_with_the_mask():
    one = OneLayer(kit.StackedRNN([4, 3, 2], bidirectional=True), masked=True)
    assert one.kinds().count("TopK") == 1
    one.assert_same(sequences(4, 5), masks(4, 5)["holes"])


def test_an_export_keeps_no_graph_in_memory(monkeypatch, tmp_path):
    made = []

    class Noted(Graph):
        def __init__(self):
            super().__init__()
            made.append(weakref.ref(self))

    monkeypatch.setattr(building, "Graph", Noted)
    layers = [keras.layers.Embedding(5, 3, mask_zero=True), kit.LSTM(3)]
    model = keras.Sequential([keras.Input((None,), dtype="int32"), *layers])
    kit.export_onnx(model, tmp_path / "model.onnx")
    gc.collect()
    assert made
    assert not [graph for graph in made if graph() is not None]


STACKED = {
    "plain": {},
    "last": {"return_sequences": False},
    "residual": {"residual": True},
    "residual_last": {"residual": True, "return_sequences": False},
    "identity": {"units": [4, 4], "residual": "identity", "layer_norm": True},
    "norm": {"layer_norm": True, "cell": ["gru", "layer_norm_lstm", "min_gru"]},
    "both": {"bidirectional": True, "merge_mode": "ave", "residual": True, "layer_norm": True},
    "both_last": {"bidirectional": True, "residual": True, "return_sequences": False},
}


@pytest.mark.slow_on("jax", "tensorflow")
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("options", STACKED.values(), ids=STACKED)
def test_stacks_of_layers(options, masked):
    how = {"units": [4, 3, 5], "return_sequences": True, "return_state": True, **options}
    one = OneLayer(kit.StackedRNN(**how), masked=masked)
    for mask in masks(4, 5).values() if masked else [None]:
        one.assert_same(sequences(4, 5), mask, atol=1e-4 if "cell" in options else 1e-5)


def test_states_of_a_stack_by_name():
    stack = kit.StackedRNN([4] * 11, cell="simple_rnn", return_state=True)  # rnn_10 before rnn_2
    one = OneLayer(stack, given=[4] * 11)
    first = [np.full((3, 4), i / 10, "float32") for i in range(11)]
    one.assert_same(sequences(3, 2), given=first)


@pytest.mark.slow_on("jax", "tensorflow")
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "layer",
    [
        lambda: kit.LSTM(4, return_sequences=True, return_state=True),
        lambda: kit.Bidirectional(kit.GRU(4, return_state=True)),
        lambda: kit.StackedRNN([4, 3], cell=["lstm", "min_lstm"], return_state=True),
    ],
    ids=["lstm", "bidirectional", "stack"],
)
def test_learned_initial_states(layer, masked):
    one = OneLayer(kit.LearnedInitialState(layer()), masked=masked)
    for mask in masks(4, 5).values() if masked else [None]:
        one.assert_same(sequences(4, 5), mask)
