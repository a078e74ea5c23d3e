"""`kit.trace_batches`: traces of data sets, and their statistics."""

import tracemalloc

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.models import _progress
from keras_rnnkit.models._progress import Progress
from keras_rnnkit.models._runner import runner_for

L = keras.layers


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((6,), dtype="int32")
    x = L.Embedding(9, 3, mask_zero=True)(inputs)
    x = L.LSTM(4, return_sequences=True, name="lstm")(x)
    x = L.Bidirectional(L.GRU(2), name="both")(x)
    return keras.Model(inputs, L.Dense(1)(x))


X = np.random.default_rng(0).integers(0, 9, (10, 6)).astype("int32")


class Data(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, i):
        return X[4 * i : 4 * i + 4], np.zeros(len(X[4 * i : 4 * i + 4]))


DATA = {
    "arrays": lambda: X,
    "dataset": Data,
    "batches": lambda: iter([X[:4], X[4:8], X[8:]]),
    "lists": lambda: [[X[i : i + 4], np.zeros(4)] for i in (0, 4, 8)].__iter__(),
    "single": lambda: [(X[i : i + 4],) for i in (0, 4, 8)].__iter__(),
    "pairs": lambda: [(X[i : i + 4], None) for i in (0, 4, 8)].__iter__(),
}


@pytest.mark.parametrize("kind", DATA)
def test_batches_are_parts_of_the_whole(kind, model):
    whole = kit.trace(model, X)
    parts = list(kit.trace_batches(model, DATA[kind](), batch_size=4))
    assert [len(part["lstm"].mask) for part in parts] == [4, 4, 2]
    for field in whole["lstm"]._fields:
        found = np.concatenate([getattr(part["lstm"], field) for part in parts])
        np.testing.assert_allclose(found, getattr(whole["lstm"], field), atol=1e-6)


def test_statistics_are_those_of_all_valid_steps(model):
    whole = kit.trace(model, X)
    found = kit.trace_batches(model, X, batch_size=4, reduce="statistics")
    assert list(found) == ["lstm", "both.forward", "both.backward"]
    assert found.rows == len(X)
    record = whole["lstm"]
    for field in ("forget", "candidate", "hidden", "cell"):
        values, stats = getattr(record, field)[record.mask], found["lstm"][field]
        assert stats.steps == len(values)
        np.testing.assert_allclose(stats.mean, values.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(stats.low, values.min(axis=0), atol=1e-6)
        np.testing.assert_allclose(stats.high, values.max(axis=0), atol=1e-6)
        exact = np.quantile(values, stats.probabilities, axis=0, method="lower")
        assert (np.abs(stats.quantiles - exact) <= stats.quantile_error + 1e-6).all()
        assert stats.quantile_error.max() < 0.002
    forget = record.forget[record.mask]
    np.testing.assert_allclose(found["lstm"]["forget"].closed, (forget < 0.1).mean(axis=0))
    np.testing.assert_allclose(found["lstm"]["forget"].open, (forget > 0.9).mean(axis=0))
    assert found["lstm"]["cell"].closed is None
    want = -np.log(2) / np.log(forget.astype("float64")).mean(axis=0)
    np.testing.assert_allclose(found["lstm"].half_life, want, rtol=1e-6)
    assert "half-life" in repr(found)


def test_the_steps_that_drive_a_unit_highest_are_found(model):
    record = kit.trace(model, X)["lstm"]
    stats = kit.trace_batches(model, X, batch_size=3, reduce="statistics")["lstm"]["hidden"]
    hidden = np.where(record.mask[..., None], record.hidden, -np.inf)
    for unit in range(4):
        want = np.sort(hidden[..., unit].ravel())[::-1][:5]
        np.testing.assert_allclose(stats.highest[:, unit], want, atol=1e-6)
        places = stats.highest_rows[:, unit], stats.highest_steps[:, unit]
        np.testing.assert_allclose(record.hidden[(*places, unit)], want, atol=1e-6)


def test_values_of_any_size_have_quantiles_within_their_error():
    from keras_rnnkit.models.statistics import _Field

    values = np.random.default_rng(0).standard_cauchy((5000, 2)) * 3
    field = _Field(2, is_state=False)
    for part in np.array_split(values, 7):
        field.add(part, np.zeros(len(part), int), np.zeros(len(part), int))
    stats = field.result()
    exact = np.quantile(values, stats.probabilities, axis=0, method="lower")
    assert (np.abs(stats.quantiles - exact) <= stats.quantile_error + 1e-9).all()
    assert (stats.quantile_error <= 0.0125 * np.maximum(1, np.abs(exact)) * 1.03).all()


def test_a_function_reduces_every_batch(model):
    found = kit.trace_batches(model, X, batch_size=4, reduce=lambda part: len(part["lstm"].mask))
    assert found == [4, 4, 2]
    with pytest.raises(ValueError, match=r"Received: reduce='mean'"):
        kit.trace_batches(model, X, reduce="mean")


def test_a_progress_bar_is_drawn_for_long_work(model, capsys, monkeypatch):
    list(kit.trace_batches(model, X, batch_size=4))
    assert not capsys.readouterr().out
    monkeypatch.setattr(_progress, "_PATIENCE", 0.0)
    list(kit.trace_batches(model, X, batch_size=4))
    assert "3/3" in capsys.readouterr().out
    list(kit.trace_batches(model, X, batch_size=4, progress=True))
    assert "3/3" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"Received: progress='no'"):
        Progress(3, "no")


def test_a_data_loader_of_pytorch(model):
    torch = pytest.importorskip("torch")
    tensors = torch.from_numpy(X), torch.zeros(len(X))
    data = torch.utils.data.TensorDataset(*tensors)
    loader = torch.utils.data.DataLoader(data, batch_size=4)
    parts = list(kit.trace_batches(model, loader))
    whole = kit.trace(model, X)["lstm"].hidden
    found = np.concatenate([part["lstm"].hidden for part in parts])
    np.testing.assert_allclose(found, whole, atol=1e-6)


def test_a_data_set_of_tensorflow_of_unknown_length(model):
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices((X, np.zeros(len(X)))).filter(lambda x, y: True)
    parts = list(kit.trace_batches(model, data.batch(4)))
    assert [len(part["lstm"].mask) for part in parts] == [4, 4, 2]


def test_a_batch_that_predict_would_not_take_apart_is_refused(model):
    with pytest.raises(ValueError, match=r"`\(x, y, sample_weight\)`"):
        list(kit.trace_batches(model, iter([[X, X, X, X]])))


def test_statistics_take_no_more_memory_for_more_rows():
    model = keras.Sequential([keras.Input((50, 2)), L.LSTM(16)])
    x = np.random.default_rng(0).normal(size=(320, 50, 2)).astype("float32")

    def peak(rows):
        tracemalloc.start()
        try:
            kit.trace_batches(model, x[:rows], batch_size=16, reduce="statistics", progress=False)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(32)  # compiles
    assert peak(320) < 1.3 * peak(32)


def test_a_batch_of_documents_takes_little_memory():
    inputs = keras.Input((40, 50), dtype="int32")
    x = L.TimeDistributed(L.LSTM(64, name="words"))(L.Embedding(9, 3)(inputs))
    runner = runner_for(keras.Model(inputs, L.GRU(8)(x)), None)
    rows = runner.batch_size(np.zeros((2000, 40, 50), "int32"))
    assert rows * 40 * 50 * (7 * 64) * 4 < 256 * 2**20


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="a tensor of strings")
def test_texts_in_an_array_of_objects_and_in_a_dataset():
    import tensorflow as tf

    words = L.TextVectorization(max_tokens=9, output_sequence_length=4)
    words.adapt(["a fine film"])
    layers = [keras.Input((), dtype="string"), words, L.Embedding(9, 3), L.GRU(3, name="gru")]
    model, texts = keras.Sequential(layers), ["a film", "fine"]
    want = kit.trace(model, np.array(texts)).outputs
    np.testing.assert_allclose(kit.trace(model, np.array(texts, object)).outputs, want, atol=1e-6)
    (found,) = kit.trace_batches(model, tf.data.Dataset.from_tensor_slices(texts).batch(2))
    np.testing.assert_allclose(found.outputs, want, atol=1e-6)
