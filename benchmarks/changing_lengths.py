"""CPU seconds on TensorFlow where each batch has another length, against `keras.layers`.

    python benchmarks/changing_lengths.py

Each length comes once an epoch. A figure is the CPU seconds of two epochs of `fit`, or of two
calls of `predict`, of a fresh model, all tracing and compiling included; a ratio is that of one
round, the kit's by Keras'. The file of results has a table for each processor.
"""

import argparse
import json
import os
import time
from itertools import product
from pathlib import Path
from typing import Any

from _results import RESULTS, machine, today

FEATURES, BATCH, SHORTEST = 16, 32, 20
MODES = ("train", "predict")


def parse() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--layers", nargs="+", default=["LSTM", "GRU"])
    parser.add_argument("--lengths", nargs="+", type=int, default=[25, 200])
    parser.add_argument("--units", nargs="+", type=int, default=[32, 128])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "changing_lengths.json")
    return parser.parse_args()


def cpu_seconds(layer: Any, units: int, count: int) -> dict[str, float]:
    """Of two epochs and of two predictions, of a fresh model."""
    import keras
    import numpy as np

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return count

        def __getitem__(self, i: int) -> Any:
            rng = np.random.default_rng(i)
            shape = (BATCH, SHORTEST + i * max(1, 100 // count), FEATURES)
            x = rng.standard_normal(shape, dtype="float32")
            return x, x[:, 0, :1]

    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((None, FEATURES)), layer(units), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    start = time.process_time()
    model.fit(Batches(), epochs=2, shuffle=False, verbose=0)
    trained = time.process_time()
    for _ in range(2):
        model.predict(Batches(), verbose=0)
    return {"train": trained - start, "predict": time.process_time() - trained}


def measure(kind: str, units: int, count: int, rounds: int) -> dict[str, Any]:
    """One row: medians of CPU seconds, and the ratios of all rounds."""
    import keras
    import numpy as np

    import keras_rnnkit as kit

    peers = {"kit": getattr(kit, kind), "keras": getattr(keras.layers, kind)}
    for layer in peers.values():
        cpu_seconds(layer, 2, 2)  # what loads only once
    times = [
        {peer: cpu_seconds(layer, units, count) for peer, layer in peers.items()}
        for _ in range(rounds)
    ]
    row: dict[str, Any] = {"date": today()}
    for mode in MODES:
        seconds = {peer: [one[peer][mode] for one in times] for peer in peers}
        row[mode] = {
            "cpu_seconds": {p: round(float(np.median(s)), 3) for p, s in seconds.items()},
            "kit_over_keras": [
                round(a / b, 3) for a, b in zip(seconds["kit"], seconds["keras"], strict=True)
            ],
        }
    return row


def main() -> None:
    arguments = parse()
    os.environ["KERAS_BACKEND"] = "tensorflow"
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    here = machine()
    rows = results.setdefault(f"{here['cpu']}, {here['cores']} cores", {})
    for kind, count, units in product(arguments.layers, arguments.lengths, arguments.units):
        name = f"{kind}, {units} units, {count} lengths"
        rows[name] = measure(kind, units, count, arguments.rounds)
        print(name, rows[name])
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
