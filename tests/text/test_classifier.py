"""`TextClassifier`: from raw strings to classes."""

import random

import keras
import numpy as np
import pytest

import keras_rnnkit as kit
from keras_rnnkit.text._model import build_model

pytestmark = pytest.mark.slow_on("jax", "tensorflow")


def test_three_classes_have_a_probability_each(fitted_topics, topics):
    texts, labels = topics
    probabilities = fitted_topics.predict_proba(texts)
    assert probabilities.shape == (len(texts), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert fitted_topics.score(texts, labels) > 0.9


@pytest.mark.parametrize("bidirectional", [False, True])
def test_pooling_is_that_of_the_outputs_without_padding(bidirectional):
    settings = kit.TextClassifier(
        units=[3, 4], bidirectional=bidirectional, pooling=["mean", "max", "last"]
    )
    model = build_model(settings, words=9, classes=3, seed=0)
    pooled = keras.Model(model.inputs, model.get_layer("dropout").input)
    last = keras.Model(model.inputs, model.get_layer("stack").output)
    x = np.array([[1, 4, 5, 8, 2], [1, 7, 6, 0, 0], [1, 0, 0, 0, 0]])
    for row, length in zip(x, [5, 3, 1], strict=True):
        outputs = last.predict(row[None, :length], verbose=0)[0]
        states = [outputs[-1]] if not bidirectional else [outputs[-1, :4], outputs[0, 4:]]
        expected = np.concatenate([outputs.mean(0), outputs.max(0), *states])
        found = pooled.predict(x, verbose=0)[x.tolist().index(row.tolist())]
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_words_behind_maxlen_are_not_read(reviews, small):
    classifier = kit.TextClassifier(**{**small, "maxlen": 4, "epochs": 1})
    classifier.fit(reviews[0], reviews[1])
    assert classifier.lengths_[-1] == 4
    first, second = classifier.predict_proba(["the plot was dull", "the plot was wonderful"])
    np.testing.assert_array_equal(first, second)


def test_a_seed_gives_the_same_classifier_and_leaves_other_seeds_alone(reviews, small):
    def probabilities(seed):
        texts, labels = reviews[0][:96], reviews[1][:96]
        settings = {**small, "epochs": 2, "random_state": seed}
        classifier = kit.TextClassifier(**settings).fit(texts, labels)
        return classifier.predict_proba(reviews[2]), classifier.history_

    random.seed(1)
    np.random.seed(1)
    expected = random.random(), np.random.rand()
    random.seed(1)
    np.random.seed(1)
    first, history = probabilities(7)
    assert (random.random(), np.random.rand()) == expected
    again, same_history = probabilities(7)
    np.testing.assert_array_equal(first, again)
    assert history == same_history
    other, _ = probabilities(np.random.RandomState(8))
    assert np.abs(first - other).max() > 1e-3


def test_validation_finds_the_best_epoch_and_its_weights(reviews, small):
    texts, labels, held_out, held_out_labels = reviews
    settings = {**small, "epochs": 30, "patience": 2, "learning_rate": 0.05}
    classifier = kit.TextClassifier(**settings)
    texts, labels = texts[:64], np.random.default_rng(0).permutation(labels[:64])  # to overfit
    classifier.fit(texts, labels, validation_data=(held_out, held_out_labels))
    losses = classifier.history_["val_loss"]
    assert len(losses) == np.argmin(losses) + 1 + settings["patience"] < 30
    assert losses[-1] > min(losses) + 0.01
    found = classifier.predict_proba(held_out)[held_out_labels == "good", 1]
    wrong = classifier.predict_proba(held_out)[held_out_labels == "bad", 0]
    loss = -np.log(np.concatenate([found, wrong]).clip(1e-7)).mean()
    assert loss == pytest.approx(min(losses), abs=1e-3)


def test_the_fraction_to_validate_with_is_taken_of_each_class():
    from keras_rnnkit.text._samples import checked_samples, split_samples

    labels = ["a"] * 40 + ["b"] * 20 + ["c"] * 2
    samples = checked_samples([f"text {i}" for i in range(62)], labels, None, None)
    train, held_out = split_samples(samples, 0.25, seed=0)
    assert np.bincount(held_out.targets).tolist() == [10, 5]
    assert np.bincount(train.targets).tolist() == [30, 15, 2]
    assert sorted(train.texts + held_out.texts) == sorted(samples.texts)
    assert split_samples(samples, 0, seed=0) == (samples, None)
    assert split_samples(samples, 0.25, seed=1)[1].texts != held_out.texts


def test_words_of_the_texts_to_validate_with_are_not_in_the_vocabulary(small):
    texts = [f"word{chr(97 + i)} film" for i in range(20)]
    settings = {**small, "epochs": 1, "validation_fraction": 0.5}
    classifier = kit.TextClassifier(**settings).fit(texts, [0, 1] * 10)
    assert len(classifier.vocabulary_.words) == 11


def test_a_tiny_learning_rate_changes_next_to_nothing(topics, small):
    settings = {**small, "epochs": 3, "learning_rate": 1e-9, "validation_fraction": 0.0}
    losses = kit.TextClassifier(**{**settings, "dropout": 0.0}).fit(*topics).history_["loss"]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-4)


def test_without_validation_all_epochs_run(topics, small):
    settings = {**small, "epochs": 2, "validation_fraction": 0.0}
    classifier = kit.TextClassifier(**settings).fit(*topics)
    assert len(classifier.history_["loss"]) == 2
    assert "val_loss" not in classifier.history_


def test_class_weights_and_sample_weights_multiply():
    from keras_rnnkit.text._samples import checked_samples

    texts, labels = ["one"] * 4, np.array(["x", "x", "x", "y"])
    balanced = checked_samples(texts, labels, None, "balanced").weights
    np.testing.assert_allclose(balanced, [2 / 3, 2 / 3, 2 / 3, 2])
    both = checked_samples(texts, labels, [1, 0, 2, 3], {"x": 0.5, "y": 2}).weights
    np.testing.assert_allclose(both, [0.5, 0, 1, 6])
    assert checked_samples(texts, labels, None, None).weights is None


def test_a_weight_turns_the_prediction_where_the_classes_say_the_opposite(small):
    texts, labels = ["a plot", "a plot"] * 40, ["bad", "good"] * 40
    settings = {**small, "validation_fraction": 0}

    def good(class_weight=None, sample_weight=None):
        classifier = kit.TextClassifier(**settings, class_weight=class_weight)
        classifier.fit(texts, labels, sample_weight=sample_weight)
        return classifier.predict_proba(["a plot"])[0, 1]

    assert good({"bad": 1, "good": 9}) > 0.7
    assert good(sample_weight=[9, 1] * 40) < 0.3


@pytest.mark.parametrize(
    "options",
    [
        {"pooling": "last"},
        {"units": (6, 4), "cell": "gru", "bidirectional": True, "pooling": ["max", "last"]},
        {"cell": "min_gru", "tokenizer": "imdb", "max_words": None, "maxlen": None},
    ],
    ids=lambda options: "-".join(options),
)
def test_other_architectures(options, reviews, small):
    classifier = kit.TextClassifier(**{**small, "epochs": 1, **options})
    classifier.fit(reviews[0][:64], reviews[1][:64])
    stack = classifier.model_.get_layer("stack")
    assert list(stack.units) == list(options.get("units", [8]))
    assert stack.return_sequences == (options.get("pooling") != "last")
    assert classifier.predict(["wonderful " * 50]).shape == (1,)


def test_callbacks_run_and_an_early_stopping_of_the_user_takes_the_place_of_the_own(
    topics, small, monkeypatch
):
    seen = []
    monkeypatch.setattr(
        keras.Model, "fit", lambda self, *_, callbacks, **__: seen.extend(callbacks) or self.history
    )
    monkeypatch.setattr(keras.Model, "history", keras.callbacks.History(), raising=False)
    keras.Model.history.history = {}
    own = keras.callbacks.EarlyStopping(patience=7)
    kit.TextClassifier(**small).fit(*topics, callbacks=[own])
    assert [one for one in seen if isinstance(one, keras.callbacks.EarlyStopping)] == [own]
    seen.clear()
    kit.TextClassifier(**small).fit(*topics)
    assert [one.patience for one in seen if isinstance(one, keras.callbacks.EarlyStopping)] == [2]


def test_integers_in_an_array_of_objects_are_classes(tmp_path):
    from keras_rnnkit.text._samples import checked_samples

    found = checked_samples(["one", "two"], np.array([7, 3], object), None, None)
    assert found.classes.dtype == np.int64 and found.targets.tolist() == [1, 0]


def test_a_training_that_ends_with_nan_is_an_error(topics, small):
    class Poison(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            weights = self.model.get_weights()
            self.model.set_weights([np.full_like(one, np.nan) for one in weights])

    classifier = kit.TextClassifier(**small)
    with pytest.raises(ValueError, match=r"lower `learning_rate`.*Received: learning_rate=0\.02"):
        classifier.fit(*topics, callbacks=[Poison()])
    with pytest.raises(ValueError, match="not fitted"):
        classifier.predict(["a ball"])


def test_callbacks_may_be_none(topics, small):
    settings = {**small, "epochs": 1}
    assert kit.TextClassifier(**settings).fit(*topics, callbacks=None).history_["loss"]


def test_a_fit_that_fails_leaves_nothing_of_the_one_before(topics, small):
    classifier = kit.TextClassifier(**{**small, "epochs": 1}).fit(*topics)
    with pytest.raises(ValueError, match="cell"):
        classifier.set_params(cell="ltsm").fit(topics[0], topics[1] % 2)
    with pytest.raises(ValueError, match="not fitted"):
        classifier.predict(["a ball"])


def test_after_an_interrupt_it_can_be_used(topics, small, tmp_path):
    class CtrlC(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    classifier = kit.TextClassifier(**small)
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(*topics, callbacks=[CtrlC()])
    assert classifier.predict(["a ball"]).shape == (1,)
    classifier.save(tmp_path)
