"""`kit.data.check_padding` finds empty rows, unknown ids and masks for cuDNN, and prints them."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from tests.models.padded import FULL, POST, PRE, REVIEWS, STEPS, ids_model, kinds, series

L = keras.layers


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

    @pytest.mark.parametrize(
        ("dtype", "one"), [("int64", 2**32 + 1), ("uint64", 2**32 + 1), ("uint32", 2**32 - 1)]
    )
    def test_that_int32_cannot_hold(self, dtype, one):
        x = FULL.astype(dtype)
        x[1, 1] = one
        report = kit.data.check_padding(ids_model(kit.GRU(3)), x)
        assert kinds(report) == [("unknown ids", "embedding", [1])]
        assert f"out of range: {2**31 - 1}" in report[0].problem

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
        with_a_hole = np.array([[3, 0, 4, 0], [3, 4, 0, 0]])
        report = kit.data.check_padding(model, with_a_hole)
        assert kinds(report) == [("cudnn", "rnn", [0])] * on_tensorflow

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
