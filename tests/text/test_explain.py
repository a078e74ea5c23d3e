"""`TextClassifier.explain`: the class of a text, and the words that decided."""

import numpy as np
import pytest

import keras_rnnkit as kit

pytestmark = pytest.mark.slow_on("jax", "tensorflow")


def test_the_scores_add_up_to_the_change_of_the_logit(fitted):
    found = fitted.explain("the camera was dull")
    attribution = found.attribution
    assert attribution.gap[0] < 0.01
    assert attribution.scores.sum() == pytest.approx(attribution.total[0], rel=0.01)
    other = fitted.explain("the camera was dull", label="good")
    np.testing.assert_allclose(other.attribution.scores, -attribution.scores, atol=1e-5)
    assert other.probability == found.probabilities["good"]


def test_the_trace_is_that_of_the_layers_while_they_read_the_text(fitted):
    found = fitted.explain("the camera was dull")
    trace = found.traces["stack"]["rnn_0"]
    assert trace.mask.sum() == 5  # the start mark and four words
    assert trace.forget.shape == (1, len(found.attribution.tokens[0]), 8)


def test_a_class_of_several_is_explained_by_its_own_score(fitted_topics):
    found = fitted_topics.explain("the goal of a team")
    assert (found.label, found.words[0].token in ("goal", "team")) == (0, True)
    other = fitted_topics.explain("the goal of a team", label=1)
    scores = {word.token: word.score for word in other.words}
    assert other.label == 1 and scores["goal"] + scores["team"] < 0


@pytest.mark.parametrize("method", ["occlusion", "cells"])
def test_other_methods(method, reviews, small):
    settings = {**small, "pooling": "last", "epochs": 12}
    classifier = kit.TextClassifier(**settings).fit(reviews[0], reviews[1])
    found = classifier.explain("the camera was truly wonderful", method=method)
    assert found.attribution.method == method
    if method == "cells":  # whose scores add up to the logit of the class
        parts = found.attribution.scores.sum() + found.attribution.first + found.attribution.bias
        logit = np.log(found.probability / (1 - found.probability))
        np.testing.assert_allclose([*parts, *found.attribution.total], logit, rtol=1e-3)
    else:
        assert "wonderful" in [word.token for word in found.words[:2]]


def test_words_are_those_of_the_text_also_without_an_id(fitted):
    found = fitted.explain("The ZEPPELIN was dull!")
    assert {word.token for word in found.words} == {"the", "zeppelin", "was", "dull"}


def test_a_text_without_words_and_one_that_is_too_long(fitted):
    assert fitted.explain("...").words == []
    assert "for it:     -" in repr(fitted.explain("..."))
    assert len(fitted.explain("dull " * 50).words) == 19  # maxlen=20, with the start mark


def test_it_prints_the_words_for_and_against(fitted):
    lines = repr(fitted.explain("the camera was dull")).splitlines()
    assert lines[0].startswith("'bad' with probability ") and "('good' 0." in lines[0]
    assert lines[1].startswith("  for it:     dull +")
    assert lines[2].startswith("  against it: ")


def test_it_plots(fitted, tmp_path):
    fitted.explain("the camera was dull").plot(path=tmp_path / "words.png")
    assert (tmp_path / "words.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"text": ["a", "b"]}, TypeError, "`text` must be one text"),
        ({"text": "a", "label": "dull"}, ValueError, "`label` must be one of"),
        ({"text": "a", "method": "guess"}, ValueError, "`method` must be"),
        ({"text": "a", "method": "cells"}, ValueError, "integrated_gradients"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(arguments, error, message, fitted):
    with pytest.raises(error, match=message):
        fitted.explain(**arguments)
