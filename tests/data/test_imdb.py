"""`load_imdb` against the Keras pipeline, and the traps it leaves out."""

import keras
import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from keras_rnnkit.data import load_imdb, load_imdb_sequences

from .conftest import ragged, write_imdb

pytestmark = pytest.mark.no_backend

WORDS = 20


def load_with_keras(monkeypatch, file, **options):
    module = keras.datasets.imdb.load_data.__module__
    monkeypatch.setattr(f"{module}.get_file", lambda *args, **kwargs: str(file))
    return keras.datasets.imdb.load_data(**options)


def run_keras_pipeline(monkeypatch, file, maxlen, padding="pre", truncating="pre", **options):
    (x, y), (x_test, y_test) = load_with_keras(monkeypatch, file, **options)
    x, x_held, y, y_held = train_test_split(x, y, test_size=0.2, random_state=42)
    arguments = {"maxlen": maxlen, "padding": padding, "truncating": truncating}
    return [
        (keras.utils.pad_sequences(part, **arguments), labels)
        for part, labels in ((x, y), (x_held, y_held), (x_test, y_test))
    ]


def assert_splits_equal(data, expected):
    for split, (x, y) in zip(data, expected, strict=True):
        np.testing.assert_array_equal(split.x, x, strict=True)
        np.testing.assert_array_equal(split.y, y, strict=True)


def test_defaults_equal_the_keras_pipeline_on_the_real_reviews(monkeypatch, real_file):
    file = real_file("imdb.npz")
    expected = run_keras_pipeline(monkeypatch, file, maxlen=100, num_words=500)
    data = load_imdb(path=file)
    assert [split.x.shape for split in data] == [(20000, 100), (5000, 100), (25000, 100)]
    assert_splits_equal(data, expected)
    assert_splits_equal(load_imdb(path=file), expected)  # from the cache


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"maxlen": 7, "padding": "post"},
        {"maxlen": 7, "truncating": "post"},
        {"start_char": None},
        {"oov_char": None, "num_words": 15},
        {"oov_char": None, "num_words": 15, "start_char": None, "truncating": "post"},
        {"index_from": 0, "start_char": 0, "oov_char": 9},
    ],
    ids=str,
)
def test_options_equal_the_keras_pipeline(monkeypatch, small_file, options):
    options = {"num_words": WORDS, "maxlen": 12} | options
    expected = run_keras_pipeline(monkeypatch, small_file, **options)
    assert_splits_equal(load_imdb(path=small_file, **options), expected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_words": WORDS},
        {"num_words": 0},
        {"skip_top": 6},
        {"skip_top": 6, "num_words": WORDS, "oov_char": None},
        {"maxlen": 15},
        {"maxlen": 15, "start_char": None},
        {"seed": 7, "start_char": 9, "oov_char": 8, "index_from": 5},
        {"start_char": None, "index_from": 0},
        {"start_char": None, "oov_char": None},
        {"start_char": 300},
        {"start_char": 300, "oov_char": None, "maxlen": 20},
    ],
    ids=str,
)
def test_sequences_are_exactly_those_of_keras(monkeypatch, small_file, options):
    expected = load_with_keras(monkeypatch, small_file, **options)
    given = load_imdb_sequences(small_file, **options)
    for (x, y), (keras_x, keras_y) in zip(given, expected, strict=True):
        assert x.dtype == keras_x.dtype == object
        assert [type(review) for review in x] == [type(review) for review in keras_x]
        assert x.tolist() == keras_x.tolist()
        np.testing.assert_array_equal(y, keras_y, strict=True)


def test_real_sequences_are_exactly_those_of_keras(monkeypatch, real_file):
    file = real_file("imdb.npz")
    options = {"num_words": 10000, "skip_top": 20, "maxlen": 300}
    expected = load_with_keras(monkeypatch, file, **options)
    given = load_imdb_sequences(file, cache=False, **options)
    for (x, y), (keras_x, keras_y) in zip(given, expected, strict=True):
        assert x.tolist() == keras_x.tolist()
        np.testing.assert_array_equal(y, keras_y, strict=True)


def test_sequences_refuse_a_maxlen_that_keeps_nothing(small_file):
    with pytest.raises(ValueError, match="maxlen=1"):
        load_imdb_sequences(small_file, maxlen=1)


def test_skip_top_keeps_the_start_sign(small_file):
    options = {"path": small_file, "padding": "post", "truncating": "post"}
    skipped, whole = load_imdb(skip_top=10, **options).train.x, load_imdb(**options).train.x
    assert (skipped[:, 0] == 1).all()
    np.testing.assert_array_equal(
        skipped[:, 1:], np.where(whole < 10, 2 * (whole > 0), whole)[:, 1:]
    )


def test_no_num_words_keeps_the_rarest_word(small_file):
    (keras_like, _), _ = load_imdb_sequences(small_file)
    highest = max(load_imdb(num_words=None, path=small_file).train.x.max(), 0)
    assert highest == 39 + 3
    assert highest not in set().union(*keras_like)


def test_long_reviews_are_cut_and_not_dropped(small_file):
    data = load_imdb(maxlen=3, path=small_file)
    assert len(data.train.x) + len(data.validation.x) == len(data.test.x) == 50


def test_no_maxlen_pads_all_parts_to_the_longest_review(tmp_path):
    x = ragged([[1, 2], [3]])
    file = write_imdb(
        tmp_path / "a.npz", x_train=x, y_train=[0, 1], x_test=ragged([[1] * 9]), y_test=[1]
    )
    data = load_imdb(maxlen=None, validation_size=1, path=file)
    assert [split.x.shape for split in data] == [(1, 10), (1, 10), (1, 10)]


@pytest.mark.parametrize("size", [0, None, 0.0])
def test_no_validation_keeps_the_order_of_keras(monkeypatch, small_file, size):
    (x, y), _ = load_with_keras(monkeypatch, small_file, num_words=500)
    data = load_imdb(validation_size=size, path=small_file)
    np.testing.assert_array_equal(data.train.x, keras.utils.pad_sequences(x, 100), strict=True)
    np.testing.assert_array_equal(data.train.y, y)
    assert data.validation.x.shape == (0, 100)
    assert data.validation.y.shape == (0,)


def test_an_empty_review_is_a_start_sign(tmp_path):
    file = write_imdb(tmp_path / "a.npz", x_test=ragged([[]] * 2), y_test=[0, 1])
    assert load_imdb(maxlen=3, path=file).test.x.tolist() == [[0, 0, 1]] * 2
    options = {"start_char": None, "oov_char": None}
    assert load_imdb(maxlen=3, path=file, **options).test.x.tolist() == [[0, 0, 0]] * 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_words": 0},
        {"num_words": 5.0},
        {"num_words": True},
        {"maxlen": 0},
        {"maxlen": "100"},
        {"padding": "left"},
        {"truncating": None},
        {"skip_top": -1},
        {"start_char": -1},
        {"oov_char": "?"},
        {"index_from": None},
        {"validation_size": 1.0},
        {"validation_size": -0.1},
        {"validation_size": 50},
        {"validation_size": "0.2"},
        {"validation_size": True},
    ],
    ids=str,
)
def test_a_wrong_argument_is_named_with_its_value(small_file, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"`{name}` must be") as caught:
        load_imdb(path=small_file, **wrong)
    assert f"{name}={value!r}" in str(caught.value)
