"""Times an epoch on the IMDB reviews in buckets of similar length, beside padding to one length.

    python benchmarks/buckets.py --backend jax --data imdb.npz
    python benchmarks/buckets.py --page    # writes only the page part
    python benchmarks/buckets.py --check   # fails where the page part is not what results say

The model has an embedding with a mask, an LSTM and a logistic unit. First all shapes are trained on
until nothing compiles any more; then the kinds of batches take turns. All steps of an epoch in
buckets are timed, from the end of the first one to that of the last one; where all batches have one
shape, some of them, and the time is scaled by their number. A ratio is that of two times of one
round.
On TensorFlow, a length is compiled when it first comes instead of for the 100th time, so that the
state of later epochs is reached sooner. The accuracies are those of `batch_accuracy.py`.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from _accuracies import accuracies, column
from _results import (
    BACKENDS,
    RESULTS,
    environment,
    fullest,
    results_file,
    save,
    today,
    write_or_check,
)
from _tables import NAMES, table

PART = Path(__file__).parent.parent / "docs" / "results" / "buckets.md"
WORDS, VECTOR, UNITS, BATCH, LENGTHS, MAXLEN = 10_000, 32, 64, 32, 16, 500
RATE = 1e-3  # a higher one scatters by more than what the kinds of batches differ by
KINDS = {
    "padded_500": f"padded to {MAXLEN}",
    "buckets_500": f"in buckets, truncated to {MAXLEN}",
    "padded_longest": "padded to the longest",
    "buckets_longest": "in buckets, not truncated",
}
SLOWER = {"buckets_500": "padded_500", "buckets_longest": "padded_longest"}


def parse() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS)
    parser.add_argument("--data", type=Path, help="imdb.npz; by default it is downloaded")
    parser.add_argument("--rows", type=int, default=25_000, help="reviews to train on")
    parser.add_argument("--steps", type=int, nargs=2, default=[60, 12], help="of padded batches")
    parser.add_argument("--warm", type=int, default=1, help="epochs in buckets before the times")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="results/PROCESSOR/buckets_BACKEND.json")
    parser.add_argument("--page", action="store_true", help="write only the page part")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    return parser.parse_args()


def model_of(seed: int) -> Any:
    """The model, compiled."""
    import keras

    import keras_rnnkit as kit

    keras.utils.set_random_seed(seed)
    layers = [
        keras.Input((None,), dtype="int32"),
        kit.Embedding(WORDS, VECTOR, mask_zero=True),
        kit.LSTM(UNITS),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(RATE), "binary_crossentropy", metrics=["accuracy"])
    return model


def bucketed(x: Any, y: Any, maxlen: int | None, seed: int = 0) -> Any:
    """The reviews in buckets."""
    import keras_rnnkit as kit

    return kit.data.Bucketed(
        list(x), y, batch_size=BATCH, lengths=LENGTHS, maxlen=maxlen, seed=seed
    )


class Times:
    """Fits a model on batches of every kind."""

    def __init__(self, x: Any, y: Any, steps: list[int]) -> None:
        import keras_rnnkit as kit

        self.models = {kind: model_of(0) for kind in KINDS}
        self.x, self.y, self.all_steps = x, y, -(-len(x) // BATCH)
        self.longest = max(map(len, x))
        self.buckets = {"buckets_500": MAXLEN, "buckets_longest": None}
        self.data = {kind: bucketed(x, y, maxlen) for kind, maxlen in self.buckets.items()}
        self.padded = {}
        for kind, maxlen, some in zip(
            ("padded_500", "padded_longest"), (MAXLEN, self.longest), steps, strict=True
        ):
            rows = min(some * BATCH, len(x) // BATCH * BATCH)
            ids = kit.data.pad(x[:rows], maxlen, padding="post", truncating="post")
            self.padded[kind] = ids, y[:rows]

    def fit(self, kind: str) -> float:
        """The seconds of an epoch."""
        from _measure import Clock

        if kind in self.buckets:
            x, y, steps = self.data[kind], None, len(self.data[kind])
        else:
            (x, y), steps = self.padded[kind], self.all_steps
        count = steps if y is None else -(-len(x) // BATCH)
        clock, batch = Clock(count), None if y is None else BATCH
        options = {"batch_size": batch, "shuffle": y is not None, "callbacks": [clock]}
        self.models[kind].fit(x, y, verbose=0, **options)
        return clock.step_seconds * steps

    def measure(self, warm: int, rounds: int) -> Iterator[dict[str, Any]]:
        """The seconds of every round, the ratios and the padding, after each round."""
        for kind in KINDS:
            for _ in range(warm if kind in self.buckets else 1):
                self.fit(kind)
            print("warm:", kind, flush=True)
        seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(rounds):
            for kind in KINDS:
                seconds[kind].append(round(self.fit(kind), 2))
            ratios = {
                fast: [round(a / b, 3) for a, b in zip(seconds[slow], seconds[fast], strict=True)]
                for fast, slow in SLOWER.items()
            }
            yield {"seconds": seconds, "ratios": ratios, "padding": self.padding()}

    def padding(self) -> dict[str, float]:
        """The fraction of the tokens that are padding, by kind."""
        found = {kind: round(data.padding, 4) for kind, data in self.data.items()}
        for kind, (ids, _) in self.padded.items():
            tokens = sum(min(len(row), ids.shape[1]) for row in self.x)
            found[kind] = round(1 - tokens / (len(self.x) * ids.shape[1]), 4)
        return found


def part(reports: dict[str, dict[str, Any]]) -> str:
    """The page part: a table of times and accuracies, by backend."""
    sections = []
    for backend, report in reports.items():
        rows = []
        times, scored = report["cells"]["times"], accuracies(backend)
        head = ["", "padding", "seconds an epoch", "times faster", column(backend)]
        for kind, name in KINDS.items():
            seconds = times["seconds"][kind]
            ratio = times["ratios"].get(kind, [])
            rows.append(
                [
                    name,
                    f"{times['padding'][kind]:.1%}",
                    f"{median(seconds):.1f}",
                    spread(ratio, ".2f"),
                    spread(scored.get(kind, []), ".3f"),
                ]
            )
        cpu = f"{report['machine']['cpu']}, {report['machine']['cores']} cores"
        sections.append(
            f"{NAMES[backend]}, {times['rows']:,} reviews, {cpu}:\n\n{table(head, rows)}\n"
        )
    return "\n".join(sections)


def spread(values: list[float], form: str) -> str:
    """The median, and the least and the most in brackets."""
    if not values:
        return "-"
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def save_rounds(
    path: Path, report: dict[str, Any], rows: int, rounds: Iterator[dict[str, Any]]
) -> None:
    """Prints the times of each round, and saves the report with all rounds so far."""
    for found in rounds:
        print({kind: seconds[-1] for kind, seconds in found["seconds"].items()}, flush=True)
        report["cells"]["times"] = {"date": today(), "rows": rows, **found}
        save(path, report)
    print(found["ratios"], found["padding"])


def main() -> None:
    """Measures, or checks the page part."""
    arguments = parse()
    if arguments.check or arguments.page:
        write_or_check({PART: part(fullest("buckets"))}, check=arguments.check)
        return
    os.environ["KERAS_BACKEND"] = arguments.backend
    import keras_rnnkit as kit

    path = arguments.out or results_file("buckets", arguments.backend)
    report = {**environment(arguments.backend), "cells": {}}
    report |= {"units": UNITS, "batch_size": BATCH, "lengths": LENGTHS}
    if arguments.backend == "tensorflow":
        from keras_rnnkit.kernels import _tensorflow_compiling

        _tensorflow_compiling.OFTEN = 1
    (x, y), _ = kit.data.load_imdb_sequences(arguments.data, WORDS)
    x, y = x[: arguments.rows], y[: arguments.rows]
    times = Times(x, y, arguments.steps)
    save_rounds(path, report, len(x), times.measure(arguments.warm, arguments.rounds))
    if path.is_relative_to(RESULTS):
        write_or_check({PART: part(fullest("buckets"))}, check=False)


if __name__ == "__main__":
    main()
