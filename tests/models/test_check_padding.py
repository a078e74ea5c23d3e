"""`kit.data.check_padding` finds padding that a layer reads last."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_rnnkit as kit
from tests.models.padded import FULL, POST, PRE, REVIEWS, STEPS, ids_model, kinds, series

L = keras.layers


class MaskLost(L.Layer):
    """A layer that passes no mask on."""

    def call(self, x):
        return x * 1.0

    def compute_mask(self, x, previous_mask):
        return None


class TestUnmaskedPadding:
    @pytest.mark.parametrize("package", [L, kit], ids=["keras", "kit"])
    @pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
    def test_on_the_right_of_a_last_step(self, package, kind):
        model = ids_model(getattr(package, kind)(3, name="rnn"))
        report = kit.data.check_padding(model, POST)
        assert kinds(report) == [("unmasked padding", "rnn", [1, 2])]
        assert not report.ok
        assert "2 to 5 steps" in report[0].problem
        assert "mask_zero=True" in report[0].remedy
        assert 'padding="pre"' in report[0].remedy

    @pytest.mark.parametrize(
        ("make", "paths"),
        [
            (lambda: kit.StackedRNN([3, 3], name="rnn"), ["rnn/rnn_1"]),
            (lambda: kit.LearnedInitialState(kit.GRU(3, name="gru"), name="rnn"), ["rnn/gru"]),
            (lambda: kit.RNN(kit.PeepholeLSTMCell(3), name="rnn"), ["rnn"]),
            (lambda: L.RNN([L.LSTMCell(3), L.GRUCell(3)], name="rnn"), ["rnn"]),
            (lambda: kit.Bidirectional(kit.GRU(3, name="g"), name="rnn"), ["rnn/forward_g"]),
            (lambda: L.Bidirectional(L.GRU(3, name="g"), name="rnn"), ["rnn/forward_g"]),
            (lambda: kit.MinGRU(3, name="rnn"), ["rnn"]),
        ],
        ids=["stack", "learned", "peephole", "cells", "both", "keras_both", "min_gru"],
    )
    def test_in_every_kind_of_layer(self, make, paths):
        report = kit.data.check_padding(ids_model(make()), POST)
        assert kinds(report) == [("unmasked padding", path, [1, 2]) for path in paths]

    @pytest.mark.parametrize("package", [L, kit], ids=["keras", "kit"])
    def test_on_the_left_of_a_layer_that_runs_backward(self, package):
        model = ids_model(package.Bidirectional(package.LSTM(3, name="lstm"), name="both"))
        report = kit.data.check_padding(model, PRE)
        assert kinds(report) == [("unmasked padding", "both/backward_lstm", [1, 2])]
        assert "begin with" in report[0].problem
        assert 'padding="pre"' not in report[0].remedy

    def test_that_a_layer_before_it_has_spread(self):
        layers = [
            kit.Bidirectional(kit.LSTM(3, return_sequences=True)),
            L.LayerNormalization(),
            L.Dense(4),
            L.LSTM(3, name="last"),
        ]
        report = kit.data.check_padding(ids_model(*layers), POST)
        assert kinds(report) == [("unmasked padding", "last", [1, 2])]

    def test_behind_a_layer_with_strides(self):
        model = ids_model(L.Conv1D(4, 2, strides=2), L.GRU(3, name="gru"))
        report = kit.data.check_padding(model, POST)  # row 2 has padding in its first window
        assert kinds(report) == [("unmasked padding", "gru", [1])]

    @pytest.mark.parametrize("package", [L, kit], ids=["keras", "kit"])
    def test_where_the_mask_does_not_reach_the_layer(self, package):
        model = ids_model(L.Dense(4), MaskLost(), package.LSTM(3, name="rnn"), mask_zero=True)
        report = kit.data.check_padding(model, POST)
        assert kinds(report) == [("unmasked padding", "rnn", [1, 2])]
        assert "mask of 'embedding'" in report[0].remedy

    def test_where_a_mask_leaves_other_steps_out(self):
        inputs = keras.Input((STEPS,), dtype="int32")
        mask = ops.not_equal(inputs, 9)
        outputs = kit.LSTM(3, name="rnn")(kit.Embedding(20, 4)(inputs), mask=mask)
        report = kit.data.check_padding(keras.Model(inputs, outputs), POST)
        assert kinds(report) == [("unmasked padding", "rnn", [1, 2])]

    def test_is_at_the_end_of_a_row(self):
        x = np.array([[3, 0, 4, 5], [0, 3, 0, 0], [0, 0, 0, 4]])
        report = kit.data.check_padding(ids_model(kit.GRU(3, name="rnn")), x)
        assert kinds(report) == [("unmasked padding", "rnn", [1])]
        assert "end in 2 steps" in report[0].problem

    def test_of_features(self):
        model = keras.Sequential([keras.Input((STEPS, 3)), L.LSTM(3, name="rnn")])
        report = kit.data.check_padding(model, series(POST))
        assert kinds(report) == [("unmasked padding", "rnn", [1, 2])]
        assert "Masking" in report[0].remedy

    def test_with_another_value(self):
        model = ids_model(kit.GRU(3, name="rnn"))
        x = kit.data.pad(REVIEWS[:3], padding="post", value=11)
        assert kit.data.check_padding(model, x).ok
        found = kit.data.check_padding(model, x, value=11)
        assert kinds(found) == [("unmasked padding", "rnn", [1, 2])]

    def test_in_a_class_of_ones_own_and_a_nested_model(self):
        class Model(keras.Model):
            def __init__(self):
                super().__init__()
                self.encoder = ids_model(L.GRU(3, name="gru"), name="encoder")
                self.parts = {"embedding": kit.Embedding(20, 4), "rnn": [kit.LSTM(2, name="lstm")]}

            def call(self, x):
                return self.encoder(x), self.parts["rnn"][0](self.parts["embedding"](x))

        model = Model()
        model(POST)
        report = kit.data.check_padding(model, POST)
        rows = [1, 2]
        assert sorted(kinds(report)) == [
            ("unmasked padding", "encoder/gru", rows),
            ("unmasked padding", "lstm", rows),
        ]

    def test_of_the_input_that_a_layer_reads(self):
        first, second = (keras.Input((STEPS,), dtype="int32", name=name) for name in "ab")
        embedding = kit.Embedding(20, 4)
        outputs = [
            kit.LSTM(3, name="of_a")(embedding(first)),
            kit.LSTM(3, name="of_b")(embedding(second)),
        ]
        model = keras.Model({"a": first, "b": second}, outputs)
        report = kit.data.check_padding(model, {"a": FULL, "b": POST})
        assert kinds(report) == [("unmasked padding", "of_b", [1, 2])]

    @pytest.mark.parametrize("package", [L, kit], ids=["keras", "kit"])
    @pytest.mark.parametrize("time", [3, None])
    def test_of_words_in_sentences(self, package, time):
        # The last sentence of the first document is all padding. Nowhere else is a sentence.
        documents = [[[3, 4, 0], [5, 6, 7], [0, 0, 0]], [[6, 7, 8], [2, 1, 0], [9, 0, 0]]]
        model = keras.Sequential(
            [
                keras.Input((time, 3), dtype="int32"),
                package.TimeDistributed(package.Embedding(20, 4), name="vectors"),
                package.TimeDistributed(package.GRU(3, name="words"), name="each"),
                package.GRU(2, name="sentences"),
            ]
        )
        report = kit.data.check_padding(model, np.array(documents, "int32"))
        assert kinds(report) == [
            ("unmasked padding", "each/words", [0, 1]),
            ("unmasked padding", "sentences", [0]),
        ]
        assert "1 step of" in report[1].problem

    def test_that_an_initial_state_hides_from_a_mask_in_keras(self):
        inputs = keras.Input((STEPS,), dtype="int32")
        x = L.Embedding(20, 4, mask_zero=True)(inputs)
        states = L.GRU(3, return_state=True)(x)[1]
        for package, found in ((L, 1), (kit, 0)):
            outputs = package.GRU(3, name="decoder")(x, initial_state=states)
            report = kit.data.check_padding(keras.Model(inputs, outputs), POST)
            assert kinds(report) == [("unmasked padding", "decoder", [1, 2])] * found
            assert all("With an `initial_state`" in finding.remedy for finding in report)

    def test_of_images_over_time(self):
        frames = np.random.default_rng(0).normal(size=(3, 4, 3, 3, 1)).astype("float32")
        frames[1, 3:] = 0
        model = keras.Sequential([keras.Input((4, 3, 3, 1)), L.ConvLSTM2D(1, 2, name="frames")])
        report = kit.data.check_padding(model, frames)
        assert kinds(report) == [("unmasked padding", "frames", [1])]

    def test_of_inputs_of_which_one_is_masked(self):
        first, second = keras.Input((STEPS, 3), name="a"), keras.Input((STEPS, 2), name="b")
        outputs = [L.LSTM(3, name="of_a")(L.Masking()(first)), L.LSTM(3, name="of_b")(second)]
        model = keras.Model({"a": first, "b": second}, outputs)
        report = kit.data.check_padding(model, {"a": series(POST), "b": series(POST, 2)})
        assert kinds(report) == [("unmasked padding", "of_b", [1, 2])]


class TestStates:
    @staticmethod
    def model(used):
        inputs = keras.Input((STEPS,), dtype="int32")
        lstm = L.LSTM(3, return_sequences=True, return_state=True, name="encoder")
        sequence, hidden, cell = lstm(kit.Embedding(20, 4)(inputs))
        pooled = L.GlobalMaxPooling1D()(sequence)
        return keras.Model(inputs, L.Concatenate()([hidden, cell]) if used else pooled)

    def test_that_the_model_uses_count(self):
        report = kit.data.check_padding(self.model(used=True), POST)
        assert kinds(report) == [("unmasked padding", "encoder", [1, 2])]

    def test_that_are_returned_for_another_model_do_not(self):
        assert kit.data.check_padding(self.model(used=False), POST) == ()


class Series(keras.utils.PyDataset):
    """The same batch, a number of times; without an end if there is none."""

    def __init__(self, batch, count):
        super().__init__()
        self.batch, self.count = batch, count

    num_batches = property(lambda self: self.count)

    def __getitem__(self, index):
        return self.batch


def reader():
    return keras.Sequential([keras.Input((None,)), kit.Embedding(10, 2), kit.LSTM(2, name="rnn")])


@pytest.mark.parametrize("batch_size", [None, 2])
def test_of_a_data_set_every_batch_is_checked(batch_size):
    ids = [[1, 2, 3, 4, 5], [4], [5, 6, 7, 8], [7], [8, 9], [1, 11], [3, 3, 3, 3, 3]]
    data = kit.data.Bucketed(ids, np.zeros(7), batch_size=3, lengths=2, seed=1)
    report = kit.data.check_padding(reader(), data, batch_size=batch_size)
    rows = [row for batch in data for row in batch[0]]
    expected = {
        "unknown ids": [number for number, row in enumerate(rows) if 11 in row],
        "unmasked padding": [number for number, row in enumerate(rows) if row[-1] == 0],
    }
    assert report.rows == 7 and len(expected["unmasked padding"]) > 1
    assert {finding.kind: finding.rows.tolist() for finding in report} == expected
    assert data.epoch == 0


def test_other_data_sets_are_refused_with_what_to_pass_instead():
    batch = (np.array([[1, 2], [3, 0]]), np.zeros(2))
    message = r"`x` must be an array.*check_padding\(model, data\[0\]\[0\]\).*Series"
    with pytest.raises(TypeError, match=message):
        kit.data.check_padding(reader(), Series(batch, None))
    with pytest.raises(TypeError, match=r"`x`.*next\(iter\(data\)\)\[0\].*of type generator"):
        kit.data.check_padding(reader(), (batch for batch in [batch]))
    with pytest.raises(ValueError, match="`x` must have at least one row"):
        kit.data.check_padding(reader(), Series(batch, 0))


def test_a_data_set_of_tensorflow_is_refused():
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        data = tf.data.Dataset.from_tensors(np.ones((2, 3), "int32"))
        with pytest.raises(TypeError, match=r"check_padding\(model, next\(iter\(data\)\)\[0\]\)"):
            kit.data.check_padding(reader(), data)
