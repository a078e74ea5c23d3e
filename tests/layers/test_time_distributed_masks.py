"""Masks after `TimeDistributed`: those passed on, and those that the layer makes."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.support import oracles
from tests.support.cases import assert_close, to_numpy

RNG = np.random.default_rng(0)
LAYERS = keras.layers
SHAPES = [(4, 5), (None, 5), (None, None)]
WORDS = RNG.integers(1, 20, (3, 4, 5))  # documents of sentences of words
WORDS[0, 2:], WORDS[1, 1, 3:], WORDS[2, 3, 0] = 0, 0, 0
THERE = WORDS > 0
X = np.where(THERE[..., None], RNG.normal(size=(3, 4, 5, 2)), 0).astype("float32")


def read(x, layer, mask):
    """The states of a GRU, in float64: `(row, step, units)`."""
    zeros = [np.zeros((len(x), layer.units))]
    return oracles.gru(x, layer.get_weights(), zeros, mask)["hidden"]


def read_sentences(x, layer):
    """The states of a GRU in every sentence: `(document, sentence, word, units)`."""
    return np.stack([read(x[:, i], layer, THERE[:, i]) for i in range(x.shape[1])], axis=1)


def in_a_model(shape, layers, dtype="int32", functional=True):
    """The layers behind each other, with weights that leave no state near zero."""
    if functional:
        inputs = y = keras.Input(shape, dtype=dtype)
        for layer in layers:
            y = layer(y)
        model = keras.Model(inputs, y)
    else:
        model = keras.Sequential([keras.Input(shape, dtype=dtype), *layers])
    model.set_weights([RNG.normal(size=w.shape) for w in model.get_weights()])
    return model


def sentence_reader(embedding, reader):
    words = keras.Input((None,), dtype="int32")
    return keras.Model(words, reader(embedding(words)))


KINDS = ["states", "embedding in a step", "model in a step", "model behind", "behind a Dense"]


@pytest.mark.parametrize(
    ("kind", "shape", "functional"),
    [
        *((kind, (None, None), True) for kind in KINDS),
        *((kind, (None, 5), False) for kind in ("states", "model behind")),
        *(("model in a step", shape, True) for shape in SHAPES[:2]),
    ],
)
def test_words_that_are_not_there_count_nowhere(kind, shape, functional):
    """The states of each sentence, read once more, and then the sentences of the document."""
    embedding = kit.Embedding(20, 4, mask_zero=True)
    first, second, last = kit.GRU(3, return_sequences=True), kit.GRU(2), kit.GRU(2)
    dense, each = LAYERS.Dense(3), kit.TimeDistributed
    front = {
        "states": [embedding, each(first)],
        "embedding in a step": [each(embedding), each(first)],
        "model in a step": [each(sentence_reader(embedding, first))],
        "model behind": [embedding, each(keras.Sequential([first]))],
        "behind a Dense": [embedding, each(first), each(dense), each(LAYERS.Dropout(0.5))],
    }[kind]
    model = in_a_model(shape, [*front, each(second), last], functional=functional)
    states = read_sentences(embedding.get_weights()[0][WORDS], first)
    if kind == "behind a Dense":
        kernel, bias = dense.get_weights()
        states = states @ kernel + bias
    vectors = read_sentences(states, second)[:, :, -1]
    want = read(vectors, last, THERE.any(-1))[:, -1]
    assert_close(model.predict(WORDS, verbose=0), want)
    assert_close(model(WORDS), want)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("in_a_step", ["Masking", "model", "two levels"])
def test_features_that_are_not_there_count_nowhere(in_a_step, shape):
    masking, reader, each = LAYERS.Masking(), kit.GRU(3), kit.TimeDistributed
    if in_a_step == "model":
        masking = keras.Sequential([keras.Input((None, 2)), masking])
    if in_a_step == "two levels":  # a document each
        layers, x = [each(each(masking)), each(each(reader))], X[None]
        model = in_a_model((None, *shape, 2), layers, "float32")
    else:
        model, x = in_a_model((*shape, 2), [each(masking), each(reader)], "float32"), X
    want = read_sentences(X, reader)[:, :, -1]
    assert_close(to_numpy(model.predict(x, verbose=0)).reshape(want.shape), want)


@pytest.mark.parametrize("in_a_step", ["Masking", "model"])
def test_a_step_that_is_left_out_has_nothing_in_it(in_a_step):
    """A mask of steps holds beside the one that is made in a step."""
    masking, reader, each = LAYERS.Masking(), kit.GRU(3), kit.TimeDistributed
    made = masking if in_a_step == "Masking" else keras.Sequential([masking, LAYERS.Dense(2)])
    inputs, steps = keras.Input((4, 5, 2)), keras.Input((4,), dtype="bool")
    kept = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [0, 1, 1, 0]], bool)
    behind = each(made)(inputs, mask=steps)
    model = keras.Model([inputs, steps], [each(reader)(behind), behind])
    vectors, x = map(to_numpy, model([X, kept]))
    there = THERE & kept[..., None]
    want = np.stack([read(x[:, i], reader, there[:, i])[:, -1] for i in range(4)], axis=1)
    assert_close(vectors, want)


def test_a_mask_of_steps_reaches_the_sequences_in_a_model():
    reader, kept = kit.GRU(3), np.array([[1, 1, 1, 1], [1, 0, 1, 1], [0, 1, 1, 0]], bool)
    layer = kit.TimeDistributed(keras.Sequential([keras.Input((5, 2)), reader]))
    everywhere = np.broadcast_to(kept[..., None], THERE.shape)
    want = [read(X[:, i], reader, everywhere[:, i])[:, -1] for i in range(4)]
    assert_close(layer(X, mask=kept), np.stack(want, axis=1))


@pytest.mark.parametrize("functional", [True, False])
def test_in_the_place_of_keras_own(functional):
    """Where Keras has the masks right, so has the copy of its model."""
    each = LAYERS.TimeDistributed
    first, second = LAYERS.GRU(3, return_sequences=True), LAYERS.GRU(2)
    layers = [LAYERS.Embedding(20, 4, mask_zero=True), each(first), each(second)]
    mine = kit.from_keras(in_a_model((4, 5), layers, functional=functional))
    states = read_sentences(layers[0].get_weights()[0][WORDS], first)
    assert_close(mine.predict(WORDS, verbose=0), read_sentences(states, second)[:, :, -1])


def test_a_model_with_masks_in_a_step_is_saved_and_loaded(tmp_path):
    embedding, reader = kit.Embedding(20, 4, mask_zero=True), kit.GRU(3, return_sequences=True)
    each = kit.TimeDistributed
    layers = [each(sentence_reader(embedding, reader)), each(kit.GRU(2)), kit.GRU(2)]
    model = in_a_model((None, 5), layers)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(loaded.predict(WORDS, verbose=0), model.predict(WORDS, verbose=0))
