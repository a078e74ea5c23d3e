"""`resets` in every layer and in models: each sequence as in a row of its own."""

import itertools

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.layers.paths import close
from tests.support.backends import gradients, in_a_graph
from tests.support.cases import CASES, NAMESAKES, assert_close, to_numpy

BATCH, TIME, FEATURES = 2, 6, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(BATCH, TIME, FEATURES)).astype("float32")
RESETS = np.array([[0, 0, 0, 1, 0, 0], [1, 0, 0, 0, 0, 0]], bool)
MASK = np.array([[1, 1, 0, 0, 1, 0], [1, 0, 1, 1, 1, 1]], bool)
PIECES = [(0, slice(0, 3)), (0, slice(3, 6)), (1, slice(0, 6))]
STACK = {"residual": True, "layer_norm": True}
LAYERS = {
    "both directions": lambda **how: kit.Bidirectional(kit.LSTM(3, **how)),
    "two kinds": lambda **how: kit.Bidirectional(
        kit.MinGRU(3, **how), backward_layer=kit.GRU(3, go_backwards=True, **how)
    ),
    "stacked": lambda **how: kit.StackedRNN([3, 2], cell=["lstm", "gru"], **STACK, **how),
    "stacked in both directions": lambda **how: kit.StackedRNN([3, 2], bidirectional=True, **how),
    "cells": lambda **how: kit.RNN([kit.LSTMCell(2), kit.Zoneout(kit.GRUCell(3), 0.2)], **how),
    "minimal": lambda **how: kit.MinLSTM(3, **how),
}


def made(name, learned, **how):
    layer = LAYERS[name](**how)
    if learned:
        layer = kit.LearnedInitialState(layer, keras.initializers.RandomNormal(seed=1))
    layer(X)
    return layer


def in_pieces(layer, x, mask):
    """The outputs of every sequence, called by itself, joined in time."""
    found = []
    for row, piece in PIECES:
        valid = None if mask is None else mask[row : row + 1, piece]
        found.append(layer(x[row : row + 1, piece], mask=valid))
    rows = [keras.ops.concatenate(found[:2], axis=1), found[2]]
    return keras.ops.concatenate(rows, axis=0)


QUICK = [("both directions", True), ("stacked", False)]  # where each piece is compiled or traced


@pytest.mark.parametrize(
    ("name", "learned"),
    [
        pytest.param(*one, marks=[] if one in QUICK else pytest.mark.slow_on("jax", "tensorflow"))
        for one in itertools.product(LAYERS, [False, True])
    ],
)
def test_a_sequence_is_computed_as_in_a_row_of_its_own(name, learned):
    layer = made(name, learned, return_sequences=True)
    masks = [None, MASK] if not learned else [MASK]
    for mask in masks:
        got = layer(X, mask=mask, resets=RESETS)
        assert_close(got, in_pieces(layer, X, mask))
        assert not np.allclose(to_numpy(got), to_numpy(layer(X, mask=mask)))

    def loss(layer, x):
        return keras.ops.sum(layer(x, mask=MASK, resets=RESETS) ** 2)

    def loss_in_pieces(layer, x):
        return keras.ops.sum(in_pieces(layer, x, MASK) ** 2)

    for got, want in zip(
        gradients(loss, layer, X), gradients(loss_in_pieces, layer, X), strict=True
    ):
        close(got, want)


@pytest.mark.parametrize("mask", [None, MASK, MASK & (np.arange(TIME) < 3)], ids=str)
@pytest.mark.parametrize("name", ["stacked", "cells", "minimal"])
def test_the_last_output_is_that_of_the_last_sequence(name, mask):
    layer = made(name, False)
    got = layer(X, mask=mask, resets=RESETS)
    for row, (index, piece) in enumerate(PIECES[1:]):
        valid = None if mask is None else mask[index : index + 1, piece]
        assert_close(got[row : row + 1], layer(X[index : index + 1, piece], mask=valid))


@pytest.mark.parametrize("case", [*NAMESAKES[:2], CASES[-1]], ids=lambda case: case.name)
def test_carried_states_hold_up_to_the_first_reset(case):
    layer = case.layer(3, stateful=True, return_sequences=True, return_state=True, **case.options)
    layer.build(X.shape)
    config = {**layer.get_config(), "stateful": False, "name": "copy"}
    copy = type(layer).from_config(config)
    copy.build(X.shape)
    copy.set_weights(layer.get_weights()[: len(copy.weights)])
    first, second = (layer(X, mask=MASK, resets=RESETS) for _ in range(2))
    twice = (np.concatenate([array, array], axis=1) for array in (X, MASK, RESETS))
    x, mask, resets = twice
    outputs, *states = copy(x, mask=mask, resets=resets)
    # At the masked steps before the first valid one of a call, an output is zero.
    started = np.cumsum(MASK | RESETS, axis=1)[..., None] > 0
    assert_close(first[0], outputs[:, :TIME])
    assert_close(second[0], np.where(started, to_numpy(outputs[:, TIME:]), 0))
    assert_close(second[1:], states)
    assert_close([*layer.states], states)


def own_initial_states(layer):
    class FromOnes(layer):
        def get_initial_state(self, batch_size):
            return [keras.ops.ones((batch_size, 3)) for _ in self.state_size]

    return FromOnes


class CellFromTwo(keras.layers.Layer):
    state_size = 4

    def call(self, x, states):
        h = 0.5 * states[0] + x
        return h, [h]

    def get_initial_state(self, batch_size=None):
        return [keras.ops.full((batch_size, 4), 2.0)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: own_initial_states(kit.LSTM)(3, return_sequences=True),
        lambda: own_initial_states(kit.MinGRU)(3, return_sequences=True),
        lambda: kit.RNN(CellFromTwo(), return_sequences=True),
    ],
    ids=["layer with a kernel", "minimal layer", "cell"],
)
def test_a_new_sequence_starts_from_the_initial_states_of_a_subclass(make):
    layer = make()
    layer(X)
    assert_close(layer(X, mask=MASK, resets=RESETS), in_pieces(layer, X, MASK))


def packed_model(length, path="auto"):
    x, resets = keras.Input((length, FEATURES)), keras.Input((length,), dtype="bool", name="resets")
    y = keras.layers.Masking()(x)
    y = kit.LSTM(3, return_sequences=True, path=path, name="lstm")(y, resets=resets)
    y = kit.Bidirectional(kit.MinGRU(3, return_sequences=True), name="both")(y, resets=resets)
    y = kit.LearnedInitialState(kit.StackedRNN([2, 2]), name="stack")(y, resets=resets)
    return keras.Model([x, resets], keras.layers.Dense(1)(y))


@pytest.mark.xla
@pytest.mark.parametrize(
    "length", [pytest.param(TIME, marks=pytest.mark.slow_on("jax", "tensorflow")), None]
)
def test_a_model_with_resets_is_trained_saved_and_loaded(length, tmp_path):
    x = np.where(MASK[..., None], X, 0)
    models = [packed_model(length, path) for path in ("auto", "portable")]
    models[1].set_weights(models[0].get_weights())
    for model in models:
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit([x, RESETS], X[:, 0, :1], epochs=2, verbose=0)
    for got, want in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        close(got, want)
    predicted = models[0].predict([x, RESETS], verbose=0)
    assert not np.allclose(predicted, models[0].predict([x, ~RESETS], verbose=0))
    models[0].save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(loaded.predict([x, RESETS], verbose=0), predicted)


def test_shapes_of_a_symbolic_call():
    x, resets = keras.KerasTensor((None, 5, 4)), keras.KerasTensor((None, 5), dtype="bool")
    both = kit.Bidirectional(kit.LSTM(3, return_sequences=True))
    for layer in (kit.LSTM(3), both, kit.StackedRNN([3])):
        width = layer.compute_output_spec(x).shape
        assert layer.compute_output_spec(x, resets=resets).shape == width
        with pytest.raises(ValueError, match=r"expected `resets` of dtype bool.*Received: resets"):
            layer.compute_output_spec(x, resets=keras.KerasTensor((None, 4), dtype="bool"))


@pytest.mark.parametrize("resets", [RESETS.astype("float32"), RESETS[:, :3], RESETS[0]], ids=str)
def test_resets_of_another_dtype_or_shape_are_refused(resets):
    layers = [
        kit.GRU(3),
        kit.Bidirectional(kit.GRU(3)),
        kit.StackedRNN([3]),
        kit.LearnedInitialState(kit.GRU(3)),
    ]
    for layer in layers:
        message = (
            r"expected `resets` of dtype bool and shape \(batch, time\) = \(2, 6\).*Received: "
        )
        with pytest.raises(ValueError, match=message):
            layer(X, resets=resets)


def test_layers_of_keras_in_both_directions_take_no_resets():
    layer = kit.Bidirectional(keras.layers.LSTM(3))
    with pytest.raises(ValueError, match=r"`resets` need layers of keras_rnnkit.*Received: layer="):
        layer(X, resets=RESETS)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: kit.Bidirectional(kit.GRU(3), merge_mode=None),
        lambda: kit.StackedRNN([3, 2], bidirectional=True),
        lambda: kit.LearnedInitialState(kit.Bidirectional(kit.GRU(3))),
    ],
    ids=["both directions", "stack", "learned"],
)
def test_the_last_outputs_of_both_directions_are_refused(layer):
    """That of the forward direction is of the last sequence, the other one of the first."""
    message = r"last outputs of the two directions.*`TakeLast`.*Received: return_sequences=False"
    with pytest.raises(ValueError, match=message):
        layer()(X, resets=RESETS)
    x, resets = keras.Input((TIME, FEATURES)), keras.Input((TIME,), dtype="bool")
    with pytest.raises(ValueError, match=message):
        layer()(x, resets=resets)


def test_a_graph_of_an_unknown_batch_and_length():
    layer = kit.MinGRU(3, return_sequences=True)
    want = layer(X, mask=MASK, resets=RESETS)
    call = in_a_graph(lambda x, mask, resets: layer(x, mask=mask, resets=resets))
    tensors = map(keras.ops.convert_to_tensor, (X, MASK, RESETS))
    assert_close(call(*tensors), want)


@pytest.mark.parametrize("training", [False, True])
def test_minimal_layers_of_many_steps(training):
    """More steps than a chunk of the prediction on PyTorch has."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(1025, 70, 1)).astype("float32")  # a state too large for the scan
    resets = rng.random((1025, 70)) < 0.1
    layers = [kit.MinGRU(1, return_sequences=True, path=path) for path in ("auto", "portable")]
    for layer in layers:
        layer.build(x.shape)
    layers[1].set_weights(layers[0].get_weights())
    got, want = (layer(x, resets=resets, training=training) for layer in layers)
    assert_close(got, want)
