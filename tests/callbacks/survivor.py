"""Trains a small model in a folder, and may kill itself: `python survivor.py RUN.json`.

The moments at which it can be killed are counted: batches, epochs, and each step of a write (an
array of a checkpoint, the sync to the disk, the renaming). `RUN.json` has the settings; at the end,
the history, the final weights and the number of moments are written beside it.
"""

import hashlib
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import keras
import numpy as np

import keras_rnnkit as kit

ROWS = np.random.default_rng(0).normal(size=(40, 6, 3)).astype("float32")
TARGETS = ROWS[:, :, 0].sum(axis=1, keepdims=True)
EPOCHS = 5


class Moments(keras.callbacks.Callback):
    """Counts the moments of the run, and kills the process at one of them."""

    def __init__(self, kill_at, kill_after):
        super().__init__()
        self.count, self.kill_at, self.kill_after = 0, kill_at, kill_after
        self.began = None

    def pass_one(self):
        self.count += 1
        if self.count == self.kill_at:
            self.kill()

    def kill(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function):
        def counted(*args, **kwargs):
            self.pass_one()
            result = function(*args, **kwargs)
            self.pass_one()
            return result

        return counted

    def on_train_begin(self, logs=None):
        self.began = time.monotonic()
        if self.kill_after is not None:
            timer = threading.Timer(self.kill_after, self.kill)
            timer.daemon = True
            timer.start()

    def on_epoch_begin(self, epoch, logs=None):
        self.pass_one()

    def on_train_batch_end(self, batch, logs=None):
        self.pass_one()

    def on_epoch_end(self, epoch, logs=None):
        self.pass_one()


class OwnOrder(keras.utils.PyDataset):
    """A data set that shuffles after each epoch with a generator of its own."""

    def __init__(self, rows, targets):
        super().__init__()
        self.rows, self.targets = rows, targets
        self.generator = np.random.default_rng(3)
        self.order = np.arange(len(rows))

    def __len__(self):
        return len(self.rows) // 8

    def __getitem__(self, index):
        places = self.order[8 * index : 8 * index + 8]
        return self.rows[places], self.targets[places]

    def on_epoch_end(self):
        self.generator.shuffle(self.order)


class OrderOfEpoch(OwnOrder):
    """A data set that is told the epoch."""

    def set_epoch(self, epoch):
        self.order = np.random.default_rng([5, epoch]).permutation(len(self.rows))

    def on_epoch_end(self):
        pass


def make_model():
    inputs = keras.Input(batch_shape=(8, 6, 3))
    x = kit.LSTM(4, stateful=True, dropout=0.3, recurrent_dropout=0.2)(inputs)
    x = keras.layers.BatchNormalization()(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    xla = False if keras.config.backend() == "tensorflow" else "auto"
    model.compile(keras.optimizers.Adam(0.05), "mse", metrics=["mae"], jit_compile=xla)
    return model


def train(settings, moments):
    keras.utils.set_random_seed(1)
    model = make_model()
    options = {"patience": 3, "reduce_lr": 0.5, "reduce_lr_patience": 1}
    folder = settings["folder"]
    if settings["preset"] == "standard":
        preset = kit.callbacks.standard(folder, resume=True, curves=False, **options)
    else:
        preset = kit.callbacks.resumable(folder, **options)
    x, y = ROWS[:24], TARGETS[:24]
    data = {"array": (x, y), "order": (OwnOrder(x, y),), "epoch": (OrderOfEpoch(x, y),)}
    batch = {"batch_size": 8} if settings["data"] == "array" else {}
    history = model.fit(
        *data[settings["data"]],
        **batch,
        epochs=EPOCHS,
        validation_data=(ROWS[24:], TARGETS[24:]),
        validation_batch_size=8,
        verbose=0,
        callbacks=[*preset, moments],
    )
    weights = hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()
    return {"epoch": history.epoch, "history": history.history, "weights": weights}


def main(file):
    settings = json.loads(file.read_text())
    moments = Moments(settings.get("kill_at"), settings.get("kill_after"))
    os.fsync, os.replace = moments.around(os.fsync), moments.around(os.replace)
    np.lib.format.write_array = moments.around(np.lib.format.write_array)
    random.seed()  # nothing may depend on what Python draws before the seed
    result = train(settings, moments)
    seconds = time.monotonic() - moments.began
    result |= {"moments": moments.count, "seconds": seconds}
    file.with_suffix(".result").write_text(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
