"""Fits, or loads, a small classifier in a process of its own: `python process.py RUN.json`.

`RUN.json` has the settings. A fit may kill itself in a batch. The answers are written beside it.
"""

import json
import os
import signal
import sys
from pathlib import Path

import keras

import keras_rnnkit as kit

PATTERNS = {"sport": "the ball and the goal of team {}", "law": "a vote on the law of party {}"}
TEXTS = [pattern.format(number) for number in range(24) for pattern in PATTERNS.values()]
LABELS = [name for _ in range(24) for name in PATTERNS]
ASKED = ["the ball of the team", "a law and a vote", "nothing known"]
SETTINGS = {"units": [6], "embedding_dim": 8, "min_count": 1, "batch_size": 8, "lengths": 1}


class KillIn(keras.callbacks.Callback):
    """Kills the process in a batch, counted over all epochs."""

    def __init__(self, batch):
        super().__init__()
        self.batch, self.count = batch, 0

    def on_train_batch_end(self, batch, logs=None):
        self.count += 1
        if self.count == self.batch:
            os.kill(os.getpid(), signal.SIGKILL)


def fit(folder=None, kill_in=None):
    settings = {**SETTINGS, "epochs": 4, "learning_rate": 0.02, "random_state": 0}
    callbacks = kit.callbacks.resumable(folder, patience=None) if folder else []
    if kill_in is not None:
        callbacks.append(KillIn(kill_in))
    return kit.TextClassifier(**settings).fit(TEXTS, LABELS, callbacks=callbacks)


def answers(classifier):
    explanation = classifier.explain(ASKED[0])
    return {
        "history": classifier.history_,
        "probabilities": classifier.predict_proba(ASKED).tolist(),
        "classes": classifier.predict(ASKED).tolist(),
        "words": [[word.token, float(word.score)] for word in explanation.words],
        "probability": explanation.probability,
    }


def main(file):
    settings = json.loads(file.read_text())
    load = settings.pop("load", None)
    classifier = kit.TextClassifier.load(load) if load else fit(**settings)
    file.with_suffix(".result").write_text(json.dumps(answers(classifier)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
