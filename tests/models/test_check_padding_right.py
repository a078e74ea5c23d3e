"""`kit.data.check_padding` raises no false alarm, takes large inputs, and changes nothing."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from tests.models.padded import FULL, POST, PRE, STEPS, ids_model, kinds, series

pytestmark = pytest.mark.slow_on("jax", "tensorflow")

L = keras.layers

RIGHT = {
    "masked": lambda p: ids_model(p.LSTM(3), mask_zero=True),
    "masked_stack": lambda p: ids_model(
        p.GRU(3, return_sequences=True), L.Dense(3), p.LSTM(3), mask_zero=True
    ),
    "masked_both": lambda p: ids_model(
        p.Bidirectional(p.LSTM(3, return_sequences=True)),
        p.Bidirectional(p.GRU(3)),
        mask_zero=True,
    ),
    "pooled": lambda p: ids_model(p.LSTM(3, return_sequences=True), L.GlobalMaxPooling1D()),
    "kit_stack": lambda p: ids_model(kit.StackedRNN([3, 3], residual=True), mask_zero=True),
    "masked_decoder": lambda p: ids_model(
        p.LSTM(3), L.RepeatVector(STEPS), p.LSTM(3), mask_zero=True
    ),
    "flattened": lambda p: ids_model(
        L.Conv1D(3, 2, padding="same"), L.GlobalMaxPooling1D(), L.RepeatVector(4), p.LSTM(3)
    ),
}


class WithPlaces(L.Layer):
    """Vectors of words, plus vectors of their places, whose ids begin with 0."""

    def __init__(self):
        super().__init__()
        self.words = L.Embedding(20, 4, mask_zero=True)
        self.places = L.Embedding(STEPS, 4)
        self.supports_masking = True

    def call(self, x):
        return self.words(x) + self.places(ops.arange(STEPS)[None])

    def compute_mask(self, x, previous_mask):
        return ops.not_equal(x, 0)


class Plus(L.Layer):
    """The sum of two inputs, with the mask of the first; `Add` passes a mask on if all have one."""

    def call(self, inputs):
        return inputs[0] + inputs[1]

    def compute_mask(self, inputs, previous_masks):
        return previous_masks[0]


class TestNoFalseAlarm:
    @pytest.mark.parametrize("package", [L, kit], ids=["keras", "kit"])
    @pytest.mark.parametrize("name", RIGHT)
    def test_on_a_model_that_is_right(self, name, package):
        report = kit.data.check_padding(RIGHT[name](package), POST)
        assert report == (), report
        assert report.ok

    @pytest.mark.parametrize("package", [L, kit], ids=["keras", "kit"])
    def test_on_padding_on_the_left(self, package):
        layers = [package.GRU(3, return_sequences=True), package.LSTM(3)]
        assert kit.data.check_padding(ids_model(*layers), PRE) == ()

    @pytest.mark.parametrize("package", [L, kit], ids=["keras", "kit"])
    def test_on_rows_without_padding(self, package):
        layers = [package.Bidirectional(package.LSTM(3, return_sequences=True)), package.LSTM(3)]
        assert kit.data.check_padding(ids_model(*layers), FULL) == ()

    @pytest.mark.parametrize("package", [L, kit], ids=["keras", "kit"])
    def test_on_masked_features(self, package):
        layers = [
            L.Masking(),
            package.Bidirectional(package.LSTM(3, return_sequences=True)),
            package.LSTM(3),
            L.RepeatVector(STEPS),
            package.GRU(2),
        ]
        model = keras.Sequential([keras.Input((STEPS, 3)), *layers])
        assert kit.data.check_padding(model, series(POST)) == ()

    def test_on_a_mask_given_by_hand(self):
        class Model(keras.Model):
            def __init__(self):
                super().__init__()
                self.embedding = L.Embedding(20, 4)
                self.both = kit.Bidirectional(kit.LSTM(3, return_sequences=True))
                self.last = L.GRU(3)

            def call(self, x):
                mask = ops.not_equal(x, 0)
                return self.last(self.both(self.embedding(x), mask=mask), mask=mask)

        model = Model()
        model(POST)
        assert kit.data.check_padding(model, POST) == ()

    def test_on_an_id_of_the_row_and_positions(self):
        words, user = keras.Input((STEPS,), dtype="int32"), keras.Input((1,), dtype="int32")
        of_user = L.RepeatVector(STEPS)(L.Flatten()(L.Embedding(3, 4, name="users")(user)))
        outputs = kit.Bidirectional(kit.LSTM(3))(Plus()([WithPlaces()(words), of_user]))
        model = keras.Model([words, user], outputs)
        users = np.array([[0], [1], [0]], "int32")
        for x in (FULL, POST):
            assert kit.data.check_padding(model, [x, users]) == ()

    def test_on_words_in_sentences(self):
        documents = np.array([[[3, 4, 0], [5, 0, 0], [0, 0, 0]], [[6, 7, 8], [2, 1, 0], [9, 0, 0]]])
        model = keras.Sequential(
            [
                keras.Input((None, None), dtype="int32"),
                kit.Embedding(10, 4, mask_zero=True),
                kit.TimeDistributed(kit.GRU(3)),
                kit.GRU(2),
            ]
        )
        assert kit.data.check_padding(model, documents) == ()

    def test_on_a_table_of_features_with_zeros(self):
        model = keras.Sequential(
            [keras.Input((4,)), L.Dense(3), L.RepeatVector(4), kit.LSTM(3), L.Dense(1)]
        )
        assert kit.data.check_padding(model, np.eye(4, dtype="float32")) == ()


class TestLargeInputs:
    @pytest.mark.parametrize("rows", [7, 8, 9])
    def test_in_batches_find_the_same_rows(self, rows):
        x = np.concatenate([POST, PRE, FULL])[:rows]
        model = ids_model(kit.Bidirectional(kit.LSTM(3, name="lstm"), name="both"))
        whole = kinds(kit.data.check_padding(model, x))
        assert whole == [
            ("unmasked padding", "both/forward_lstm", [1, 2]),
            ("unmasked padding", "both/backward_lstm", [4, 5]),
        ]
        assert kinds(kit.data.check_padding(model, x, batch_size=4)) == whole

    @pytest.mark.parametrize("package", [L, kit], ids=["keras", "kit"])
    def test_a_stateful_model_takes_its_batch_size_and_keeps_its_states(self, package):
        lstm = package.LSTM(3, stateful=True, name="lstm")
        model = keras.Sequential([keras.Input(batch_shape=(2, STEPS, 3)), lstm])
        lstm.reset_state()
        before = [ops.convert_to_numpy(state) for state in keras.tree.flatten(lstm.states)]
        report = kit.data.check_padding(model, series(POST))
        assert kinds(report) == [("unmasked padding", "lstm", [1, 2])]
        for old, new in zip(before, keras.tree.flatten(lstm.states), strict=True):
            np.testing.assert_array_equal(old, ops.convert_to_numpy(new))

    def test_from_a_read_only_file(self, tmp_path):
        np.save(tmp_path / "x.npy", np.concatenate([FULL, POST]))
        x = np.load(tmp_path / "x.npy", mmap_mode="r")
        report = kit.data.check_padding(ids_model(kit.GRU(3, name="rnn")), x, batch_size=2)
        assert kinds(report) == [("unmasked padding", "rnn", [4, 5])]

    def test_nothing_is_changed(self):
        model = ids_model(kit.LSTM(3), L.Dense(1))
        before = model.predict(POST, verbose=0)
        weights = model.get_weights()
        kit.data.check_padding(model, POST)
        np.testing.assert_array_equal(model.predict(POST, verbose=0), before)
        for old, new in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
        assert all("call" not in vars(layer) for layer in model.layers)
