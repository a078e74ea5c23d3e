"""Times epochs of training with and without `GateMonitor`.

    python benchmarks/gate_monitor.py --backend jax --data imdb.npz

The model is the LSTM of the textbook chapter, on the 20,000 real reviews of 100 words that it is
trained on. Epochs with and without the callback, at its default of 512 reviews, take turns within
one call of `fit`; the first one of each, which compiles, is not counted.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

from _results import BACKENDS, environment, results_file, save, today

WORDS, TIME, UNITS, BATCH, LIMIT = 500, 100, 8, 64, 0.05


def epoch_seconds(data: Path, rounds: int) -> dict[str, list[float]]:
    """The seconds of epochs without and with the callback, by turns."""
    import keras

    import keras_rnnkit as kit

    class EverySecond(kit.callbacks.GateMonitor):
        """A `GateMonitor` in every second epoch."""

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch % 2:
                super().on_epoch_end(epoch, logs)

    class Clock(keras.callbacks.Callback):
        """Notes how long each epoch takes, with the callbacks before this one."""

        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds.append(time.perf_counter() - self.start)
            print(f"epoch {epoch}: {self.seconds[-1]:.2f} s", flush=True)

    keras.utils.set_random_seed(0)
    reviews = kit.data.load_imdb(num_words=WORDS, maxlen=TIME, path=data)
    model = keras.Sequential(
        [
            keras.Input((TIME,), dtype="int32"),
            keras.layers.Embedding(WORDS, 16),
            keras.layers.LSTM(UNITS, name="lstm"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.RMSprop(1e-4), "binary_crossentropy")
    clock, monitor = Clock(), EverySecond(reviews.validation.x)
    model.fit(
        reviews.train.x,
        reviews.train.y,
        batch_size=BATCH,
        epochs=2 * (rounds + 1),
        verbose=0,
        callbacks=[monitor, clock],
    )
    return {"without": clock.seconds[2::2], "with": clock.seconds[3::2]}


def summary(seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Medians, and what the callback adds to the epoch before it, as a fraction."""
    import numpy as np

    added = np.divide(seconds["with"], seconds["without"]) - 1
    return {
        "date": today(),
        "seconds": {name: round(float(np.median(of)), 3) for name, of in seconds.items()},
        "rounds_s": {name: [round(one, 3) for one in of] for name, of in seconds.items()},
        "added": {
            "median": round(float(np.median(added)), 4),
            "min": round(float(added.min()), 4),
            "max": round(float(added.max()), 4),
        },
    }


def main() -> None:
    """Measures, prints and saves."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, required=True)
    parser.add_argument("--data", type=Path, required=True, help="imdb.npz")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    os.environ["KERAS_BACKEND"] = arguments.backend
    report: dict[str, Any] = {**environment(arguments.backend), "steps": TIME, "units": UNITS}
    report["cells"] = {"epoch": summary(epoch_seconds(arguments.data, arguments.rounds))}
    added = report["cells"]["epoch"]["added"]["median"]
    print(f"added: {added:.1%}, {'below' if added < LIMIT else 'above'} {LIMIT:.0%}")
    save(arguments.out or results_file("gate_monitor", arguments.backend), report)


if __name__ == "__main__":
    main()
