"""Scores of `cells` and `contextual` are at the words, or the model is refused."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from tests.support.cases import where_compiled
from tests.support.witness import randomized

L = keras.layers
IDS = np.random.default_rng(0).integers(1, 9, (4, 6))
IDS[1, :2] = 0


class Flips(L.Layer):
    def call(self, inputs):
        return ops.flip(inputs, axis=1)


class Reader(keras.Model):
    """Turns the words round in its own code."""

    def __init__(self, before=()):
        super().__init__()
        self.words, self.before = L.Embedding(9, 3), list(before)
        self.lstm, self.head = L.LSTM(4, name="lstm"), L.Dense(1)

    def call(self, inputs):
        x = self.words(inputs)
        for layer in self.before:
            x = layer(x)
        return self.head(self.lstm(ops.flip(x, axis=1)))


def sequential(*layers):
    parts = [keras.Input((6,), dtype="int32"), L.Embedding(9, 3), *layers]
    return randomized(keras.Sequential([*parts, L.LSTM(4, name="lstm"), L.Dense(1)]))


def reader(*before):
    model = Reader(before)
    model(IDS)
    return randomized(model)


def back(kind=L.GRU):
    return kind(3, go_backwards=True, return_sequences=True)


def in_both_directions():
    """A pair of layers, of which the second one's outputs are turned round again."""
    ids = keras.Input((6,), dtype="int32")
    x = L.Embedding(9, 3)(ids)
    back = Flips()(L.GRU(2, go_backwards=True, return_sequences=True)(x))
    x = L.Concatenate()([L.GRU(2, return_sequences=True)(x), back])
    return randomized(keras.Model(ids, L.Dense(1)(L.LSTM(4, name="lstm")(x))))


MIRRORED = {
    "its own code": reader,
    "a layer": lambda: sequential(Flips()),
    "shifted": lambda: sequential(L.Lambda(lambda x: ops.roll(x, 1, axis=1))),
    "after an LSTM": lambda: sequential(L.GRU(3, return_sequences=True), Flips()),
    "after both directions": lambda: reader(L.Bidirectional(L.GRU(2, return_sequences=True))),
    "backward": lambda: sequential(back()),
    "backward, learned": lambda: sequential(kit.LearnedInitialState(back(kit.GRU))),
    "before an LSTM": lambda: sequential(Flips(), L.GRU(3, return_sequences=True)),
    "behind strides": lambda: sequential(L.Conv1D(4, 2, strides=2), Flips()),
    "before a pool": lambda: sequential(Flips(), L.AveragePooling1D(2)),
}
IN_ORDER = {
    "dense": lambda: sequential(L.Dense(4, activation="relu"), L.Dropout(0.3)),
    "convolution": lambda: sequential(L.Conv1D(4, 3, padding="same")),
    "both directions": lambda: sequential(L.Bidirectional(L.GRU(2, return_sequences=True))),
    "two layers": in_both_directions,
    "backward and back": lambda: sequential(back(), back()),
    "a stack": lambda: sequential(kit.StackedRNN([3, 4], return_sequences=True)),
}


FEWER = {
    "strides": lambda: sequential(L.Conv1D(4, 2, strides=2)),
    "no padding": lambda: sequential(L.Conv1D(4, 3, activation="relu")),
    "pool": lambda: sequential(L.MaxPooling1D(2)),
}


@pytest.mark.parametrize(
    "kind", where_compiled(["its own code", "after an LSTM", "backward"], MIRRORED)
)
def test_a_model_that_turns_the_words_round_is_refused(kind):
    model = MIRRORED[kind]()
    match = r"'lstm' gets the words in another order.*integrated_gradients"
    with pytest.raises(ValueError, match=match):
        kit.attribute(model, IDS, method="cells")


def test_contextual_refuses_it_too():
    with pytest.raises(ValueError, match="in another order, or shifted"):
        kit.attribute(reader(), IDS, method="contextual", spans=[(0, 2)])


@pytest.mark.parametrize("kind", where_compiled(["pool"], FEWER))
def test_a_model_with_fewer_steps_than_words_is_not(kind):
    found = kit.attribute(FEWER[kind](), IDS, method="cells")
    assert found.scores.shape[1] < IDS.shape[1]
    assert found.gap.max() < 1e-3


@pytest.mark.parametrize("kind", where_compiled(["two layers", "convolution"], IN_ORDER))
def test_a_model_that_leaves_the_words_where_they_are_is_not(kind):
    found = kit.attribute(IN_ORDER[kind](), IDS, method="cells")
    assert found.scores.shape == IDS.shape
    assert found.gap.max() < 1e-3


def test_units_that_are_zero_at_a_word_do_not_move_the_words():
    model = sequential(L.Conv1D(2, 3, padding="same", activation="relu"))
    rng = np.random.default_rng(0)
    for _ in range(8):
        for layer in model.layers[:2]:
            layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
        assert kit.attribute(model, IDS, method="cells").gap.max() < 1e-3


RUNS = []


class Counts(L.Layer):
    """Notes each run of its Python code."""

    def call(self, inputs):
        RUNS.append(inputs)
        return inputs * 1


@pytest.mark.skipif(keras.config.backend() == "torch", reason="nothing is compiled")
@pytest.mark.parametrize("kind", ["cells", "contextual"])
def test_the_check_is_compiled_once(kind):
    model, spans = sequential(Counts()), [(0, 2)] if kind == "contextual" else None
    kit.attribute(model, IDS, method=kind, spans=spans)
    RUNS.clear()
    kit.attribute(model, IDS[::-1], method=kind, spans=spans)
    assert not RUNS


def test_vectors_with_a_mask_and_a_stateful_model_are_in_order():
    x = np.random.default_rng(1).normal(size=(3, 6, 2)).astype("float32")
    x[1, :3] = 0
    inputs = keras.Input(batch_shape=(3, 6, 2))
    masked = L.Masking()(inputs)
    model = randomized(keras.Model(inputs, L.Dense(1)(L.LSTM(4, stateful=True)(masked))))
    assert kit.attribute(model, x, method="cells").gap.max() < 1e-3
    flipped = L.LSTM(4, stateful=True)(ops.flip(masked, axis=1))
    model = randomized(keras.Model(inputs, L.Dense(1)(flipped)))
    with pytest.raises(ValueError, match="in another order, or shifted"):
        kit.attribute(model, x, method="cells")
