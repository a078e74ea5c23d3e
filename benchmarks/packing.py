"""Times an epoch on the whole IMDB reviews packed into rows, beside buckets and padding.

    python benchmarks/packing.py --backend jax --data imdb.npz
    python benchmarks/packing.py --page    # writes only the page part
    python benchmarks/packing.py --check   # fails where the page part is not what results say

The model is that of `buckets.py`: an embedding, an LSTM and a logistic unit. No review is
truncated. Packed, it has no mask: `resets` starts every review anew, and `TakeLast` takes the
output at its last word. Before the times, the script makes sure that both models predict the same.
A packed row has about ten reviews. So a batch of as many rows as one in buckets has ten times as
many reviews, and an epoch a tenth of the updates: there the learning rate is higher. Three packed
rows have as many reviews as a batch in buckets.
Steps are timed as in `buckets.py`. A ratio is that of two times of one round.
The accuracies are those of `batch_accuracy.py`.
"""

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from _accuracies import accuracies, column
from _results import (
    BACKENDS,
    RESULTS,
    environment,
    fullest,
    results_file,
    write_or_check,
)
from _tables import NAMES, NOTHING, table
from buckets import BATCH, RATE, UNITS, VECTOR, WORDS, bucketed, save_rounds, spread
from buckets import model_of as bucketed_model

PART = Path(__file__).parent.parent / "docs" / "results" / "packing.md"
LENGTH = 2500  # of a packed row; the longest review has 2,494 words


class Kind(NamedTuple):
    """A kind of batches: its name, the rows of a batch, and Adam's learning rate."""

    name: str
    rows: int
    rate: float = RATE


KINDS = {
    "padded": Kind("padded to the longest", BATCH),
    "buckets": Kind("in buckets", BATCH),
    "packed_3": Kind("packed, 3 rows in a batch", 3),
    "packed_8": Kind("packed, 8 rows in a batch", 8, 2e-3),
    "packed_32": Kind("packed, 32 rows in a batch", 32, 4e-3),
}
PACKED = [name for name in KINDS if name.startswith("packed")]
SCORED = {"buckets": "buckets_longest"}  # the names in `batch_accuracy.py`, where they differ


def parse() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS)
    parser.add_argument("--data", type=Path, help="imdb.npz; by default it is downloaded")
    parser.add_argument("--rows", type=int, default=25_000, help="reviews to train on")
    parser.add_argument("--steps", type=int, default=12, help="of batches of one shape to time")
    parser.add_argument("--warm", type=int, default=1, help="epochs in buckets before the times")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="results/PROCESSOR/packing_BACKEND.json")
    parser.add_argument("--page", action="store_true", help="write only the page part")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    return parser.parse_args()


def packed_model(seed: int, rate: float) -> Any:
    """The model for packed rows, compiled; of one seed it has the weights of that for buckets."""
    import keras

    import keras_rnnkit as kit

    keras.utils.set_random_seed(seed)
    words, ends = (keras.Input((None,), dtype="int32") for _ in range(2))
    resets = keras.Input((None,), dtype="bool")
    vectors = kit.Embedding(WORDS, VECTOR)(words)
    outputs = kit.LSTM(UNITS, return_sequences=True)(vectors, resets=resets)
    last = kit.TakeLast()([outputs, ends])
    predictions = keras.layers.Dense(1, activation="sigmoid")(last)
    model = keras.Model([words, resets, ends], predictions)
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", weighted_metrics=["accuracy"])
    return model


def model_of(kind: str, seed: int = 0) -> Any:
    """The model for a kind of batches."""
    if kind.startswith("packed"):
        return packed_model(seed, KINDS[kind].rate)
    return bucketed_model(seed)


def packed_rows(x: Any, y: Any) -> Any:
    """The reviews and their labels in rows."""
    import keras_rnnkit as kit

    return kit.data.pack(x, LENGTH, y[:, None])


def inputs(packed: Any, rows: int | None = None) -> list[Any]:
    """The inputs of the model for packed rows, of the first `rows`."""
    return [part[:rows] for part in (packed.rows, packed.resets, packed.ends)]


class Times:
    """Fits a model on batches of every kind."""

    def __init__(self, x: Any, y: Any, steps: int) -> None:
        import keras_rnnkit as kit

        self.models = {kind: model_of(kind) for kind in KINDS}
        self.buckets = bucketed(x, y, None)
        start = time.perf_counter()
        self.packed = packed_rows(x, y)
        self.packing_seconds = round(time.perf_counter() - start, 2)
        longest = max(map(len, x))
        self.tokens = sum(map(len, x))
        some = x[: min(steps * BATCH, len(x) // BATCH * BATCH)]
        ids = kit.data.pad(some, longest, padding="post")
        self.data = {"padded": (ids, y[: len(ids)], None)}
        for kind in PACKED:
            batch = KINDS[kind].rows
            count = min(steps * BATCH, len(self.packed.rows)) // batch * batch
            targets, weights = self.packed.targets[:count], self.packed.weights[:count]
            self.data[kind] = inputs(self.packed, count), targets, weights
        rows = {"padded": len(x), **dict.fromkeys(PACKED, len(self.packed.rows))}
        self.scale = {kind: rows[kind] / len(self.data[kind][1]) for kind in rows}
        self.padding = {
            "padded": round(1 - self.tokens / (len(x) * longest), 4),
            "buckets": round(self.buckets.padding, 4),
            **dict.fromkeys(PACKED, round(self.packed.padding, 4)),
        }
        self.check_same(x)

    def check_same(self, x: Any) -> None:
        """Refuses to compare models that do not predict the same."""
        import numpy as np

        self.models["packed_8"].set_weights(self.models["buckets"].get_weights())
        index = self.packed.index[:8]
        numbers = index[index >= 0]
        found = self.models["packed_8"].predict(inputs(self.packed, 8), verbose=0)[index >= 0]
        some = bucketed([x[i] for i in numbers], None, None)
        wanted = some.restore(self.models["buckets"].predict(some, verbose=0))
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)

    def fit(self, kind: str) -> float:
        """The seconds of an epoch."""
        from _measure import Clock

        x, y, weights = (self.buckets, None, None) if kind == "buckets" else self.data[kind]
        batch = None if y is None else KINDS[kind].rows
        count = len(self.buckets) if y is None else -(-len(y) // batch)
        clock = Clock(count)
        options = {"batch_size": batch, "shuffle": y is not None, "callbacks": [clock]}
        self.models[kind].fit(x, y, sample_weight=weights, verbose=0, **options)
        return clock.step_seconds * count * self.scale.get(kind, 1)

    def measure(self, warm: int, rounds: int) -> Iterator[dict[str, Any]]:
        """The seconds of every round and the ratios, after each round."""
        for kind in KINDS:
            for _ in range(warm if kind == "buckets" else 1):
                self.fit(kind)
            print("warm:", kind, flush=True)
        seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(rounds):
            for kind in KINDS:
                seconds[kind].append(round(self.fit(kind), 2))
            ratios = {
                kind: [
                    round(a / b, 3) for a, b in zip(seconds["padded"], seconds[kind], strict=True)
                ]
                for kind in KINDS
                if kind != "padded"
            }
            found = {"seconds": seconds, "ratios": ratios, "padding": self.padding}
            yield {**found, "packed_rows": len(self.packed.rows), "packing": self.packing_seconds}


def part(reports: dict[str, dict[str, Any]]) -> str:
    """The page part: a table of times and accuracies, by backend."""
    sections = []
    for backend, report in reports.items():
        times, scored = report["cells"]["times"], accuracies(backend)
        head = ["", "unused", "reviews in a batch", "seconds an epoch", "times faster"]
        head.append(column(backend))
        a_row = times["rows"] / times["packed_rows"]
        rows = []
        for name, kind in KINDS.items():
            timed, scores = name in times["seconds"], scored.get(SCORED.get(name, name), [])
            if not (timed or scores):
                continue
            reviews = kind.rows * (a_row if name.startswith("packed") else 1)
            rows.append(
                [
                    kind.name,
                    f"{times['padding'][name if timed else 'packed_8']:.1%}",
                    f"{reviews:.0f}",
                    f"{median(times['seconds'][name]):.1f}" if timed else NOTHING,
                    spread(times["ratios"].get(name, []), ".2f"),
                    spread(scores, ".3f"),
                ]
            )
        cpu = f"{report['machine']['cpu']}, {report['machine']['cores']} cores"
        sections.append(
            f"{NAMES[backend]}, {times['rows']:,} reviews, {cpu}:\n\n{table(head, rows)}\n"
        )
    return "\n".join(sections)


def main() -> None:
    """Measures, or checks the page part."""
    arguments = parse()
    if arguments.check or arguments.page:
        write_or_check({PART: part(fullest("packing"))}, check=arguments.check)
        return
    os.environ["KERAS_BACKEND"] = arguments.backend
    import keras_rnnkit as kit

    path = arguments.out or results_file("packing", arguments.backend)
    report = {**environment(arguments.backend), "cells": {}, "units": UNITS, "length": LENGTH}
    if arguments.backend == "tensorflow":
        from keras_rnnkit.kernels import _tensorflow_compiling

        _tensorflow_compiling.OFTEN = 1  # as in buckets.py
    (x, y), _ = kit.data.load_imdb_sequences(arguments.data, WORDS)
    x, y = x[: arguments.rows], y[: arguments.rows]
    times = Times(x, y, arguments.steps)
    save_rounds(path, report, len(x), times.measure(arguments.warm, arguments.rounds))
    if path.is_relative_to(RESULTS):
        write_or_check({PART: part(fullest("packing"))}, check=False)


if __name__ == "__main__":
    main()
