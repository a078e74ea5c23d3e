"""`TimeDistributed`: any number of steps, masks of steps and of parts of a step."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from tests.support import oracles
from tests.support.cases import assert_close, to_numpy

RNG = np.random.default_rng(0)
DOCUMENTS = RNG.normal(size=(2, 3, 4, 5)).astype("float32")  # of sentences of words
STEPS = np.array([[1, 0, 1], [0, 1, 1]], bool)
WORDS = np.array(
    [
        [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]],
        [[1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 0, 1]],
    ],
    bool,
)


def read(sentence, weights, mask):
    """The last state of a GRU of three units."""
    zeros = [np.zeros((len(sentence), 3))]
    return oracles.gru(sentence, weights, zeros, mask)["hidden"]


def sentences(layer, x, mask):
    """What a GRU makes of each sentence, `(batch, sentence, word, units)`."""
    read_one = [read(x[:, i], layer.get_weights(), mask[:, i]) for i in range(x.shape[1])]
    return np.stack(read_one, axis=1)


def shaken(layer, *shape):
    layer.build(shape)
    layer.set_weights([RNG.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def model_of(shape, *layers, dtype="float32"):
    return keras.Sequential([keras.Input(shape, dtype=dtype), *layers])


@pytest.mark.parametrize("known", [True, False])
class TestNumbers:
    def test_of_every_length(self, known):
        dense = keras.layers.Dense(2)
        model = model_of((6 if known else None, 5), kit.TimeDistributed(dense))
        for length in [6] if known else [6, 3, 9, 1]:
            x = RNG.normal(size=(2, length, 5)).astype("float32")
            kernel, bias = dense.get_weights()
            assert_close(model.predict(x, verbose=0), x @ kernel + bias)

    def test_of_a_tagger_on_several_lengths(self, known):
        embedding = kit.Embedding(9, 4)
        tags = kit.TimeDistributed(keras.layers.Dense(2, activation="softmax"))
        tagger = kit.GRU(3, return_sequences=True)
        model = model_of((6 if known else None,), embedding, tagger, tags, dtype="int32")
        model.compile("sgd", "sparse_categorical_crossentropy")
        for length in [6] if known else [6, 9]:
            x = RNG.integers(1, 9, (2, length))
            assert model.predict(x, verbose=0).shape == (2, length, 2)
            assert np.isfinite(model.train_on_batch(x, x % 2))

    @pytest.mark.xla
    def test_of_words_in_sentences(self, known):
        reader = shaken(kit.GRU(3), None, None, 5)
        model = model_of(
            (3 if known else None, 4 if known else None, 5), kit.TimeDistributed(reader)
        )
        want = sentences(reader, DOCUMENTS, np.ones_like(WORDS))[:, :, -1]
        assert_close(model.predict(DOCUMENTS, verbose=0), want)

    def test_of_every_part_that_a_layer_returns(self, known):
        reader = shaken(kit.GRU(3, return_state=True, return_gates=True), None, None, 5)
        model = model_of((3 if known else None, 4, 5), kit.TimeDistributed(reader))
        output, state, trace = model(DOCUMENTS)
        trace = type(model.layers[0].layer.trace(DOCUMENTS[:, 0]))(*trace)
        want = sentences(reader, DOCUMENTS, np.ones_like(WORDS))
        assert_close([output, state, trace.hidden], [want[:, :, -1], want[:, :, -1], want])
        assert tuple(model.outputs[2].shape) == (None, 3 if known else None, 4, 3)

    def test_in_training(self, known):
        """The gradients: a step of plain descent is that of the layer without the wrapper."""
        x, y = DOCUMENTS[:, 0], RNG.normal(size=(2, 4, 2))
        steps = []
        for wrap in (kit.TimeDistributed, lambda layer: layer):
            dense = shaken(keras.layers.Dense(2), None, 5)
            dense.set_weights([np.full((5, 2), 0.1), np.zeros(2)])
            model = model_of((4 if known else None, 5), wrap(dense))
            model.compile(keras.optimizers.SGD(0.1), "mse")
            model.train_on_batch(x, y)
            steps.append(dense.get_weights())
        assert_close(*steps)

    def test_with_dropout_every_step_has_a_mask_of_its_own(self, known):
        drop = kit.TimeDistributed(keras.layers.Dropout(0.5))
        inputs = keras.Input((20 if known else None, 50))
        kept = to_numpy(keras.Model(inputs, drop(inputs))(np.ones((2, 20, 50)), training=True)) > 0
        assert 0.4 < kept.mean() < 0.6
        assert (kept[:, 0] != kept[:, 1]).any() and (kept[0] != kept[1]).any()


@pytest.mark.parametrize("known", [True, False])
class TestMasks:
    @pytest.mark.parametrize("in_a_model", [False, True])
    def test_of_words_are_those_of_the_layer_in_a_step(self, in_a_model, known):
        words = np.where(WORDS, RNG.integers(1, 9, WORDS.shape), 0)
        embedding, reader = kit.Embedding(9, 5, mask_zero=True), shaken(kit.GRU(3), None, None, 5)
        document = shaken(kit.GRU(3), None, None, 3)
        shape = (3, 4) if known else (None, None)
        inner = model_of((None, 5), reader) if in_a_model else reader
        layers = [embedding, kit.TimeDistributed(inner), document]
        model = model_of(shape, *layers, dtype="int32")
        x = embedding.get_weights()[0][words]
        vectors = sentences(reader, x, WORDS)[:, :, -1]
        want = read(vectors, document.get_weights(), WORDS.any(-1))[:, -1]
        assert_close(model.predict(words, verbose=0), want)

    def test_of_steps_apply_to_every_part_of_a_step(self, known):
        reader = shaken(kit.GRU(3), None, None, 5)
        layer, inputs = kit.TimeDistributed(reader), keras.Input((3 if known else None, 4, 5))
        mask = keras.Input((3 if known else None,), dtype="bool")
        model = keras.Model([inputs, mask], layer(inputs, mask=mask))
        everywhere = np.repeat(STEPS[..., None], 4, axis=-1)
        assert_close(model([DOCUMENTS, STEPS]), sentences(reader, DOCUMENTS, everywhere)[:, :, -1])

    def test_go_on(self, known):
        x = ops.convert_to_tensor(DOCUMENTS)

        def mask_behind(layer, mask):
            mask = ops.convert_to_tensor(mask)
            return to_numpy(kit.TimeDistributed(layer).compute_mask(x, mask))

        assert_close(mask_behind(keras.layers.Dense(2), STEPS), STEPS)
        assert_close(mask_behind(keras.layers.Dense(2), WORDS), WORDS)
        assert_close(mask_behind(kit.GRU(3, return_sequences=True), WORDS), WORDS)
        assert_close(mask_behind(kit.GRU(3), WORDS), WORDS.any(-1))
        assert_close(mask_behind(keras.layers.Flatten(), WORDS), WORDS.any(-1))
        masking = kit.TimeDistributed(keras.layers.Masking())
        found = masking.compute_mask(ops.convert_to_tensor(DOCUMENTS * WORDS[..., None]))
        assert_close(found, WORDS)
        assert kit.TimeDistributed(keras.layers.Dense(2)).compute_mask(x) is None

    def test_reach_a_layer_of_steps_as_one_entry_a_row(self, known):
        class Kept(keras.layers.Layer):
            def call(self, inputs, mask=None):
                return ops.where(mask[:, None], inputs, 0)

        layer, inputs = kit.TimeDistributed(Kept()), keras.Input((3 if known else None, 5))
        mask = keras.Input((3 if known else None,), dtype="bool")
        model = keras.Model([inputs, mask], layer(inputs, mask=mask))
        x = DOCUMENTS[:, :, 0]
        assert_close(model([x, STEPS]), np.where(STEPS[..., None], x, 0))


def test_a_mask_that_does_not_fit_is_refused():
    layer = kit.TimeDistributed(keras.layers.Dense(2))
    for mask in (STEPS[0], STEPS[:, :2], STEPS[:1]):
        with pytest.raises(ValueError, match=r"\(batch, time\) = \(2, 3\).*mask.shape="):
            layer(DOCUMENTS[:, :, 0], mask=mask)


def test_inputs_without_a_step_are_refused():
    with pytest.raises(ValueError, match=r"at least one step.*inputs\.shape=\(2, 0, 4, 5\)"):
        kit.TimeDistributed(kit.GRU(2))(DOCUMENTS[:, :0])


def test_files_and_the_namesake(tmp_path):
    model = model_of((None, 4, 5), kit.TimeDistributed(kit.Bidirectional(kit.LSTM(2))))
    assert isinstance(model.layers[0], keras.layers.TimeDistributed)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0]) is kit.TimeDistributed
    assert_close(loaded(DOCUMENTS), model(DOCUMENTS))


def test_in_the_place_of_keras_own():
    theirs = model_of((3, 4, 5), keras.layers.TimeDistributed(keras.layers.LSTM(2)))
    mine = kit.from_keras(theirs)
    assert type(mine.layers[0]) is kit.TimeDistributed
    assert type(mine.layers[0].layer) is kit.LSTM
    assert_close(mine(DOCUMENTS), theirs(DOCUMENTS))


def test_a_stream_takes_it_and_what_is_in_it():
    layers = [kit.TimeDistributed(kit.GRU(3)), kit.LSTM(2)]
    model = model_of((None, 4, 5), *layers)
    live, want = kit.stream(model), model.predict(DOCUMENTS, verbose=0)
    live.chunk(DOCUMENTS[:, :2])
    assert_close(live.step(DOCUMENTS[:, 2]), want)
    assert [row.type for row in kit.explain(model)] == ["GRU", "LSTM"]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("in_a_model", [True, False])
def test_what_a_layer_adds_to_the_loss_counts_once(in_a_model, wrapped, known):
    """The penalty of a sequence is the sum over its steps, as it is without the wrapper."""
    dense = shaken(keras.layers.Dense(2, activity_regularizer=keras.regularizers.L2(0.1)), None, 5)
    inner = model_of((5,), dense) if in_a_model and wrapped else dense
    model = model_of((6 if known else None, 5), kit.TimeDistributed(inner) if wrapped else dense)
    model.compile("sgd", "mse")
    for length in [6] if known else [6, 3, 9]:
        x = RNG.normal(size=(2, length, 5)).astype("float32")
        y = x.astype("float64") @ dense.get_weights()[0] + dense.get_weights()[1]
        want = (y**2).mean() + 0.1 * (y**2).sum() / 2
        found = model.evaluate(x, np.zeros_like(y), verbose=0)
        assert_close(found, want, rtol=1e-4)
