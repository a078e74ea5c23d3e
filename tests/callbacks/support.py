"""A model that trains in no time, and 32 rows for it."""

import csv

import keras
import numpy as np

from keras_rnnkit import callbacks

ROWS = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
TARGETS = ROWS.sum(axis=1, keepdims=True)
PNG = b"\x89PNG\r\n\x1a\n"
FILES = ["best.keras", "curves.png", "last.keras", "log.csv", "log.jsonl"]
VALIDATION = (ROWS[:8], TARGETS[:8])


def make_model(learning_rate=0.05, metrics=("mae",), model_class=keras.Model):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    model = model_class(inputs, keras.layers.Dense(1)(inputs))
    # On TensorFlow building the graphs would take most of the time.
    eagerly = keras.config.backend() == "tensorflow"
    optimizer = keras.optimizers.SGD(learning_rate)
    model.compile(optimizer, "mse", metrics=list(metrics), run_eagerly=eagerly)
    return model


def resumable(folder, **options):
    return callbacks.resumable(folder, **{"seed": 3, **options})


def fit(model, callbacks, epochs=4, validation_data=VALIDATION, **arguments):
    arguments = {"batch_size": 8, "verbose": 0, **arguments}
    return model.fit(
        ROWS,
        TARGETS,
        epochs=epochs,
        validation_data=validation_data,
        callbacks=callbacks,
        **arguments,
    )


def same_weights(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def listed(folder):
    return sorted(path.name for path in folder.iterdir())


def read_rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


class Scripted(keras.callbacks.Callback):
    """Puts figures of our choice in the logs, and keeps the weights of every epoch."""

    def __init__(self, values, name="val_loss"):
        super().__init__()
        self.values, self.name, self.weights = values, name, []

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = self.values[epoch]
        self.weights.append(self.model.get_weights())


class Witness(keras.callbacks.Callback):
    """Notes how far training came."""

    def __init__(self):
        super().__init__()
        self.batches, self.epochs = 0, 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1
