"""Masks in exported models, as Keras passes them from layer to layer."""

import functools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

import keras_rnnkit as kit
from tests.interop.onnx.comparing import (
    assert_same_numbers,
    branches,
    features,
    of,
    random_weights,
    tokens,
)


def embedding():
    return kit.Embedding(6, 4, mask_zero=True)


# What stands between an `Embedding(mask_zero=True)` and a layer that reads the mask.
BETWEEN = {
    "dense": lambda: [layers.Dense(4)],
    "dropout": lambda: [layers.Dropout(0.5)],
    "normalizations": lambda: [layers.BatchNormalization(), layers.LayerNormalization()],
    "masking": lambda: [layers.Masking(0.0)],
    "recurrent": lambda: [kit.GRU(4, return_sequences=True)],
    "backwards": lambda: [kit.GRU(4, return_sequences=True, go_backwards=True)],
    "both_directions": lambda: [kit.Bidirectional(kit.LSTM(2, return_sequences=True))],
    "steps": lambda: [kit.TimeDistributed(layers.Dense(4))],
    "softmax": lambda: [layers.Activation("softmax")],
    "operation": lambda: [lambda x: x * 2.0],
    "average": lambda: [layers.GlobalAveragePooling1D(keepdims=True)],
}


def test_masks_travel_through_layers(tmp_path):
    def branch(make):
        steps = [*make(), kit.LSTM(3)]
        return lambda x: functools.reduce(lambda tensor, layer: layer(tensor), steps, x)

    ids = keras.Input((None,), dtype="int32")
    x = embedding()(ids)
    outputs = {name: branch(make)(x) for name, make in BETWEEN.items()}
    valid = tokens(4, 6)
    valid[:, 0] = 1  # the average of no steps is no number
    assert_same_numbers(tmp_path, random_weights(keras.Model(ids, outputs)), valid)


def test_rows_without_a_valid_step(tmp_path):
    model = of(embedding(), layers.Dense(4), kit.LSTM(3), shape=(None,), dtype="int32")
    ids = tokens(4, 6)
    ids[1] = 0
    assert_same_numbers(tmp_path, model, ids)


@pytest.mark.slow_on("jax", "tensorflow")
@settings(max_examples=6, deadline=None)
@given(
    mask=st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=4, max_size=4),
    value=st.sampled_from([0.0, -1.0]),
)
def test_masking_makes_any_mask(tmp_path_factory, mask, value):
    x = features(len(mask), 5, 4)
    x[~np.array(mask)] = value
    model = _masked_model(value)
    assert_same_numbers(tmp_path_factory.mktemp("mask"), model, x)


def _masked_model(value, made={}):  # noqa: B006  (models are made once)
    if value not in made:
        made[value] = of(layers.Masking(value), kit.LSTM(3, return_sequences=True), kit.GRU(3))
    return made[value]


def test_merged_masks(tmp_path):
    def merged(kind):
        layer, reader = getattr(layers, kind)(), kit.LSTM(3, return_sequences=True)
        return lambda a, b: reader(layer([shared(a), shared(b)]))

    shared = embedding()
    kinds = ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")
    inputs = [keras.Input((None,), dtype="int32") for _ in range(2)]
    model = branches(inputs, {kind: merged(kind) for kind in kinds})
    assert_same_numbers(tmp_path, model, tokens(3, 5), tokens(3, 5, seed=4))


def test_merged_masks_beside_a_tensor_without_one(tmp_path):
    shared = embedding()
    made = {
        kind: lambda ids, x, row, kind=kind: getattr(layers, kind)()([x, shared(ids), row])
        for kind in ("Maximum", "Multiply")
    }
    inputs = [keras.Input((None,), dtype="int32"), keras.Input((None, 4)), keras.Input((4,))]
    model = branches(inputs, made)
    assert_same_numbers(tmp_path, model, tokens(3, 5), features(3, 5, 4), features(3, 4))


def test_a_mask_as_an_argument(tmp_path):
    x, allowed = keras.Input((None, 4)), keras.Input((None,), dtype="bool")
    outputs = [
        kit.LSTM(3, return_sequences=True)(x, mask=allowed),
        layers.GRU(3)(x, mask=allowed),
        layers.GlobalAveragePooling1D()(x, mask=allowed),
        layers.Softmax(axis=1)(x[:, :, 0], mask=allowed),
    ]
    model = random_weights(keras.Model([x, allowed], outputs))
    valid = np.array([[1, 1, 0, 0, 1], [1, 0, 0, 0, 0], [1] * 5], bool)
    assert_same_numbers(tmp_path, model, features(3, 5, 4), valid)


def test_sentences_of_documents(tmp_path):
    words = keras.Input((5,), dtype="int32")
    sentence = keras.Model(words, kit.GRU(3)(embedding()(words)), name="sentence")
    documents = keras.Input((None, 5), dtype="int32")
    y = kit.LSTM(2)(kit.TimeDistributed(sentence)(documents))
    assert_same_numbers(tmp_path, random_weights(keras.Model(documents, y)), tokens(2, 3, 5))


def test_a_mask_of_words_is_a_mask_of_steps_for_a_recurrent_layer(tmp_path):
    x, words = keras.Input((None, 4)), keras.Input((None, 3), dtype="bool")
    model = random_weights(keras.Model([x, words], kit.LSTM(2)(x, mask=words)))
    valid = np.random.default_rng(0).random((3, 5, 3)) < 0.3
    assert_same_numbers(tmp_path, model, features(3, 5, 4), valid)


def test_a_mask_of_words_within_steps(tmp_path):
    model = of(
        embedding(),
        kit.TimeDistributed(kit.GRU(3)),
        kit.LSTM(2, return_sequences=True),
        shape=(None, 5),
        dtype="int32",
    )
    ids = tokens(3, 4, 5)
    ids[0, 1] = 0
    assert_same_numbers(tmp_path, model, ids)
