"""Models and arguments that `attribute` refuses, with the reason and what to do."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from tests.models.attributed import STEPS, ids, text_model

pytestmark = pytest.mark.slow_on("jax", "tensorflow")

X = ids()
FLOATS = np.ones((2, 4, 3), "float32")


def model_of(*layers, inputs=(STEPS,)):
    return keras.Sequential([keras.Input(inputs), *layers])


def words(**options):
    return keras.layers.Embedding(12, 3, **options)


def functional(make, inputs=(STEPS,)):
    x = keras.Input(inputs)
    return keras.Model(x, make(x))


@keras.saving.register_keras_serializable(package="tests")
class OwnDense(keras.layers.Dense):
    def call(self, inputs):
        return self.activation(2 * super().call(inputs))


def shared():
    layer = words(name="words")
    return functional(lambda x: keras.layers.Dense(1)(keras.layers.LSTM(4)(layer(x) + layer(x))))


def two():
    a, b = words(name="a"), words(name="b")
    return functional(lambda x: keras.layers.Dense(1)(keras.layers.LSTM(4)(a(x) + b(x))))


LSTM, DENSE = keras.layers.LSTM, keras.layers.Dense
MODELS = {
    "an activation that is no layer": (
        lambda: functional(lambda x: ops.sigmoid(DENSE(1)(LSTM(4)(words()(x))))),
        "Pass `of='output'`",
    ),
    "a layer with code of its own": (
        lambda: model_of(words(), LSTM(4), OwnDense(1, activation="tanh")),
        "'own_dense.*' of class OwnDense has code of its own",
    ),
    "a recurrent end": (lambda: model_of(words(), LSTM(1)), "is not that of a `Dense`"),
    "two outputs": (
        lambda: functional(lambda x: [DENSE(1)(LSTM(4)(words()(x)))] * 2),
        "`model` must have one output",
    ),
    "an output for each step": (
        lambda: model_of(words(), LSTM(4, return_sequences=True), DENSE(1)),
        "one prediction for a whole sequence",
    ),
    "no words": (
        lambda: model_of(DENSE(1)),
        "must have vectors of words",
    ),
    "two embeddings": (two, "Choose one by `layer=`.*of a, b"),
    "an embedding that is called twice": (shared, "calls its layer 'words' 2 times"),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_that_are_refused(name):
    make, message = MODELS[name]
    with pytest.raises(ValueError, match=message):
        kit.attribute(make(), X)


def test_no_model_and_no_weights():
    with pytest.raises(TypeError, match="`model` must be a Keras model or layer"):
        kit.attribute(lambda x: x, X)
    with pytest.raises(ValueError, match="`model` must be built"):
        kit.attribute(keras.Sequential([LSTM(4)]), X)


ARGUMENTS = {
    "method": ({"method": "shap"}, "`method` must be 'integrated_gradients' or"),
    "of": ({"of": "loss"}, "`of` must be 'logit' or 'output'"),
    "points": ({"points": 0}, "`points` must be an integer"),
    "batch_size": ({"batch_size": 0}, "`batch_size` must be"),
    "target": ({"target": 1}, "must be a number from 0 to 0, the only output.*target=1"),
    "targets": ({"target": [0, 0]}, "or one for each of the 4 rows"),
    "float target": ({"target": 0.0}, "`target` must be a number"),
    "layer": ({"layer": "nothing"}, "there are 'words'. Received: layer='nothing'"),
    "baseline": ({"baseline": np.ones(5)}, r"`baseline` must be of the shape \(4, 6, 3\)"),
    "spans": ({"spans": [(0, 1)]}, "`spans` belongs to `method='contextual'`"),
    "replace": ({"replace": 2}, "`replace` belongs to `method='occlusion'`"),
    "start": ({"method": "cells", "baseline": 0.0}, "`baseline` belongs to"),
    "tokens": ({"tokens": [["a"] * 6] * 2}, "`tokens` must be a list of 6 words.*4 rows"),
    "short tokens": ({"tokens": [["a"] * 5] * 4}, r"lengths=\[5, 5, 5, 5\]"),
    "an id": ({"method": "occlusion", "replace": 12}, "must be an id below 12"),
    "no spans": ({"method": "contextual"}, "`spans` must be a list of phrases"),
    "outside": ({"method": "contextual", "spans": [(0, 7)]}, "0 <= start <= stop <= 6"),
    "reversed": ({"method": "contextual", "spans": [(3, 2)]}, "0 <= start <= stop <= 6"),
    "numbers": ({"method": "contextual", "spans": [1, 2]}, "0 <= start <= stop <= 6"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_that_are_refused(name):
    given, message = ARGUMENTS[name]
    with pytest.raises(ValueError, match=message):
        kit.attribute(text_model(kit.LSTM), X, **given)


def test_a_quantized_model():
    model = text_model(keras.layers.LSTM)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras does not quantize the recurrent layer
        model.quantize("int8")
    with pytest.raises(ValueError, match="is quantized"):
        kit.attribute(model, X)


CELLS = {
    "SimpleRNN": (lambda: text_model(kit.SimpleRNN), "no gate decides"),
    "no recurrent layer": (
        lambda: model_of(words(), keras.layers.GlobalAveragePooling1D(), DENSE(1)),
        "it has no recurrent layer",
    ),
    "a pooled output": (
        lambda: model_of(
            words(), LSTM(4, return_sequences=True), keras.layers.GlobalMaxPooling1D(), DENSE(1)
        ),
        "does not take the last hidden state",
    ),
    "a hidden layer": (
        lambda: model_of(words(), LSTM(4), DENSE(4, activation="relu"), DENSE(1)),
        "does not take the last hidden state",
    ),
    "an activation that is not zero at zero": (
        lambda: text_model(LSTM, activation="sigmoid"),
        "its activation 'sigmoid' is not zero at zero",
    ),
    "zoneout of the cell state": (
        lambda: model_of(words(), kit.RNN(kit.Zoneout(kit.LSTMCell(4), {"cell": 0.3})), DENSE(1)),
        "`Zoneout` mixes its states",
    ),
    "a reversed layer before": (
        lambda: model_of(
            words(), LSTM(4, return_sequences=True, go_backwards=True, name="back"), LSTM(4),
            DENSE(1),
        ),
        "gets the words in another order, or shifted",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_models_without_a_decomposition_of_cells(name):
    make, message = CELLS[name]
    with pytest.raises(ValueError, match=message) as raised:
        kit.attribute(make(), X, method="cells")
    assert "Take `method='integrated_gradients'`" in str(raised.value)


CONTEXTUAL = {
    "GRU": lambda: text_model(kit.GRU),
    "two layers": lambda: model_of(words(), LSTM(4, return_sequences=True), LSTM(4), DENSE(1)),
    "both directions": lambda: model_of(words(), keras.layers.Bidirectional(LSTM(4)), DENSE(1)),
    "another activation": lambda: text_model(LSTM, activation="sigmoid"),
}


@pytest.mark.parametrize("name", CONTEXTUAL)
def test_models_without_a_contextual_decomposition(name):
    with pytest.raises(ValueError, match="`method='contextual'` is not defined"):
        kit.attribute(CONTEXTUAL[name](), X, method="contextual", spans=[(0, 1)])
