"""What the classifier makes before it trains: the split, the weights and the model."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.text._model import build_model
from keras_rnnkit.text._samples import checked_samples, split_samples


@pytest.mark.no_backend
def test_a_text_of_each_class_is_left_to_train_with():
    samples = checked_samples(["text"] * 5, ["a", "a", "a", "b", "b"], None, None)
    train, held_out = split_samples(samples, 0.9, seed=0)
    assert np.bincount(train.targets).tolist() == [1, 1]
    assert np.bincount(held_out.targets).tolist() == [2, 1]


@pytest.mark.no_backend
def test_texts_to_validate_with_have_the_weights_of_the_training_classes():
    samples = checked_samples(["text"] * 4, ["x", "x", "x", "y"], None, "balanced")
    others = samples.others((["one", "two", "three"], ["y", "x", "y"]), "balanced")
    np.testing.assert_allclose(others.weights, [2, 2 / 3, 2])
    assert others.targets.tolist() == [1, 0, 1]
    assert samples.others((["one"], ["y"]), None).weights is None


@pytest.mark.slow_on("jax", "tensorflow")
def test_dropout_is_of_words_of_vectors_and_between_the_layers():
    settings = kit.TextClassifier(units=[3, 2], dropout=0.4, word_dropout=0.25)
    model = build_model(settings, words=9, classes=2, seed=0)
    words = model.get_layer("word_dropout")
    assert (words.rate, tuple(words.noise_shape)) == (0.25, (None, None, 1))
    assert model.get_layer("vector_dropout").rate == model.get_layer("dropout").rate == 0.4
    stack = model.get_layer("stack")
    assert [layer.cell.dropout for layer in stack.recurrent_layers] == [0.0, 0.4]
    dropped = keras.ops.convert_to_numpy(words(np.ones((20, 6, 5), "float32"), training=True))
    assert (dropped == dropped[:, :, :1]).all()
    assert 0.1 < (dropped == 0).mean() < 0.4
