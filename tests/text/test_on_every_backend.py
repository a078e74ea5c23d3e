"""What a classifier of texts does on every backend. Its other tests run on PyTorch, and weekly."""

import pickle

import numpy as np

import keras_rnnkit as kit
from tests.text.test_folder import NAMES


def test_it_learns_string_classes_from_raw_texts(fitted, reviews):
    _, _, texts, labels = reviews
    assert fitted.classes_.tolist() == ["bad", "good"]
    probabilities = fitted.predict_proba(texts)
    assert probabilities.shape == (len(texts), 2) and probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    predicted = fitted.predict(texts)
    assert predicted.dtype == fitted.classes_.dtype
    assert (predicted == fitted.classes_[probabilities.argmax(axis=1)]).all()
    assert fitted.score(texts, labels) == np.mean(predicted == labels) > 0.8


def test_rows_come_in_the_order_of_the_texts_whatever_their_length(fitted, reviews):
    texts = [*reviews[2][:40], "good", "", "the plot was wonderful " * 30]
    together = fitted.predict_proba(texts)
    alone = np.concatenate([fitted.predict_proba([text]) for text in texts[-6:]])
    np.testing.assert_allclose(together[-6:], alone, atol=1e-5)
    np.testing.assert_allclose(fitted.predict_proba(texts[::-1]), together[::-1], atol=1e-5)


def test_the_deciding_words_come_first_with_the_sign_of_the_class(fitted):
    found = fitted.explain("the camera was dull")
    assert found.label == "bad"
    probabilities = fitted.predict_proba(["the camera was dull"])[0]
    assert found.probability == probabilities[0] == found.probabilities["bad"]
    assert found.words[0].token == "dull" and found.words[0].score > 0
    assert sorted(word.position for word in found.words) == [1, 2, 3, 4]
    sizes = [abs(word.score) for word in found.words]
    assert sizes == sorted(sizes, reverse=True)


def test_a_loaded_classifier_gives_the_same_answers(fitted, reviews, tmp_path):
    fitted.save(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == NAMES
    loaded = kit.TextClassifier.load(tmp_path)
    assert loaded.get_params() == fitted.get_params()
    assert loaded.classes_.tolist() == ["bad", "good"]
    assert loaded.vocabulary_ == fitted.vocabulary_
    assert (loaded.lengths_, loaded.history_) == (fitted.lengths_, fitted.history_)
    np.testing.assert_allclose(
        loaded.predict_proba(reviews[2]), fitted.predict_proba(reviews[2]), atol=1e-6
    )
    words = [loaded.explain("a dull film").words, fitted.explain("a dull film").words]
    assert [word.token for word in words[0]] == [word.token for word in words[1]]


def test_a_fitted_classifier_survives_pickle(fitted, reviews):
    # joblib sends fitted classifiers between processes: `cross_validate(return_estimator=True)`.
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_allclose(
        again.predict_proba(reviews[2]), fitted.predict_proba(reviews[2]), atol=1e-6
    )
    assert again.explain("a dull film").label == fitted.explain("a dull film").label
