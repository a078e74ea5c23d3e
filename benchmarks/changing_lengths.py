"""CPU seconds on TensorFlow where each batch has another length, against `keras.layers`.

    python benchmarks/changing_lengths.py

Each length comes once an epoch. A figure is the CPU seconds of two epochs of `fit`, or of two
calls of `predict`, of a fresh model, all tracing and compiling included; a ratio is that of one
round, the kit's by Keras'. The results are stored by processor.

Of lengths that recur there is a row, too: CPU milliseconds a batch, once all is traced, of Keras
and of the kit, uncompiled and compiled; the CPU seconds to compile a length; and after how many
batches of a length that is made up for.
"""

import argparse
import os
import time
from itertools import product
from pathlib import Path
from typing import Any

from _results import load, machine, results_file, save, today

FEATURES, BATCH, SHORTEST = 16, 32, 20
MODES = ("train", "predict")
RECURRING, TIMES = 4, 15  # so many lengths, so often in an epoch


def parse() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--layers", nargs="+", default=["LSTM", "GRU"])
    parser.add_argument("--lengths", nargs="+", type=int, default=[25, 200])
    parser.add_argument("--units", nargs="+", type=int, default=[32, 128])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-recurring", action="store_true")
    parser.add_argument("--out", type=Path, help="results/PROCESSOR/changing_lengths.json")
    return parser.parse_args()


def batches(lengths: list[int]) -> Any:
    """A data set of a batch of each of these lengths."""
    import keras
    import numpy as np

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return len(lengths)

        def __getitem__(self, i: int) -> Any:
            rng = np.random.default_rng(i)
            x = rng.standard_normal((BATCH, lengths[i], FEATURES), dtype="float32")
            return x, x[:, 0, :1]

    return Batches()


def fresh(layer: Any, units: int) -> Any:
    """A model with such a layer."""
    import keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((None, FEATURES)), layer(units), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def runs(model: Any, data: Any, epochs: int) -> dict[str, float]:
    """The CPU seconds of so many epochs, and of so many predictions."""
    start = time.process_time()
    model.fit(data, epochs=epochs, shuffle=False, verbose=0)
    trained = time.process_time()
    for _ in range(epochs):
        model.predict(data, verbose=0)
    return {"train": trained - start, "predict": time.process_time() - trained}


def cpu_seconds(layer: Any, units: int, count: int) -> dict[str, float]:
    """Of two epochs and of two predictions, of a fresh model."""
    lengths = [SHORTEST + i * max(1, 100 // count) for i in range(count)]
    return runs(fresh(layer, units), batches(lengths), epochs=2)


def measure(kind: str, units: int, count: int, rounds: int) -> dict[str, Any]:
    """One row: medians of CPU seconds, and the ratios of all rounds."""
    import keras
    import numpy as np

    import keras_rnnkit as kit

    libraries = {"kit": getattr(kit, kind), "keras": getattr(keras.layers, kind)}
    for layer in libraries.values():
        cpu_seconds(layer, 2, 2)  # what loads only once
    times = [
        {library: cpu_seconds(layer, units, count) for library, layer in libraries.items()}
        for _ in range(rounds)
    ]
    row: dict[str, Any] = {"date": today()}
    for mode in MODES:
        seconds = {library: [one[library][mode] for one in times] for library in libraries}
        row[mode] = {
            "cpu_seconds": {p: round(float(np.median(s)), 3) for p, s in seconds.items()},
            "kit_over_keras": [
                round(a / b, 3) for a, b in zip(seconds["kit"], seconds["keras"], strict=True)
            ],
        }
    return row


def recurring(kind: str, units: int) -> dict[str, Any]:
    """One row of lengths that come again and again."""
    import keras

    import keras_rnnkit as kit
    from keras_rnnkit.kernels import _tensorflow_compiling as compiling

    each = [SHORTEST + 20 * (i + 1) for i in range(RECURRING)]
    data, one = batches(each * TIMES), batches(each)
    libraries = {"keras": keras.layers, "uncompiled": kit, "compiled": kit}
    often, cold, warm = compiling.OFTEN, {}, {}
    for library, module in libraries.items():
        compiling.OFTEN = 1 if library == "compiled" else 10**9
        model = fresh(getattr(module, kind), units)
        cold[library] = runs(model, one, epochs=1)
        warm[library] = runs(model, data, epochs=1)
    compiling.OFTEN = often
    row: dict[str, Any] = {"date": today()}
    for mode in MODES:
        a_batch = {library: warm[library][mode] / len(data) for library in libraries}
        compile_s = (cold["compiled"][mode] - cold["uncompiled"][mode]) / len(each)
        saved = a_batch["uncompiled"] - a_batch["compiled"]
        row[mode] = {
            "cpu_milliseconds_a_batch": {p: round(1000 * s, 2) for p, s in a_batch.items()},
            "cpu_seconds_to_compile_a_length": round(compile_s, 3),
            "made_up_for_after_batches": round(compile_s / saved) if saved > 0 else None,
        }
    return row


def main() -> None:
    arguments = parse()
    os.environ["KERAS_BACKEND"] = "tensorflow"
    path = arguments.out or results_file("changing_lengths")
    report = load(path) if path.exists() else {"machine": machine(), "rows": {}}
    rows = report["rows"]
    counts = [] if arguments.only_recurring else arguments.lengths
    for kind, units, count in product(arguments.layers, arguments.units, counts):
        name = f"{kind}, {units} units, {count} lengths"
        rows[name] = measure(kind, units, count, arguments.rounds)
        print(name, rows[name])
        save(path, report)
    for kind, units in product(arguments.layers, arguments.units):
        name = f"{kind}, {units} units, {RECURRING} recurring lengths"
        rows[name] = recurring(kind, units)
        print(name, rows[name])
        save(path, report)


if __name__ == "__main__":
    main()
