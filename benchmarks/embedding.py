"""How far the first step of an optimizer moves a word that stands often in a batch, on TensorFlow.

    python benchmarks/embedding.py           # measures, and writes results and page part
    python benchmarks/embedding.py --check   # fails where the page part is not what results say

A word's gradient is the sum over the places where it stands. The loss is linear, with a gradient of
-1 at each place, so the right step is that of a plain variable with the gradient -places.
"""

import argparse
import os
from pathlib import Path
from typing import Any

from _results import RESULTS, environment, load, save, today, write_or_check
from _tables import table

RESULT = RESULTS / "embedding.json"
PART = Path(__file__).parent.parent / "docs" / "results" / "embedding.md"
OPTIMIZERS = {
    "RMSprop": {"rho": 0.9},
    "Adam": {},
    "Adagrad": {},
    "SGD": {},
}
PLACES = (1, 4, 16, 64, 256)
BATCH, RATE = 256, 0.01


def moved(embedding: Any, optimizer: Any, places: int) -> float:
    """How far a word that stands so often moves in one step."""
    import keras
    import numpy as np

    words = np.zeros((BATCH, 1), "int32")
    words[:places] = 1
    model = keras.Sequential([keras.Input((1,), dtype="int32"), embedding])
    model.compile(optimizer, lambda y_true, y_pred: -keras.ops.sum(y_pred))
    before = embedding.get_weights()[0][1, 0]
    model.train_on_batch(words, np.zeros((BATCH, 1, 1)))
    return float(embedding.get_weights()[0][1, 0] - before)


def right(optimizer: Any, places: int) -> float:
    """The same of a plain variable with the whole gradient."""
    import keras

    variable = keras.Variable([0.0])
    optimizer.apply([keras.ops.convert_to_tensor([-float(places)])], [variable])
    return float(keras.ops.convert_to_numpy(variable)[0])


def measured() -> dict[str, Any]:
    """For each optimizer, what was moved by what is right, for each number of places."""
    import keras

    import keras_rnnkit as kit

    rows: dict[str, Any] = {}
    for name, options in OPTIMIZERS.items():
        rows[name] = {}
        for package in (keras.layers, kit):
            ratios = []
            for places in PLACES:
                step = right(getattr(keras.optimizers, name)(RATE, **options), places)
                embedding = package.Embedding(2, 1, embeddings_initializer="zeros")
                optimizer = getattr(keras.optimizers, name)(RATE, **options)
                ratios.append(moved(embedding, optimizer, places) / step)
            rows[name]["kit" if package is kit else "keras"] = ratios
    return {**environment("tensorflow"), "date": today(), "places": PLACES, "rows": rows}


def part(report: dict[str, Any]) -> str:
    """The page part: a table of what was moved by what is right."""
    head = ["", *(f"{places} {'time' if places == 1 else 'times'}" for places in report["places"])]
    names = {"keras": "`keras.layers.Embedding`", "kit": "`kit.Embedding`"}
    rows = [
        [f"{optimizer}, {names[package]}", *(f"{ratio:.2f}" for ratio in ratios)]
        for optimizer, by_package in report["rows"].items()
        for package, ratios in by_package.items()
    ]
    return table(head, rows) + "\n"


def main() -> None:
    """Measures, or checks the page part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    arguments = parser.parse_args()
    if not arguments.check:
        os.environ["KERAS_BACKEND"] = "tensorflow"
        save(RESULT, measured())
    write_or_check({PART: part(load(RESULT))}, arguments.check)


if __name__ == "__main__":
    main()
