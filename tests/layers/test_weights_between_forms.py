"""The weights of a layer in `RNN(cell)` and the other way round, of the kit and of Keras."""

from itertools import permutations

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support.cases import NAMESAKES, assert_close, by_name

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")


def forms(case):
    """The ways to make one layer."""
    options = dict(case.options)
    return [
        lambda: case.layer(3, **options),
        lambda: kit.RNN(case.cell(3, **options)),
        lambda: kit.RNN(case.keras_cell(3, **options)),
        lambda: case.keras_layer(3, **options),
        lambda: keras.layers.RNN(case.keras_cell(3, **options)),
    ]


def model_of(layer):
    return keras.Sequential([keras.Input((5, 4)), layer])


@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_they_are_the_same_in_every_form(case):
    for one, other in permutations(forms(case), 2):
        source, target = model_of(one()), model_of(other())
        target.set_weights(source.get_weights())
        assert_close(target(X), source(X))


@pytest.mark.parametrize("case", NAMESAKES, ids=by_name)
def test_a_file_of_keras_loads_in_the_kit_and_back(case, tmp_path):
    """In one form: Keras looks for the weights under the name of the layer's class."""
    own, of_cell, _, theirs, theirs_of_cell = forms(case)
    path = tmp_path / "model.weights.h5"
    for pair in ((own, theirs), (of_cell, theirs_of_cell)):
        for one, other in permutations(pair):
            source, target = model_of(one()), model_of(other())
            source.save_weights(path)
            target.load_weights(path)
            assert_close(target(X), source(X))
