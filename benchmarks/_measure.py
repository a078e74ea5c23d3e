"""Times `fit` and `predict` of several models in turns."""

import gc
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from _grid import SHAPES
from _models import build_models, data

FEWEST = {"train": 2, "predict": 4}  # batches
MOST = 1000  # batches, all of them in memory

Data = tuple[np.ndarray, np.ndarray]


class Clock(keras.callbacks.Callback):
    """Times the steps after the first, from its results to those of the last.

    With a callback that looks at every step, Keras waits for each, also on JAX.
    What `fit` and `predict` do before and after is not counted: making data sets and functions,
    and taking them down, where TensorFlow's pipeline at times waits for its own tuning thread,
    as long as the steps have taken all together.
    """

    def __init__(self, batches: int) -> None:
        super().__init__()
        if batches < 2:
            raise ValueError(
                f"`batches` must be 2 at least, as the first is not timed, not {batches}."
            )
        self.last = batches - 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch in (0, self.last):
            self.loss = float(logs["loss"])
            self.mark(batch)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch in (0, self.last):
            keras.ops.convert_to_numpy(logs["outputs"])
            self.mark(batch)

    def mark(self, batch: int) -> None:
        now = time.perf_counter()
        if batch == 0:
            self.start = now
        else:
            self.step_seconds = (now - self.start) / self.last


def fit_seconds(model: keras.Model, rows: Data, batch: int) -> float:
    """The seconds of a step of `fit`."""
    gc.collect()
    clock = Clock(len(rows[0]) // batch)
    model.fit(*rows, batch_size=batch, shuffle=False, verbose=0, callbacks=[clock])
    if not np.isfinite(clock.loss):
        raise FloatingPointError(f"the loss of {model.name} is {clock.loss}")
    return clock.step_seconds


def predict_seconds(model: keras.Model, rows: Data, batch: int) -> float:
    """The seconds of a step of `predict`."""
    gc.collect()
    clock = Clock(len(rows[0]) // batch)
    model.predict(rows[0], batch_size=batch, verbose=0, callbacks=[clock])
    return clock.step_seconds


RUNS = {"train": fit_seconds, "predict": predict_seconds}


def measure_cell(
    layer: str, shape: str, variant: str, modes: list[str], repeats: int, seconds: float
) -> dict[str, Any]:
    """The figures of the modes asked for, of one cell of the grid.

    Args:
        layer: A layer of the grid.
        shape: A shape of the grid.
        variant: A variant of the grid.
        modes: "train", "predict" or both.
        repeats: How many rounds; each library runs once in a round.
        seconds: How long the rounds of one mode take together, about.
    """
    models = build_models(layer, shape, variant)
    batch = SHAPES[shape].batch
    assert_same(models, data(shape, variant, 2)[0], batch)
    figures = {}
    for mode in sorted(modes):  # predict first, while the weights are still those of the start
        run = RUNS[mode]

        def ways(batches: int, run: Callable = run) -> dict[str, Callable[[], float]]:
            rows = data(shape, variant, batches)
            return {
                library: lambda model=model: run(model, rows, batch)
                for library, model in models.items()
            }

        batches, times = take_turns(ways, FEWEST[mode], repeats, seconds)
        figures[mode] = summarise(batches, times)
    keras.utils.clear_session()
    return figures


def assert_same(models: dict[str, keras.Model], x: np.ndarray, batch: int) -> None:
    """Refuses to compare models that do not compute the same."""
    found, expected = (
        models[library].predict(x, batch_size=batch, verbose=0) for library in ("kit", "keras")
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def take_turns(
    ways: Callable[[int], dict[str, Callable[[], float]]],
    fewest: int,
    repeats: int,
    seconds: float,
    most: int = MOST,
) -> tuple[int, dict[str, list[float]]]:
    """The number of batches, and each library's milliseconds a step in every round.

    Args:
        ways: What makes, for a number of batches, the functions that return seconds a step.
        fewest: The least number of batches.
        repeats: The number of rounds.
        seconds: How long the rounds take together, about.
        most: The largest number of batches.
    """
    first = ways(2)
    for run in first.values():  # compiles
        run()
    step = sum(run() for run in first.values())
    batches = int(np.clip(round(seconds / repeats / step), fewest, max(fewest, most)))
    runs = ways(batches)
    times: dict[str, list[float]] = {library: [] for library in runs}
    turns = list(runs.items())
    for _ in range(repeats):
        for library, run in turns:
            times[library].append(run() * 1000)
        turns.reverse()  # who comes first has a colder machine
    return batches, times


def summarise(batches: int, times: dict[str, list[float]], by: str = "kit") -> dict[str, Any]:
    """Medians, and what the other libraries take for each millisecond of one of them, the kit's."""
    others = [library for library in times if library != by]
    return {
        "batches": batches,
        "median_ms": {
            library: round(float(np.median(values)), 4) for library, values in times.items()
        },
        **{
            f"{library}_over_{by}": spread(np.divide(times[library], times[by]))
            for library in others
        },
        "rounds_ms": {library: [round(v, 4) for v in values] for library, values in times.items()},
    }


def spread(values: np.ndarray) -> dict[str, float]:
    """The median, the quartiles and the ends."""
    names = ("min", "q1", "median", "q3", "max")
    quantiles = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
    return {name: round(float(v), 4) for name, v in zip(names, quantiles, strict=True)}


def quartiles(values: list[float]) -> list[float]:
    """The lower quartile, the median and the upper quartile."""
    return [float(f"{v:.4g}") for v in np.quantile(values, (0.25, 0.5, 0.75))]
