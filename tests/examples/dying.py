"""Runs the program of examples/distributed at PROGRAM, whose process DYING dies in its third epoch.

It writes the time of its death into the file at DIED.
"""

import importlib
import os
import signal
import sys
import time
from pathlib import Path

PROGRAM = Path(os.environ["PROGRAM"])
sys.path.insert(0, str(PROGRAM.parent))

import _launch  # noqa: E402

_launch.start()

import _task  # noqa: E402
import keras  # noqa: E402


class Death(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        # After a step of all processes: process 0 has saved the epoch before.
        if self.epoch == 2 and batch == 1:
            Path(os.environ["DIED"]).write_text(str(time.time()))
            os.kill(os.getpid(), signal.SIGKILL)


if os.environ.get("RANK") == os.environ["DYING"]:
    callbacks = _task.callbacks
    _task.callbacks = lambda *arguments: [*callbacks(*arguments), Death()]

program = importlib.import_module(PROGRAM.stem)
program.train(_launch.options(), _launch.place())
