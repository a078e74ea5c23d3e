"""`kit.data.check_padding` finds padding that a model takes for data."""

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
    def test_of_words_in_sentences(self, package):
        documents = np.array([[[3, 4, 0], [5, 6, 7]], [[6, 7, 8], [2, 1, 9]]], "int32")
        model = keras.Sequential(
            [
                keras.Input((2, 3), dtype="int32"),
                package.TimeDistributed(package.Embedding(20, 4)),
                package.TimeDistributed(package.GRU(3, name="words")),
                package.GRU(2, name="sentences"),
            ]
        )
        report = kit.data.check_padding(model, documents)
        assert [(f.kind, f.layer.rpartition("/")[2]) for f in report] == [
            ("unmasked padding", "words")
        ]
        assert report[0].rows.tolist() == [0]


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


class TestEmptyRows:
    @pytest.mark.parametrize("mask_zero", [False, True])
    @pytest.mark.parametrize("padding", ["pre", "post"])
    def test_are_found_once(self, padding, mask_zero):
        layers = [kit.LSTM(3, return_sequences=True, name="first"), kit.LSTM(3, name="second")]
        x = kit.data.pad([*REVIEWS, [3], []], padding=padding)
        report = kit.data.check_padding(ids_model(*layers, mask_zero=mask_zero), x)
        found = [one for one in kinds(report) if one[0] == "empty rows"]
        assert found == [("empty rows", "first", [3, 5])]
        unmasked = [one for one in kinds(report) if one[0] == "unmasked padding"]
        wrong = padding == "post" and not mask_zero
        assert unmasked == [("unmasked padding", "second", [1, 2, 4])] * wrong

    def test_of_features(self):
        model = keras.Sequential([keras.Input((STEPS, 3)), L.Masking(), kit.GRU(3, name="rnn")])
        x = series(kit.data.pad(REVIEWS, padding="post"))
        assert kinds(kit.data.check_padding(model, x)) == [("empty rows", "rnn", [3])]


class TestUnknownIds:
    @pytest.mark.parametrize("embedding", [L.Embedding, kit.Embedding], ids=["keras", "kit"])
    def test_above_and_below_the_table(self, embedding):
        x = FULL.copy()
        x[1, 2], x[2, 3], x[2, 0] = 20, -1, 300
        model = ids_model(kit.GRU(3), embedding=embedding)
        report = kit.data.check_padding(model, x)
        assert kinds(report) == [("unknown ids", "embedding", [1, 2])]
        assert "-1 to 300" in report[0].problem
        assert "at least 301" in report[0].remedy

    def test_of_each_embedding(self):
        first, second = (keras.Input((STEPS,), dtype="int32") for _ in range(2))
        joined = L.Concatenate()(
            [L.Embedding(20, 4, name="words")(first), L.Embedding(5, 2, name="tags")(second)]
        )
        model = keras.Model([first, second], L.GRU(3)(joined))
        tags = FULL % 5
        assert kit.data.check_padding(model, [FULL, tags], value=None).ok
        tags[2, 1] = 5
        report = kit.data.check_padding(model, [FULL, tags], value=None)
        assert kinds(report) == [("unknown ids", "tags", [2])]

    def test_that_int32_cannot_hold(self):
        x = FULL.astype("int64")
        x[1, 1] = 2**32 + 1
        report = kit.data.check_padding(ids_model(kit.GRU(3)), x)
        assert kinds(report) == [("unknown ids", "embedding", [1])]

    def test_without_a_recurrent_layer(self):
        model = ids_model(L.GlobalMaxPooling1D())
        assert kit.data.check_padding(model, POST).ok
        assert not kit.data.check_padding(model, POST + 30).ok


class TestCudnn:
    @pytest.mark.parametrize("kind", ["LSTM", "GRU"])
    def test_wants_padding_on_the_right_on_tensorflow(self, kind):
        model = ids_model(getattr(L, kind)(3, name="rnn"), mask_zero=True)
        report = kit.data.check_padding(model, PRE)
        on_tensorflow = keras.config.backend() == "tensorflow"
        assert kinds(report) == [("cudnn", "rnn", [1, 2])] * on_tensorflow
        assert report.ok  # on a CPU
        assert kit.data.check_padding(model, POST) == ()

    @pytest.mark.parametrize(
        "make",
        [
            lambda: kit.LSTM(3),
            lambda: L.LSTM(3, use_cudnn=False),
            lambda: L.LSTM(3, recurrent_dropout=0.1),
            lambda: L.LSTM(3, activation="relu"),
            lambda: L.GRU(3, reset_after=False),
            lambda: L.SimpleRNN(3),
        ],
    )
    def test_is_not_used_by_other_layers(self, make):
        assert kit.data.check_padding(ids_model(make(), mask_zero=True), PRE) == ()

    def test_counts_on_a_gpu(self, monkeypatch):
        from keras_rnnkit.kernels import backend_kernels

        finding = kit.data.PaddingFinding("cudnn", "rnn", np.array([1]), "p", "r", gpu_only=True)
        report = kit.data.PaddingReport([finding])
        assert report.ok
        monkeypatch.setattr(type(backend_kernels()), "on_gpu", lambda self, variable: True)
        assert not report.ok


class TestReport:
    def test_prints_what_to_do(self):
        report = kit.data.check_padding(ids_model(kit.LSTM(3, name="rnn")), POST)
        text = str(report)
        assert text == repr(report)
        assert text.startswith("1 finding in 3 rows")
        for part in ("rnn: unmasked padding in 2 rows (1, 2)", "To fix it: ", "mask_zero=True"):
            assert part in text
        assert str(kit.data.check_padding(ids_model(kit.LSTM(3)), FULL)) == "no findings in 3 rows"

    def test_wrong_arguments_are_refused(self):
        with pytest.raises(TypeError, match="`model` must be"):
            kit.data.check_padding("model", POST)
        with pytest.raises(ValueError, match="must be built"):
            kit.data.check_padding(keras.Sequential([kit.LSTM(3)]), POST)
        model = ids_model(kit.LSTM(3))
        with pytest.raises(ValueError, match="at least one row"):
            kit.data.check_padding(model, POST[:0])
        with pytest.raises(ValueError, match="`batch_size`"):
            kit.data.check_padding(model, POST, batch_size=0)
