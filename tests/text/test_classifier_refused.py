"""What the classifier refuses, with the name of the argument."""

import numpy as np
import pytest

import keras_rnnkit as kit

pytestmark = pytest.mark.no_backend


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        ("one text", TypeError, "`X` must be an iterable of texts"),
        (None, TypeError, "`X` must be an iterable of texts"),
        (["a", b"b"], TypeError, r"`X\[1\]` must be a str"),
        (["a", None], TypeError, "replace missing values"),
        ([["a"], ["b"]], TypeError, r"`X\[0\]` must be a str"),
        (np.array([["a"], ["b"]]), ValueError, "pass the column"),
        ([], ValueError, "0 samples"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(texts, error, message, fitted):
    with pytest.raises(error, match=message):
        fitted.predict(texts)
    with pytest.raises(error, match=message):
        kit.TextClassifier().fit(texts, [0, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "sum"}, "`pooling` must be 'mean' or 'max' or 'last'"),
        ({"pooling": []}, "`pooling` must be 'mean' or 'max' or 'last'"),
        ({"epochs": 0}, "`epochs` must be an integer"),
        ({"maxlen": 1}, "`maxlen` must be an integer from 2"),
        ({"dropout": 1.0}, "`dropout` must be a fraction"),
        ({"validation_fraction": -0.1}, "`validation_fraction` must be a fraction"),
        ({"learning_rate": 0}, "`learning_rate` must be a number above 0"),
        ({"verbose": "loud"}, "`verbose` must be 0, 1 or 2"),
        ({"class_weight": "even"}, "`class_weight` must be None, 'balanced' or a dict"),
        ({"tokenizer": "letters"}, "`tokenizer` must be"),
        ({"cell": "ltsm"}, "cell"),
        ({"units": [0]}, "units"),
        ({"units": 64}, "`units` of TextClassifier must be a list of positive integers"),
        ({"learning_rate": float("inf")}, "`learning_rate` must be a number above 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_argument_is_named_when_it_is_fitted(options, message):
    classifier = kit.TextClassifier(**{"min_count": 1, **options})
    with pytest.raises(ValueError, match=message):
        classifier.fit(["a film", "a plot"], [0, 1])


@pytest.mark.parametrize(
    ("labels", "weights", "message"),
    [
        (None, None, "requires y to be passed"),
        ([1, 1], None, "only one class"),
        ([0, 1, 1], None, "a class for each of the 2 texts"),
        ([0.5, 1.5], None, "Unknown label type"),
        (["bad", None], None, r"`y` must have no missing values.*Received: y\[1\]=None"),
        (["bad", float("nan")], None, r"`y` must have no missing values.*Received: y\[1\]=nan"),
        (np.array([float("nan"), "bad"], object), None, r"`y` must have no missing values"),
        (np.array([0.0, float("inf")]), None, r"`y` must have no missing or infinite values"),
        (np.array([1, "bad"], object), None, "classes of one type. Received: types=int, str"),
        ([0, 1], [1], "`sample_weight` must be finite"),
        ([0, 1], [1, -1], "`sample_weight` must be finite"),
        ([0, 1], [0, 0], "`sample_weight` must be above zero"),
    ],
)
def test_wrong_classes_and_weights_are_refused(labels, weights, message):
    with pytest.raises(ValueError, match=message):
        kit.TextClassifier().fit(["a film", "a plot"], labels, sample_weight=weights)


def test_validation_texts_of_an_unknown_class_are_refused():
    with pytest.raises(ValueError, match="classes of the training texts only"):
        kit.TextClassifier().fit(["a", "b"], [0, 1], validation_data=(["a"], [2]))


def test_validation_data_is_a_pair():
    with pytest.raises(ValueError, match=r"`validation_data` must be a pair \(X, y\)"):
        kit.TextClassifier().fit(["a", "b"], [0, 1], validation_data=(["a"], [1], [1.0]))
