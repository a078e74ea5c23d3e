"""Times `MinLSTM` and `MinGRU` against the kit's `LSTM` of the same width, over long sequences.

    python benchmarks/min_rnn.py --backend jax

In one process the three take turns at the same model: the recurrent layer and a `Dense` behind it,
float sequences in front, `compile` with its defaults. A figure is the milliseconds a step of `fit`
or `predict`; a ratio is that of one round, the LSTM's time by the minimal layer's. One call of each
goes ahead, so compilation is not counted.

Every row is saved as it finishes, and a run goes on where the last one stopped.
"""

import argparse
import os
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from _results import BACKENDS, load_or_start, results_file, save, today

FEATURES = 16
LIBRARIES = ("MinLSTM", "MinGRU", "LSTM")
MODES = ("predict", "train")  # in this order, so that predictions come before the weights move


def numbers(text: str) -> list[int]:
    """Integers with commas between them."""
    return [int(part) for part in text.split(",")]


def parse() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, required=True)
    parser.add_argument("--times", type=numbers, default=[100, 1000, 4000], metavar="A,B,...")
    parser.add_argument("--units", type=numbers, default=[8, 128], metavar="A,B,...")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=6, help="rounds; 6")
    parser.add_argument("--seconds", type=float, default=20.0, help="of the rounds of a row; 20")
    parser.add_argument("--again", action="store_true", help="measure rows that are there, too")
    parser.add_argument("--out", type=Path, help="results/PROCESSOR/min_rnn_BACKEND.json")
    return parser.parse_args()


def measure(time: int, units: int, mode: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of one row."""
    # These import Keras, which looks at KERAS_BACKEND when it is imported.
    import keras
    import numpy as np
    from _measure import FEWEST, RUNS, spread, take_turns

    import keras_rnnkit as kit

    def build(library: str) -> keras.Model:
        layers = [
            keras.Input((time, FEATURES)),
            getattr(kit, library)(units),
            keras.layers.Dense(1),
        ]
        model = keras.Sequential(layers)
        model.compile("adam", "mse")
        return model

    def ways(batches: int) -> dict[str, Callable[[], float]]:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((batches * arguments.batch, time, FEATURES), dtype="float32")
        rows = x, x[:, 0, :1]
        return {
            library: lambda model=model: RUNS[mode](model, rows, arguments.batch)
            for library, model in models.items()
        }

    keras.utils.set_random_seed(0)
    models = {library: build(library) for library in LIBRARIES}
    batches, rounds = take_turns(ways, FEWEST[mode], arguments.repeats, arguments.seconds)
    keras.utils.clear_session()
    return {
        "batches": batches,
        "median_ms": {
            library: round(float(np.median(rounds[library])), 4) for library in LIBRARIES
        },
        **{
            f"LSTM_over_{library}": spread(np.divide(rounds["LSTM"], rounds[library]))
            for library in LIBRARIES[:2]
        },
        "rounds_ms": {library: [round(ms, 4) for ms in rounds[library]] for library in LIBRARIES},
    }


def describe(figures: dict[str, Any]) -> str:
    """One line about a row."""
    parts = [f"LSTM {figures['median_ms']['LSTM']:.4g} ms"]
    for library in LIBRARIES[:2]:
        ratio = figures[f"LSTM_over_{library}"]
        parts.append(
            f"{library} {figures['median_ms'][library]:.4g} ms = x{ratio['median']:.2f} "
            f"({ratio['min']:.2f}-{ratio['max']:.2f})"
        )
    return " | ".join(parts)


def main() -> None:
    """Measures, prints and saves row by row."""
    arguments = parse()
    os.environ["KERAS_BACKEND"] = arguments.backend
    path = arguments.out or results_file("min_rnn", arguments.backend)
    report = load_or_start(path, arguments.backend)
    for time, units, mode in product(arguments.times, arguments.units, MODES):
        key = f"{mode}/batch={arguments.batch}/time={time}/units={units}"
        if key in report["cells"] and not arguments.again:
            continue
        figures = {"date": today(), **measure(time, units, mode, arguments)}
        report["cells"][key] = figures
        save(path, report)
        print(f"{key:42} {describe(figures)}", flush=True)


if __name__ == "__main__":
    main()
