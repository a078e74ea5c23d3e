"""Models that `stream` accepts give the numbers of the whole sequence."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.layers.streams import LAYERS, OPS, X, positions, rnn
from tests.support.cases import assert_close, to_numpy

WORDS = np.array([[0, 1, 2, 0, 4], [3, 0, 0, 5, 0], [1, 2, 3, 4, 5]], "int32")


def assert_streams(model, data, stepwise=()):
    """A step, and two chunks of two, give what the whole gives."""
    live = kit.stream(model, stepwise)

    def steps(a, b):
        return keras.tree.map_structure(lambda x: x[:, a:b], data)

    step = keras.tree.flatten(live.step(keras.tree.map_structure(lambda x: x[:, 0], data)))
    chunks = [keras.tree.flatten(live.chunk(steps(t, t + 2))) for t in (1, 3)]
    whole = keras.tree.flatten(model(data))
    for complete, first in zip(whole, step, strict=True):
        if len(complete.shape) == len(first.shape) + 1:
            assert_close(first, complete[:, 0], atol=1e-5)
    for complete, *parts in zip(whole, *chunks, strict=True):
        parts = list(map(to_numpy, parts))
        with_time = complete.shape[1] != parts[1].shape[1]
        found = np.concatenate(parts, axis=1) if with_time else parts[1]
        assert_close(found, complete[:, 1:] if with_time else complete, atol=1e-5)


ACCEPTED = {
    "a constant for each feature": lambda x: x + positions(1, 1, 4),
    "a constant without axes of batch and time": lambda x: x * positions(4) + 1,
    "a constant of one step": lambda x: x * positions(1, 4),
    "rescaling": LAYERS.Rescaling(np.arange(4.0), offset=1),
    "an equation over features": LAYERS.EinsumDense("abc,cd->abd", (5, 4), bias_axes="d"),
    "an open equation": LAYERS.EinsumDense("...c,cd->...d", (3,), bias_axes="d"),
    "normalizations": lambda x: LAYERS.RMSNormalization()(LAYERS.LayerNormalization(axis=2)(x)),
    "an activation": LAYERS.Activation(lambda x: 2 * OPS.tanh(x)),
    "softmax": lambda x: LAYERS.Softmax()(LAYERS.Dense(4, "softmax")(x)),
    "Normalization of features": LAYERS.Normalization(mean=[0.0, 1, 2, 3], variance=[1.0, 2, 3, 4]),
    "Normalization of all numbers": LAYERS.Normalization(axis=None, mean=1.0, variance=4.0),
    "TimeDistributed": LAYERS.TimeDistributed(LAYERS.Dense(2)),
    "residual connections": lambda x: LAYERS.Add()([x, LAYERS.Dropout(0.5)(rnn(x))]),
    "masks that are joined": lambda x: LAYERS.Concatenate()(
        [LAYERS.Masking()(x), LAYERS.Masking()(2 * x)]
    ),
    "a sum over features": lambda x: x - OPS.mean(x, axis=2, keepdims=True),
    "a shared layer": lambda x: (lambda dense: dense(dense(x)))(LAYERS.Dense(4)),
    "a nested model": lambda x: keras.Sequential([keras.Input((None, 4)), LAYERS.Dense(3)])(x),
    "an unrolled layer": kit.LSTM(4, unroll=True, return_sequences=True),
    "gates": lambda x: kit.LSTM(4, return_sequences=True, return_gates=True)(x)[1].forget,
    "a subclass": type("Mine", (kit.LSTM,), {})(4, return_sequences=True),
}

# What sees the last output alone may look at it as it likes.
HEADS = {
    "softmax over the only axis": LAYERS.Softmax(axis=1),
    "several outputs side by side": lambda h: LAYERS.Concatenate(axis=1)([h, 2 * h]),
    "another shape": LAYERS.Reshape((3, 1)),
    "a decoder": lambda h: kit.Bidirectional(LAYERS.LSTM(2))(LAYERS.RepeatVector(4)(h)),
    "a layer called twice": lambda h: (lambda rnn: rnn(rnn(LAYERS.RepeatVector(4)(h))))(
        kit.GRU(3, return_sequences=True)
    ),
    "any code": LAYERS.Lambda(lambda h: OPS.flip(h, axis=1), output_shape=(3,)),
}


class TestAccepted:
    @pytest.mark.parametrize("name", ACCEPTED)
    def test_gives_the_numbers_of_the_whole(self, name):
        inputs = keras.Input((5, 4))
        h = ACCEPTED[name](inputs)
        assert_streams(keras.Model(inputs, [h, kit.GRU(3)(h)]), X)

    @pytest.mark.parametrize("name", HEADS)
    def test_behind_the_last_output(self, name):
        inputs = keras.Input((5, 4))
        assert_streams(keras.Model(inputs, HEADS[name](kit.GRU(3)(inputs))), X)

    def test_words_and_features_with_their_masks(self):
        words, x = (
            keras.Input((None,), dtype="int32", name="words"),
            keras.Input((None, 4), name="x"),
        )
        embedded = LAYERS.Embedding(6, 3, mask_zero=True)(words)
        h = kit.LSTM(3)(LAYERS.Concatenate()([embedded, x]))
        assert_streams(keras.Model({"words": words, "x": x}, h), {"words": WORDS, "x": X})

    def test_a_layer_shared_with_a_model_that_is_not_streamed(self):
        inputs, shared = keras.Input((None, 4)), kit.GRU(4, return_sequences=True)
        h = shared(inputs)
        model = keras.Model(inputs, h)
        keras.Model(inputs, shared(h))
        assert_streams(model, X)

    def test_a_model_without_recurrent_layers(self):
        live = kit.stream(keras.Sequential([keras.Input((None, 4)), LAYERS.Dense(2)]))
        assert live.states is None
        live.step(X[:, 0])
        assert live.states == []
        with pytest.raises(ValueError, match=r"batch size, which is 3.*batch_size=1$"):
            live.step(X[:1, 0])

    def test_a_layer_of_its_own(self):
        for layer in (kit.StackedRNN([3, 2]), LAYERS.EinsumDense("abc,cd->abd", (None, 2))):
            layer(X)
            assert_streams(layer, X)

    def test_a_random_layer_draws_new_numbers_in_each_step(self):
        model = keras.Sequential([keras.Input((None, 4)), Noise(), kit.LSTM(3)])
        live = kit.stream(model, stepwise=(Noise,))
        first = to_numpy(live.step(X[:, 0]))
        live.reset()
        assert np.abs(to_numpy(live.step(X[:, 0])) - first).max() > 1e-4


class Noise(LAYERS.Layer):
    def __init__(self):
        super().__init__()
        self.seed = keras.random.SeedGenerator(1)

    def call(self, x):
        return x + keras.random.normal(OPS.shape(x), seed=self.seed)
