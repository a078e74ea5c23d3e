"""The steps of a program of examples/distributed: seconds, and bytes on the loopback interface.

    PROGRAM=torch CORES=0,1 STEPS_TO=out.json python benchmarks/_distributed_steps.py --processes 2

Each process runs on its part of the cores. The file gets, for each epoch, the seconds and the bytes
of a step; the first epoch compiles.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "examples" / "distributed"


def keep_to_cores() -> None:
    """The cores of this process, and as many threads; before a backend is imported."""
    cores = [int(core) for core in os.environ["CORES"].split(",")]
    part = len(cores) // int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    own = cores[rank * part : (rank + 1) * part]
    os.sched_setaffinity(0, own)
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = str(len(own))


def sent() -> int:
    """The bytes that the loopback interface has sent."""
    return int(Path("/sys/class/net/lo/statistics/tx_bytes").read_text())


sys.path.insert(0, str(FOLDER))
launch = importlib.import_module("_launch")
launch.start()
keep_to_cores()
os.environ["KERAS_BACKEND"] = os.environ["PROGRAM"]

import keras  # noqa: E402

task = importlib.import_module("_task")


class Steps(keras.callbacks.Callback):
    """Measures from the first to the last batch of an epoch, without the checkpoint."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps, self.epochs = steps, []
        self._seconds, self._bytes = 0.0, 0

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:
            self._seconds, self._bytes = time.perf_counter(), sent()

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.steps - 1:
            seconds, count = time.perf_counter() - self._seconds, sent() - self._bytes
            self.epochs.append({"ms": 1e3 * seconds / self.steps, "bytes": count / self.steps})

    def on_train_end(self, logs=None):
        result = {"parameters": self.model.count_params(), "epochs": self.epochs}
        Path(os.environ["STEPS_TO"]).write_text(json.dumps(result))


given = task.callbacks


def with_steps(options, place, barrier):
    """The callbacks of the program, and in process 0 the one that measures."""
    chosen = given(options, place, barrier)
    return [*chosen, Steps(options.steps)] if place.rank == 0 else chosen


task.callbacks = with_steps

program = importlib.import_module(f"train_{os.environ['PROGRAM']}")
program.train(launch.options(), launch.place())
