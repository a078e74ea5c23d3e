"""`from_keras` copies what preprocessing layers have learned in `adapt`."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import assert_close

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(3, 5, size=(6, 4, 2)).astype("float32")
WORDS = np.array([[7, 3, 7, 9], [3, 7, 1, 2], [9, 9, 7, 3]])


def test_normalization():
    normal = keras.layers.Normalization()
    normal.adapt(NUMBERS)
    theirs = keras.Sequential([keras.Input((4, 2)), normal, keras.layers.GRU(3)])
    mine = kit.from_keras(theirs)
    want = theirs(NUMBERS)
    assert_close(mine.predict(NUMBERS, verbose=0), want)
    assert_close(theirs(NUMBERS), want)  # each has its own arrays, which JAX' trainer takes away
    assert_close(mine.layers[0].mean, normal.mean)


@pytest.mark.parametrize("layers", [keras.layers, kit], ids=["keras", "kit"])
def test_states_of_its_own(layers):
    recurrent = layers.LSTM(3, stateful=True)
    theirs = keras.Sequential([keras.Input(batch_shape=(6, 4, 2)), recurrent])
    theirs(NUMBERS)
    mine = kit.from_keras(theirs)
    mine.predict(NUMBERS, batch_size=6, verbose=0)
    assert np.isfinite(theirs.predict(NUMBERS, batch_size=6, verbose=0)).all()


def test_discretization():
    pytest.importorskip("tensorflow", reason="Keras' Discretization needs TensorFlow to adapt")
    bins = keras.layers.Discretization(num_bins=3)
    bins.adapt(NUMBERS)
    theirs = keras.Sequential(
        [keras.Input((4,)), bins, keras.layers.Embedding(3, 2), keras.layers.LSTM(2)]
    )
    mine = kit.from_keras(theirs)
    assert_close(mine(NUMBERS[..., 0]), theirs(NUMBERS[..., 0]))


@pytest.mark.parametrize("how", ["adapted", "given", "neither"])
def test_integer_lookup(how):
    pytest.importorskip("tensorflow", reason="Keras' lookups need TensorFlow on every backend")
    lookup = keras.layers.IntegerLookup(vocabulary=[3, 7] if how == "given" else None)
    if how == "adapted":
        lookup.adapt(WORDS)
    theirs = keras.Sequential([lookup])
    theirs.build((None, 4))
    mine = kit.from_keras(theirs)
    assert mine.layers[0].get_vocabulary() == lookup.get_vocabulary()
    if how != "neither":
        assert_close(mine.layers[0](WORDS), lookup(WORDS))


@pytest.mark.parametrize("mode", ["int", "tf_idf"])
def test_text(mode):
    pytest.importorskip("tensorflow", reason="Keras' lookups need TensorFlow on every backend")
    texts = ["a good film", "a bad film", "good good film"]
    vectors = keras.layers.TextVectorization(output_mode=mode)
    vectors.adapt(texts)
    theirs = keras.Sequential([vectors])
    theirs.build((None,))
    mine = kit.from_keras(theirs)
    assert mine.layers[0].get_vocabulary() == vectors.get_vocabulary()
    assert_close(mine.layers[0](texts), vectors(texts))
