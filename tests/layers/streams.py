"""What the tests of the models that `stream` accepts and refuses share."""

import keras
import numpy as np

import keras_rnnkit as kit

RNG = np.random.default_rng(0)
LAYERS, OPS = keras.layers, keras.ops
X = RNG.normal(size=(3, 5, 4)).astype("float32")


def positions(*shape):
    return OPS.convert_to_tensor(RNG.normal(size=shape).astype("float32"))


def rnn(x, units=4):
    return kit.GRU(units, return_sequences=True)(x)
