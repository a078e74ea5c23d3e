"""Small classifiers, fitted once for all tests that only look at them."""

import numpy as np
import pytest

import keras_rnnkit as kit

SMALL = {
    "units": [8],
    "embedding_dim": 16,
    "dropout": 0.1,
    "word_dropout": 0.0,
    "min_count": 1,
    "maxlen": 20,
    "epochs": 8,
    "batch_size": 32,
    "learning_rate": 0.02,
    "lengths": 1,
    "random_state": 0,
}


@pytest.fixture(scope="session")
def reviews():
    """Synthetic reviews and their classes, to train with and to test with."""
    train, test, _ = kit.data.load_sample()
    names = np.array(["bad", "good"])
    return list(train.texts), names[train.y], list(test.texts), names[test.y]


@pytest.fixture(scope="session")
def small():
    """The arguments of a classifier that learns the reviews in seconds."""
    return dict(SMALL)


@pytest.fixture(scope="session")
def fitted(reviews, small):
    """A classifier of two classes, which tests must not change."""
    return kit.TextClassifier(**small).fit(reviews[0], reviews[1])


@pytest.fixture(scope="session")
def topics():
    """Texts of three classes, one of them rare."""
    words = {0: "ball goal team", 1: "vote law party", 2: "star planet moon"}
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [60, 60, 12])
    texts = [
        " ".join(rng.permutation([*words[label].split(), "the", "a", "of"])) for label in labels
    ]
    return texts, labels


@pytest.fixture(scope="session")
def fitted_topics(topics, small):
    """A classifier of three classes, which tests must not change."""
    return kit.TextClassifier(**small).fit(*topics)
