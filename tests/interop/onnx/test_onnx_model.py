"""`OnnxModel` made from Keras models: predictions, streams, and whether it is current."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.interop.onnx import model as onnx_model
from keras_rnnkit.interop.onnx.fingerprint import fingerprint

pytestmark = pytest.mark.slow_on("jax", "tensorflow")

WORDS, FEATURES = 9, 3


def classifier():
    """Reads words with padding."""
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(WORDS, FEATURES, mask_zero=True),
            kit.Bidirectional(kit.LSTM(4)),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def two_inputs():
    """Reads words and numbers, and returns a dict with a nested list."""
    words = keras.Input((None,), dtype="int32", name="words")
    numbers = keras.Input((None, FEATURES), name="numbers")
    x = keras.layers.Embedding(WORDS, FEATURES)(words)
    sequence = kit.GRU(4, return_sequences=True)(keras.layers.Add()([x, numbers]))
    last = kit.LSTM(3)(sequence)
    outputs = {
        "steps": keras.layers.Dense(2)(sequence),
        "last": [last, keras.layers.Dense(1)(last)],
    }
    return keras.Model({"words": words, "numbers": numbers}, outputs)


def words_of(rows, steps=6):
    x = np.random.default_rng(0).integers(1, WORDS, (rows, steps))
    x[:, steps // 2 :] *= np.arange(rows)[:, None] % 2  # every second row is padded
    return x


def numbers_of(rows, steps=6):
    return np.random.default_rng(1).normal(size=(rows, steps, FEATURES)).astype("float32")


def assert_same(found, want):
    keras.tree.assert_same_structure(found, want)
    for a, b in zip(keras.tree.flatten(found), keras.tree.flatten(want), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_predict_with_padding(rows):
    model = classifier()
    fast = kit.OnnxModel(model)
    for dtype in ("int32", "int64", "float32"):
        x = words_of(rows).astype(dtype)
        assert_same(fast.predict(x, batch_size=2), model.predict(x.astype("int32"), verbose=0))


def test_predict_takes_a_list_of_numbers_and_a_tensor():
    model = classifier()
    fast, x = kit.OnnxModel(model), words_of(2)
    want = model.predict(x, verbose=0)
    assert_same(fast.predict(x.tolist()), want)
    assert_same(fast.predict(keras.ops.convert_to_tensor(x)), want)


def test_no_rows():
    model = classifier()
    assert kit.OnnxModel(model).predict(words_of(0)).shape == (0, 1)


def test_predict_has_the_structure_of_the_model(tmp_path):
    model = two_inputs()
    x = {"words": words_of(3), "numbers": numbers_of(3)}
    want = model.predict(x, verbose=0)
    path = kit.export_onnx(model, tmp_path / "model.onnx")
    for fast in (kit.OnnxModel(model), kit.OnnxModel(path)):
        assert_same(fast.predict(x, batch_size=2), want)
    with pytest.raises(ValueError, match=r"Received: keys=\['words'\]"):
        fast.predict({"words": words_of(3)})


def test_a_file_with_states_starts_with_zeros(tmp_path):
    model = classifier()
    path = kit.export_onnx(model, tmp_path / "model.onnx", states=True)
    assert_same(kit.OnnxModel(path).predict(words_of(3)), model.predict(words_of(3), verbose=0))


class TestStream:
    @pytest.mark.parametrize("sequences", [False, True])
    def test_steps_give_the_outputs_of_predict(self, sequences, tmp_path):
        model = keras.Sequential(
            [
                keras.Input((None, FEATURES)),
                kit.GRU(4, return_sequences=True),
                kit.LSTM(3, return_sequences=sequences),
                keras.layers.Dense(1),
            ]
        )
        x = numbers_of(2)
        path = kit.export_onnx(model, tmp_path / "live.onnx", streaming=True)
        for live in (kit.OnnxModel(model).stream(), kit.OnnxModel(path).stream()):
            for t in range(6):
                want = model.predict(x[:, : t + 1], verbose=0)
                assert_same(live.step(x[:, t]), want[:, -1] if sequences else want)
            live.reset()
            want = model.predict(x[:1, :1], verbose=0)
            assert_same(live.step(x[:1, 0]), want[:, -1] if sequences else want)

    def test_words_are_a_row_of_numbers(self):
        model = keras.Sequential(
            [
                keras.Input((None,), dtype="int32"),
                keras.layers.Embedding(WORDS, FEATURES),
                kit.LSTM(4),
            ]
        )
        live, x = kit.OnnxModel(model).stream(), words_of(2)
        for t in range(6):
            y = live.step(x[:, t])
        assert_same(y, model.predict(x, verbose=0))

    def test_a_model_that_needs_later_steps_is_refused_by_name(self):
        with pytest.raises(ValueError, match="bidirectional"):
            kit.OnnxModel(classifier()).stream()


class TestIsCurrent:
    def test_after_the_weights_change(self, tmp_path):
        model = classifier()
        fast = kit.OnnxModel(model)
        stored = kit.OnnxModel(kit.export_onnx(model, tmp_path / "model.onnx"))
        assert fast.is_current() and stored.is_current(model)
        model.compile("sgd", "binary_crossentropy")
        model.train_on_batch(words_of(2), np.ones((2, 1)))
        assert not fast.is_current() and not stored.is_current(model)
        with pytest.raises(RuntimeError, match=r"have changed .* another.*rows=1001"):
            fast.predict(words_of(1001), batch_size=512)
        assert len(fast.predict(words_of(1000), batch_size=512)) == 1000
        with pytest.raises(RuntimeError, match="have changed"):
            fast.stream()
        assert len(stored.predict(words_of(1001), batch_size=512)) == 1001
        assert kit.OnnxModel(model).is_current()

    def test_of_a_clone_with_the_same_weights(self, tmp_path):
        model = classifier()
        stored = kit.OnnxModel(kit.export_onnx(model, tmp_path / "model.onnx"))
        other = classifier()
        assert not stored.is_current(other)
        other.set_weights(model.get_weights())
        assert stored.is_current(other)

    def test_two_weights_that_changed_places_change_it(self):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), keras.layers.Dense(2)])
        before, (a, b, c, d) = fingerprint(model), model.get_weights()
        model.set_weights([c, b, a, d])
        assert fingerprint(model) != before
        model.set_weights([a, b, c, d])
        assert fingerprint(model) == before


def test_a_model_is_exported_once_for_all_of_its_streams(monkeypatch):
    model = keras.Sequential([keras.Input((None, FEATURES)), kit.GRU(4)])
    fast, calls = kit.OnnxModel(model), []
    exported = onnx_model._exported
    monkeypatch.setattr(
        onnx_model,
        "_exported",
        lambda *args, **options: calls.append(1) or exported(*args, **options),
    )
    first, second = fast.stream(), fast.stream()
    first.step(numbers_of(1)[:, 0])
    assert second.states is None
    assert calls == [1]


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="`path_or_model` must be a path"):
        kit.OnnxModel(None)
    with pytest.raises(ValueError, match="built"):
        kit.OnnxModel(keras.Sequential([kit.LSTM(3)]))
