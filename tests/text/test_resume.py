"""`TextClassifier.fit` with `callbacks.resumable`: a fit that was stopped goes on."""

import keras
import numpy as np
import pytest

import keras_rnnkit as kit

pytestmark = pytest.mark.slow_on("jax", "tensorflow")


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


def fit(small, topics, folder, *others, patience=3, validation_data=None, weight=None, **settings):
    settings = {"epochs": 4, "dropout": 0.3, **settings}
    classifier = kit.TextClassifier(**{**small, **settings}).set_params(patience=1)
    preset = kit.callbacks.resumable(folder, patience=patience)
    options = {"callbacks": [*preset, *others], "validation_data": validation_data}
    return classifier.fit(*topics, sample_weight=weight, **options)


def test_a_resumed_fit_gives_the_classifier_of_a_whole_one(tmp_path, small, topics):
    texts, labels = topics
    wrong = (texts, (labels + 1) % 3)  # the validation loss goes up

    def train(folder, *others):
        # the patience of the classifier itself would stop it
        options = {"patience": None, "validation_data": wrong}
        return fit(small, topics, tmp_path / folder, *others, **options)

    whole = train("whole")
    assert len(whole.history_["loss"]) == 4
    with pytest.raises(InterruptedError):
        train("parts", StopIn(2))
    resumed = train("parts")
    assert resumed.history_ == whole.history_
    found, expected = (one.predict_proba(topics[0]) for one in (resumed, whole))
    assert np.array_equal(found, expected)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small, topics):
    """The folder of a fit, which tests must not change."""
    path = tmp_path_factory.mktemp("run")
    fit(small, topics, path, epochs=1)
    return path


CHANGES = {"random_state": 1, "learning_rate": 0.01, "maxlen": 19}


@pytest.mark.parametrize("change", ["texts", "labels", "weight", *CHANGES])
def test_the_checkpoint_of_other_texts_is_refused(folder, small, topics, change):
    texts, labels = topics
    before = (folder / "checkpoint.npz").read_bytes()
    # as many words in the vocabulary, with other ids
    others = {
        "texts": ([text.replace("moon", "comet") for text in texts], labels),
        "labels": (texts, np.where(labels == 2, 2, 1 - labels)),
    }.get(change, topics)
    settings = {change: CHANGES[change]} if change in CHANGES else {}
    settings |= {"weight": np.ones(len(labels))} if change == "weight" else {}
    with pytest.raises(ValueError, match="its texts, labels, random_state or arguments are others"):
        fit(small, others, folder, epochs=2, **settings)
    assert (folder / "checkpoint.npz").read_bytes() == before


def test_other_labels_of_the_same_texts_are_others():
    from keras_rnnkit.text._resuming import _digest
    from keras_rnnkit.text._samples import Samples

    def digest(targets, weights=None, texts=("a", "b")):
        samples = Samples(list(texts), np.array(targets), weights, np.array(["x", "y"]))
        return _digest(samples, None).hexdigest()

    assert digest([0, 1]) == digest([0, 1])
    others = [digest([1, 0]), digest([0, 1], np.ones(2)), digest([0, 1], texts="ba")]
    assert len({digest([0, 1]), *others}) == 4


@pytest.mark.parametrize("seed", [None, np.random.RandomState(0)], ids=["none", "state"])
def test_a_fit_that_is_to_be_resumed_needs_a_seed(tmp_path, small, topics, seed):
    with pytest.raises(ValueError, match=r"`random_state` must be an integer.*random_state="):
        fit(small, topics, tmp_path, random_state=seed)
