"""`TextClassifier.fit` with `callbacks.resumable`: a fit that was stopped goes on."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit


class StopIn(keras.callbacks.Callback):
    """Raises an error in the second batch of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch, self.now = epoch, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.now, batch) == (self.epoch, 1):
            raise InterruptedError


def fit(small, topics, folder, *others, patience=3, validation_data=None, **settings):
    classifier = kit.TextClassifier(**{**small, "epochs": 4, "dropout": 0.3, **settings})
    preset = kit.callbacks.resumable(folder, patience=patience)
    options = {"callbacks": [*preset, *others], "validation_data": validation_data}
    return classifier.fit(*topics, **options)


@pytest.mark.parametrize("patience", [3, None])
def test_a_resumed_fit_gives_the_classifier_of_a_whole_one(tmp_path, small, topics, patience):
    texts, labels = topics
    wrong = (texts, (labels + 1) % 3)  # the validation loss goes up

    def train(folder, *others):
        options = {"patience": patience, "validation_data": wrong}
        return fit(small, topics, tmp_path / folder, *others, **options)

    whole = train("whole")
    assert len(whole.history_["loss"]) == 4
    with pytest.raises(InterruptedError):
        train("parts", StopIn(2))
    resumed = train("parts")
    assert resumed.history_ == whole.history_
    found, expected = (one.predict_proba(topics[0]) for one in (resumed, whole))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("change", ["texts", "labels", "random_state"])
def test_the_checkpoint_of_other_texts_is_refused(tmp_path, small, topics, change):
    texts, labels = topics
    fit(small, topics, tmp_path, epochs=1)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    # as many words in the vocabulary, with other ids
    others = {
        "texts": ([text.replace("moon", "comet") for text in texts], labels),
        "labels": (texts, np.where(labels == 2, 2, 1 - labels)),
        "random_state": topics,
    }[change]
    seed = {"random_state": 1} if change == "random_state" else {}
    with pytest.raises(ValueError, match="its texts, labels or random_state are others"):
        fit(small, others, tmp_path, epochs=2, **seed)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


def test_a_fit_that_is_to_be_resumed_needs_a_seed(tmp_path, small, topics):
    with pytest.raises(ValueError, match=r"`random_state` must be .* Received: random_state=None"):
        fit(small, topics, tmp_path, random_state=None)
