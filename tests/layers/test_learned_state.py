"""`LearnedInitialState`: a layer with trainable initial states."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.backends import gradients
from tests.support.cases import MASKS, assert_close, to_numpy

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
LAYERS = {
    "lstm": lambda **how: kit.LSTM(3, **how),
    "gru": lambda **how: kit.GRU(3, **how),
    "min_gru": lambda **how: kit.MinGRU(3, **how),
    "stacked": lambda **how: kit.StackedRNN([3, 2], cell=["lstm", "gru"], residual=True, **how),
    "cells": lambda **how: kit.RNN([kit.LSTMCell(2), kit.GRUCell(3)], **how),
    "bidirectional": lambda **how: kit.Bidirectional(kit.LSTM(3, **how)),
    "two kinds": lambda **how: kit.Bidirectional(
        kit.LSTM(3, **how), backward_layer=kit.GRU(3, go_backwards=True, **how)
    ),
}
EVERYTHING = {"return_sequences": True, "return_state": True, "return_gates": True}


def wrapped(name, **how):
    layer = kit.LearnedInitialState(
        LAYERS[name](**how), initializer=keras.initializers.RandomNormal(seed=1)
    )
    layer.build(X.shape)
    return layer


def rows(layer, count=3):
    return [np.tile(to_numpy(state.value), (count, 1)) for state in layer.learned_states]


@pytest.mark.parametrize("mask", ["no mask", "holes", "an all-padding row"])
@pytest.mark.parametrize("name", LAYERS)
def test_it_starts_from_its_states_unless_others_are_given(name, mask):
    layer = wrapped(name, **EVERYTHING)
    mask = MASKS[mask]
    got = layer(X, mask=mask)
    assert_close(got, layer.layer(X, mask=mask, initial_state=rows(layer)))
    zeros = [np.zeros_like(state) for state in rows(layer)]
    assert_close(layer(X, mask=mask, initial_state=zeros), layer.layer(X, mask=mask))
    assert not np.allclose(to_numpy(got[0]), to_numpy(layer.layer(X, mask=mask)[0]))
    assert_close(layer.trace(X, mask=mask), got[-1])


@pytest.mark.parametrize("path", ["auto", "portable"])
@pytest.mark.parametrize("name", ["lstm", "gru", "min_gru", "stacked", "bidirectional"])
def test_gradients_reach_the_states_on_every_path(name, path):
    def loss(layer, x):
        return keras.ops.sum(layer(x, training=True) ** 2)

    layer = wrapped(name, path=path)
    found = gradients(loss, layer, X)[1:]
    ids = [id(variable) for variable in layer.trainable_variables]
    state = layer.learned_states[0]
    gradient = found[ids.index(id(state))]
    before, difference = to_numpy(state.value).copy(), 1e-2
    for unit in range(2):
        values = []
        for sign in (1, -1):
            moved = before.copy()
            moved[unit] += sign * difference
            state.assign(moved)
            values.append(float(to_numpy(loss(layer, X))))
        state.assign(before)
        want = (values[0] - values[1]) / (2 * difference)
        np.testing.assert_allclose(gradient[unit], want, rtol=2e-2, atol=2e-3)


@pytest.mark.xla
def test_fit_moves_the_states_and_files_bring_them_back(tmp_path):
    inputs = keras.Input((None, 4))
    x = keras.layers.Masking()(inputs)
    x = kit.LearnedInitialState(kit.LSTM(3, return_sequences=True), name="first")(x)
    x = kit.LearnedInitialState(kit.Bidirectional(kit.GRU(3)), "ones", "l2", name="second")(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    assert model.output_shape == (None, 1)
    before = [to_numpy(state.value) for state in model.get_layer("first").learned_states]
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(X, X[:, 0, :1], epochs=2, verbose=0)
    after = [to_numpy(state.value) for state in model.get_layer("first").learned_states]
    assert not any(np.allclose(a, b) for a, b in zip(before, after, strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(loaded(X), model(X))
    mine, theirs = (m.get_layer("second").get_config() for m in (loaded, model))
    for argument in ("initializer", "regularizer"):
        assert mine[argument] == theirs[argument] is not None
    padded = np.concatenate([X, np.zeros((3, 2, 4), "float32")], axis=1)
    assert_close(model(padded), model(X))
    assert [row.type for row in kit.explain(model)] == ["LSTM", "GRU", "GRU"]


def test_shapes_masks_and_dtypes():
    layer = kit.LearnedInitialState(kit.LSTM(3, dtype="mixed_bfloat16", **EVERYTHING))
    spec = layer.compute_output_spec(keras.KerasTensor((None, 5, 4)))
    assert [tuple(s.shape) for s in spec[:3]] == [(None, 5, 3), (None, 3), (None, 3)]
    assert layer.compute_output_shape((2, 5, 4))[0] == (2, 5, 3)
    assert keras.utils.standardize_dtype(layer(X)[0].dtype) == "bfloat16"
    assert layer.dtype_policy.name == "mixed_bfloat16"
    inputs = keras.layers.Masking()(keras.Input((5, 4)))
    outputs = kit.LearnedInitialState(kit.GRU(3, return_sequences=True))(inputs)
    assert outputs._keras_mask is not None
    assert getattr(kit.LearnedInitialState(kit.GRU(3))(inputs), "_keras_mask", None) is None


def test_an_encoder_starts_its_decoder():
    inputs = keras.Input((5, 4))
    _, *states = kit.LearnedInitialState(kit.LSTM(3, return_state=True))(inputs)
    decoder = kit.LearnedInitialState(kit.LSTM(3))
    model = keras.Model(inputs, decoder(inputs, initial_state=states))
    assert tuple(model(X).shape) == (3, 3)


def test_a_layer_that_cannot_be_wrapped_is_refused():
    with pytest.raises(TypeError, match=r"a recurrent layer of keras_rnnkit.*Received: layer="):
        kit.LearnedInitialState(keras.layers.LSTM(3))
    with pytest.raises(ValueError, match=r"must not be stateful.*Received: layer=GRU '"):
        kit.LearnedInitialState(kit.GRU(3, stateful=True))
    with pytest.raises(ValueError, match=r"must not be stateful.*Received: layer=Bidirectional '"):
        kit.LearnedInitialState(kit.Bidirectional(kit.GRU(3, stateful=True)))
