"""Recurrent layers as the operators of ONNX give the numbers of the layers."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_rnnkit as kit
from keras_rnnkit.interop.onnx.graph import Graph
from tests.interop.onnx.one_layer import OneLayer, masks, sequences

OPERATORS = {
    keras.layers.LSTM: "LSTM",
    keras.layers.GRU: "GRU",
    keras.layers.SimpleRNN: "RNN",
    kit.LSTM: "LSTM",
    kit.GRU: "GRU",
    kit.SimpleRNN: "RNN",
}
# The activations that the operators have, by the layers' names of them.
ACTIVATIONS = (
    *("elu", "hard_sigmoid", "leaky_relu", "linear", "relu", "sigmoid"),
    *("softplus", "softsign", "tanh"),
)
MERGES = ("concat", "sum", "mul", "ave", None)


def by_module(layer):
    return f"{layer.__module__.partition('.')[0]}-{layer.__name__}"


def assert_one_node(one, operator):
    """The layer is one node of its operator, and no loop."""
    kinds = one.kinds()
    assert kinds.count(operator) == 1
    assert not {"If", "Loop", "Scan"} & set(kinds)


@pytest.mark.parametrize("layer", OPERATORS, ids=by_module)
def test_one_layer_is_one_node(layer):
    one = OneLayer(layer(4, return_sequences=True, return_state=True))
    assert_one_node(one, OPERATORS[layer])
    for batch, steps in ((2, 5), (1, 1), (5, 3)):
        one.assert_same(sequences(batch, steps))


@pytest.mark.slow_on("jax", "tensorflow")
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("layer", OPERATORS, ids=by_module)
def test_any_mask(layer, return_sequences, backwards):
    how = {"return_sequences": return_sequences, "go_backwards": backwards}
    one = OneLayer(layer(4, return_state=True, **how), masked=True)
    assert_one_node(one, OPERATORS[layer])
    for mask in masks(4, 6).values():
        one.assert_same(sequences(4, 6), mask)


@pytest.mark.parametrize("layer", [kit.LSTM, kit.GRU, kit.SimpleRNN], ids=by_module)
def test_a_nan_at_a_masked_step_has_no_effect(layer):
    one, mask = OneLayer(layer(4, return_sequences=True), masked=True), masks(4, 6)["holes"]
    x = np.where(mask[..., None], sequences(4, 6), np.float32(np.nan))
    one.assert_same(x, mask)


KIT = (kit.LSTM, kit.GRU, kit.SimpleRNN)


@st.composite
def layers(draw):
    """The class of a layer, its options, and the wrapper around it with its `merge_mode`."""
    kind = draw(st.sampled_from(list(OPERATORS)))
    options = {
        "units": draw(st.integers(1, 5)),
        "activation": draw(st.sampled_from(ACTIVATIONS)),
        "use_bias": draw(st.booleans()),
        "dropout": draw(st.sampled_from([0.0, 0.5])),
        "recurrent_dropout": draw(st.sampled_from([0.0, 0.5])),
        "return_sequences": draw(st.booleans()),
        "return_state": draw(st.booleans()),
        "go_backwards": draw(st.booleans()),
        "zero_output_for_mask": draw(st.booleans()),
    }
    if OPERATORS[kind] != "RNN":
        options["recurrent_activation"] = draw(st.sampled_from(["sigmoid", "hard_sigmoid"]))
    if OPERATORS[kind] == "GRU":
        options["reset_after"] = draw(st.booleans())
    wrapper = kit.Bidirectional if issubclass(kind, KIT) else keras.layers.Bidirectional
    wrapper = draw(st.sampled_from([None, wrapper]))
    return kind, options, wrapper, draw(st.sampled_from(MERGES))


@pytest.mark.slow_on("jax", "tensorflow")
@settings(max_examples=15, deadline=None)
@given(layers(), st.integers(1, 4), st.integers(1, 6), st.booleans(), st.integers(0, 99))
def test_any_options(drawn, batch, steps, masked, seed):
    kind, options, wrapper, merge = drawn
    layer = kind(**options)
    layer = layer if wrapper is None else wrapper(layer, merge_mode=merge)
    one = OneLayer(layer, masked=masked)
    assert OPERATORS[kind] in one.kinds()
    mask = np.random.default_rng(seed).random((batch, steps)) < 0.6 if masked else None
    one.assert_same(sequences(batch, steps, seed=seed), mask)


@pytest.mark.slow_on("jax", "tensorflow")
@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("layer", OPERATORS, ids=by_module)
def test_both_directions_are_one_node(layer, masked, merge):
    wrapper = kit.Bidirectional if issubclass(layer, KIT) else keras.layers.Bidirectional
    for return_sequences in (True, False):
        inner = layer(4, return_sequences=return_sequences, activation="softsign")
        one = OneLayer(wrapper(inner, merge_mode=merge), masked=masked)
        assert_one_node(one, OPERATORS[layer])
        node = next(node for node in one.model.graph.node if node.op_type == OPERATORS[layer])
        assert b"bidirectional" in [attribute.s for attribute in node.attribute]
        one.assert_same(sequences(3, 4), masks(3, 4)["holes"] if masked else None)


@pytest.mark.parametrize("wrapper", [keras.layers.Bidirectional, kit.Bidirectional], ids=by_module)
def test_directions_that_differ_are_two_nodes(wrapper):
    forward, backward = (
        kit.LSTM(4, return_sequences=True),
        kit.GRU(3, return_sequences=True, go_backwards=True),
    )
    one = OneLayer(wrapper(forward, backward_layer=backward))
    assert {"LSTM", "GRU"} <= set(one.kinds())
    one.assert_same(sequences(3, 4))


@pytest.mark.slow_on("jax", "tensorflow")
@pytest.mark.parametrize("mask", [None, "holes", "no valid step"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("layer", KIT, ids=by_module)
def test_states_that_the_model_passes(layer, backwards, mask):
    layer = layer(4, return_sequences=True, return_state=True, go_backwards=backwards)
    first = [np.full((3, 4), 0.5, "float32"), np.full((3, 4), -0.25, "float32")]
    first = first[: 2 if isinstance(layer, kit.LSTM) else 1]
    one = OneLayer(layer, masked=mask is not None, given=[4] * len(first))
    one.assert_same(sequences(3, 5), None if mask is None else masks(3, 5)[mask], first)


@pytest.mark.parametrize("masked", [False, True])
def test_states_of_both_directions(masked):
    layer = kit.Bidirectional(kit.LSTM(4, return_state=True))
    first = [np.full((3, 4), value, "float32") for value in (0.5, -0.25, 0.125, 1)]
    one = OneLayer(layer, masked=masked, given=[4] * 4)
    assert_one_node(one, "LSTM")
    mask = masks(3, 5)["holes"] if masked else None
    one.assert_same(sequences(3, 5), mask, first)
    if masked:
        one.assert_same(sequences(3, 5), masks(3, 5)["no valid step"], first)


@pytest.mark.slow_on("jax", "tensorflow")
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layer", [kit.LSTM, kit.GRU, kit.SimpleRNN], ids=by_module)
def test_activations_of_the_operators(layer, activation):
    how = {} if layer is kit.SimpleRNN else {"recurrent_activation": "hard_sigmoid"}
    one = OneLayer(layer(4, activation=activation, return_sequences=True, **how))
    assert_one_node(one, OPERATORS[layer])
    one.assert_same(sequences(3, 5))


@pytest.mark.slow_on("jax", "tensorflow")
@pytest.mark.parametrize(
    "activation",
    [
        *(
            "exponential",
            "gelu",
            "hard_silu",
            "hard_tanh",
            "squareplus",
            "log_sigmoid",
            "log_softmax",
            "mish",
        ),
        *("relu6", "selu", "silu", "softmax", "tanh_shrink"),
    ],
)
def test_other_activations_run_in_a_loop(activation):
    for layer in (kit.SimpleRNN, kit.GRU):
        one = OneLayer(layer(4, activation=activation, return_sequences=True))
        assert one.kinds().count("Scan") == 1
        one.assert_same(sequences(3, 3))


def test_layers_pass_sequences_on_in_the_order_of_the_operators():
    stack = kit.StackedRNN([3, 3, 3], return_sequences=True)
    one = OneLayer(stack)
    assert one.kinds().count("Transpose") == 2  # before the first layer and after the last
    one.assert_same(sequences(2, 5))
    both = kit.StackedRNN([3, 3], bidirectional=True, return_sequences=True)
    one = OneLayer(both)
    # Before the first layer, after the last, and one after each that puts the directions together.
    assert one.kinds().count("Transpose") == 4
    one.assert_same(sequences(2, 5))


@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("layer", KIT, ids=by_module)
def test_outputs_that_nothing_reads_have_no_name(layer, return_sequences):
    one = OneLayer(layer(3, return_sequences=return_sequences))
    (node,) = (node for node in one.model.graph.node if node.op_type == OPERATORS[layer])
    assert [bool(name) for name in node.output] == ([True] if return_sequences else [False, True])


def test_only_a_transpose_that_undoes_another_is_left_out():
    graph = Graph()
    x = graph.input("x", "float32", (2, 3, 4)).name
    turned = graph.add("Transpose", x, perm=[1, 2, 0])
    assert graph.add("Transpose", turned, perm=[2, 0, 1]) == x
    assert graph.add("Transpose", turned, perm=[1, 2, 0]) not in (x, turned)
