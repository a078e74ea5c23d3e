"""The test accuracy on the IMDB reviews after training on batches of different kinds.

    python benchmarks/batch_accuracy.py --backend jax --data imdb.npz

The kinds are those of `buckets.py` and `packing.py`, which write the accuracies into their page
parts (`--page`). A tenth of the training reviews is held out. Training ends when the loss on these
has not fallen for two epochs, and the weights of the best epoch are tested: after a fixed number of
epochs, models that differ by their seed alone are up to seven hundredths apart.
A run goes on where the last one stopped. The accuracy does not depend on the processor.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from _accuracies import accuracy_file
from _results import BACKENDS, environment, load, save, today
from buckets import MAXLEN, WORDS, bucketed, model_of
from packing import KINDS as PACKED
from packing import inputs, packed_model, packed_rows

KINDS = ("padded_500", "buckets_500", "buckets_longest", "packed_3", "packed_8", "packed_32")
SEEDS = (0, 1, 2)
EPOCHS, PATIENCE, HELD_OUT = 20, 2, 10  # at most; and a tenth is held out


def parse() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, required=True)
    parser.add_argument("--data", type=Path, help="imdb.npz; by default it is downloaded")
    parser.add_argument("--rows", type=int, default=25_000, help="reviews to train on, and to test")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--again", action="store_true", help="train those that are there, too")
    parser.add_argument("--out", type=Path, help="results/batch_accuracy_BACKEND.json")
    return parser.parse_args()


def batches(kind: str, x: Any, y: Any, seed: int = 0) -> tuple[Any, dict[str, Any]]:
    """The reviews as batches of a kind: the data for `fit`, and the arguments that go with it."""
    import keras_rnnkit as kit

    if kind in PACKED:
        packed = packed_rows(x, y)
        given = {"y": packed.targets, "sample_weight": packed.weights}
        return inputs(packed), {**given, "batch_size": PACKED[kind].rows}
    if kind == "padded_500":
        ids = kit.data.pad(x, MAXLEN, padding="post", truncating="post")
        return ids, {"y": y, "batch_size": 32}
    return bucketed(x, y, MAXLEN if kind == "buckets_500" else None, seed), {}


def trained(kind: str, train: Any, test: Any, seed: int) -> dict[str, Any]:
    """The accuracy of the best epoch, and its number."""
    import keras

    x, y = train
    held = -(-len(x) // HELD_OUT)
    model = packed_model(seed, PACKED[kind].rate) if kind in PACKED else model_of(seed)
    stopping = keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
    data, given = batches(kind, x[:-held], y[:-held], seed)
    tested, expected = batches(kind, x[-held:], y[-held:])
    if expected:
        tested = (tested, expected["y"], expected.get("sample_weight"))
    fit = {"shuffle": bool(given), "epochs": EPOCHS, "callbacks": [stopping], "verbose": 0}
    model.fit(data, **given, **fit, validation_data=tested)
    data, given = batches(kind, *test)
    if given:
        given["batch_size"] = 32 if kind in PACKED else 256
    scores = model.evaluate(data, **given, verbose=0, return_dict=True)
    rate = round(float(model.optimizer.learning_rate), 6)
    found = {"date": today(), "rate": rate, "epoch": stopping.best_epoch + 1}
    return {**found, "accuracy": round(float(scores["accuracy"]), 4)}


def started(path: Path, backend: str, rows: int) -> dict[str, Any]:
    """The file to go on with, or a new one; accuracies of other settings do not mix."""
    settings = {"epochs": EPOCHS, "patience": PATIENCE, "rows": rows, "held_out": 1 / HELD_OUT}
    report = {**environment(backend), **settings, "cells": {}}
    if not path.exists():
        return report
    found = load(path)
    other = [name for name in ("versions", *settings) if found[name] != report[name]]
    if other:
        sys.exit(
            f"{path} is from other settings ({', '.join(other)}): "
            "remove it, or write elsewhere with --out."
        )
    return found


def main() -> None:
    """Trains what has not been trained yet."""
    arguments = parse()
    os.environ["KERAS_BACKEND"] = arguments.backend
    import keras_rnnkit as kit

    path = arguments.out or accuracy_file(arguments.backend)
    report = started(path, arguments.backend, arguments.rows)
    cells = report["cells"]
    train, test = kit.data.load_imdb_sequences(arguments.data, WORDS)
    train, test = ((x[: arguments.rows], y[: arguments.rows]) for x, y in (train, test))
    for seed in arguments.seeds:
        for kind in arguments.kinds:
            if str(seed) in cells.get(kind, {}) and not arguments.again:
                continue
            found = trained(kind, train, test, seed)
            cells.setdefault(kind, {})[str(seed)] = found
            save(path, report)
            print(kind, seed, found, flush=True)


if __name__ == "__main__":
    main()
