"""Which output is explained: the logit behind an activation, the output itself, a class."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.models.attributed import (
    STEPS,
    ids,
    randomized,
    start_of,
    text_model,
)
from tests.support import oracles
from tests.support.cases import where_compiled


def with_layer(ending):
    head = keras.layers.Dense(3, name="head")
    layers = [keras.Input((STEPS,)), keras.layers.Embedding(12, 3), keras.layers.LSTM(4), head]
    return keras.Sequential([*layers, ending])


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.words, self.recurrent = keras.layers.Embedding(12, 3), keras.layers.LSTM(4)
        self.head = keras.layers.Dense(3, activation="softmax", name="head")

    def call(self, x):
        return self.head(self.recurrent(self.words(x)))


def nested():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax", name="head")])
    layers = [keras.Input((STEPS,)), keras.layers.Embedding(12, 3), keras.layers.LSTM(4), inner]
    return keras.Sequential([*layers, keras.layers.Dropout(0.5)])


def subclassed():
    model = Own()
    model(np.zeros((1, STEPS), "int32"))
    return model


def shared_activation():
    """The layer that makes the output is called twice, and only the second call makes it."""
    x = keras.Input((STEPS,))
    activation = keras.layers.Activation("softmax")
    hidden = keras.layers.LSTM(4)(keras.layers.Embedding(12, 3)(x))
    return keras.Model(x, activation(keras.layers.Dense(3)(activation(hidden))))


ENDINGS = {
    "an activation": lambda: with_layer(keras.layers.Activation("softmax")),
    "a softmax": lambda: with_layer(keras.layers.Softmax()),
    "nested": nested,
    "subclassed": subclassed,
    "shared": shared_activation,
    "an einsum": lambda: with_layer(
        keras.layers.EinsumDense("ab,bc->ac", 3, bias_axes="c", activation="softmax")
    ),
}


@pytest.mark.parametrize(
    "ending", where_compiled(["an activation", "nested", "subclassed"], ENDINGS)
)
def test_the_logit_is_found(ending):
    model, x = randomized(ENDINGS[ending]()), ids()
    probabilities = np.log(model.predict(x, verbose=0))
    found = kit.attribute(model, x, method="occlusion", target=0)
    other = kit.attribute(model, x, method="occlusion", target=1)
    # Logits are logarithms of probabilities, up to a constant for each row.
    expected = probabilities[:, 0] - probabilities[:, 1]
    np.testing.assert_allclose(found.total - other.total, expected, 1e-3, 1e-3)
    x[:, 3] = 2
    without = np.log(model.predict(x, verbose=0))
    drop = expected - (without[:, 0] - without[:, 1])
    np.testing.assert_allclose((found.scores - other.scores)[:, 3], drop, 1e-3, 1e-3)


def test_the_output_itself():
    model, x = text_model(kit.LSTM), ids()
    found = kit.attribute(model, x, of="output")
    start = oracles.sigmoid(start_of(model, oracles.lstm, x))
    change = model.predict(x, verbose=0) - start
    np.testing.assert_allclose(found.total, change[:, 0], atol=1e-5)
    assert found.of == "output"


def test_the_predicted_class_and_others():
    model, x = text_model(kit.LSTM, outputs=3, head="softmax"), ids()
    found = kit.attribute(model, x)
    predicted = model.predict(x, verbose=0).argmax(1)
    np.testing.assert_array_equal(found.target, predicted)
    for target in (1, [2, 0, 1, 1], np.array([0, 0, 2, 1])):
        other = kit.attribute(model, x, target=target)
        np.testing.assert_array_equal(other.target, np.broadcast_to(target, 4))
    again = kit.attribute(model, x, target=predicted)
    np.testing.assert_allclose(again.scores, found.scores, 1e-5, 1e-6)
