"""Times a stream, fed one step at a time, beside calling the model on the whole sequence.

    python benchmarks/streaming.py --backend jax

For a model that answers after every step there are two ways: to keep a stream, or to call the
model on all that has come so far. Microseconds a step for one row; the libraries take turns.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _results import BACKENDS, environment, results_file, save, today

TIME, FEATURES = 100, 16
MODELS = {"LSTM, 8 units": [8], "two LSTM layers, 128 units": [128, 128]}


def ways(units: list[int]) -> dict[str, Callable[[], Any]]:
    """What is timed, each over all the steps of one sequence."""
    import keras
    import numpy as np

    import keras_rnnkit as kit

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((TIME, FEATURES)),
            kit.StackedRNN(units),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    x = np.random.default_rng(0).standard_normal((1, TIME, FEATURES), dtype="float32")
    live = kit.stream(model)

    def number(output: Any) -> float:
        """Waits for the output, as whoever reads it does."""
        return float(keras.ops.convert_to_numpy(output)[0, 0])

    def step() -> float:
        live.reset()
        return [number(live.step(x[:, t])) for t in range(TIME)][-1]

    def chunk() -> float:
        live.reset()
        return [number(live.chunk(x[:, t : t + 10])) for t in range(0, TIME, 10)][-1]

    def whole() -> float:
        return number(model.predict_on_batch(x))

    np.testing.assert_allclose(step(), whole(), atol=1e-5)
    return {"step": step, "chunk": chunk, "whole": whole}


def measure(units: list[int], repeats: int) -> dict[str, Any]:
    """Microseconds a step fed to a stream, and a call of the whole model."""
    import numpy as np

    runs = ways(units)
    for run in runs.values():  # compiles
        run()
    rounds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds = time.perf_counter() - start
            rounds[name].append(seconds * 1e6 / (1 if name == "whole" else TIME))
    return {
        "date": today(),
        "median_us": {name: round(float(np.median(v)), 1) for name, v in rounds.items()},
        "rounds_us": {name: [round(v, 1) for v in values] for name, values in rounds.items()},
    }


def main() -> None:
    """Measures, prints and saves."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, required=True)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    os.environ["KERAS_BACKEND"] = arguments.backend
    report = {**environment(arguments.backend), "steps": TIME, "cells": {}}
    for name, units in MODELS.items():
        report["cells"][name] = measure(units, arguments.repeats)
        print(name, report["cells"][name]["median_us"], flush=True)
    save(arguments.out or results_file("streaming", arguments.backend), report)


if __name__ == "__main__":
    main()
