"""`TextClassifier` where scikit-learn takes a classifier, and scikit-learn's own checks."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import validate_data

import keras_rnnkit as kit

pytestmark = pytest.mark.no_backend

# Of scikit-learn's checks, those that hand no numbers to `fit`.
WITHOUT_NUMBERS = (
    "check_do_not_raise_errors_in_init_or_set_param",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_estimators_unfitted",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
    "check_valid_tag_values",
)


@pytest.mark.parametrize("name", WITHOUT_NUMBERS)
def test_the_checks_of_scikit_learn_that_hand_over_no_numbers(name):
    if not hasattr(estimator_checks, name):
        pytest.skip("this version of scikit-learn has no such check")
    getattr(estimator_checks, name)("TextClassifier", kit.TextClassifier())


def test_it_says_that_it_takes_texts():
    tags = get_tags(kit.TextClassifier())
    assert tags.input_tags.string and not tags.input_tags.two_d_array
    assert tags.estimator_type == "classifier" and tags.target_tags.required


def test_a_pipeline_a_cross_validation_and_a_grid_search(topics, small):
    texts, labels = np.array(topics[0]), topics[1]
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    pipeline = Pipeline([("lower", lower), ("classify", kit.TextClassifier(**small))])
    scores = cross_val_score(pipeline, texts, labels, cv=2)
    assert scores.shape == (2,) and scores.min() > 0.9
    search = GridSearchCV(pipeline, {"classify__learning_rate": [1e-6, 0.02]}, cv=2)
    search.fit(texts, labels)
    assert search.best_params_ == {"classify__learning_rate": 0.02}
    assert search.predict(["a goal of the team"]).shape == (1,)


def test_a_clone_has_the_arguments_and_is_not_fitted(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(["a"])
    for method in (copy.explain, copy.save):
        with pytest.raises(NotFittedError):
            method("a")


@pytest.mark.slow
def test_processes_send_fitted_classifiers_back(reviews, small):
    texts, labels = reviews[0][:64], reviews[1][:64]
    classifier = kit.TextClassifier(**{**small, "epochs": 1})
    found = cross_validate(classifier, texts, labels, cv=2, n_jobs=2, return_estimator=True)
    here = cross_validate(classifier, texts, labels, cv=2)
    np.testing.assert_array_equal(found["test_score"], here["test_score"])
    assert all(one.predict(["a dull film"]).shape == (1,) for one in found["estimator"])


class OfNumbers(kit.TextClassifier):
    """The classifier on tables of numbers: each becomes a word, so that all checks can run."""

    def fit(self, X, y, sample_weight=None):
        X = validate_data(self, X)
        return super().fit(as_texts(X), y, sample_weight)

    def predict_proba(self, X):
        if hasattr(self, "n_features_in_"):
            X = as_texts(validate_data(self, X, reset=False))
        return super().predict_proba(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = False, True
        return tags


def as_texts(X):
    def word(column, value):
        return f"{'abcdefghijklmnopqrstuvwxyz'[column % 26]}{min(max(round(value), -30), 30) + 30}"

    return [" ".join(word(j, value) for j, value in enumerate(row)) for row in np.asarray(X)]


DIFFERENT = {
    "check_sample_weight_equivalence_on_dense_data": (
        "a text of weight 0 takes part in the vocabulary, in the split and in the batches"
    ),
}


@pytest.mark.slow
@parametrize_with_checks(
    [
        OfNumbers(
            units=(8,),
            embedding_dim=16,
            dropout=0.0,
            min_count=1,
            epochs=15,
            learning_rate=0.03,
            batch_size=16,
            lengths=1,
            validation_fraction=0.0,
            random_state=0,
        )
    ],
    expected_failed_checks=lambda _: DIFFERENT,
)
@pytest.mark.filterwarnings("ignore:.*:sklearn.exceptions.DataConversionWarning")
def test_the_checks_of_scikit_learn_on_numbers_as_words(estimator, check):
    check(estimator)
