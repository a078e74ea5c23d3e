"""Times `kit.data.load_imdb` against the Keras pipeline it equals, on the same file.

    python benchmarks/imdb_loading.py --data FILE

Three ways to the same arrays take turns: Keras (`keras.datasets.imdb.load_data`, scikit-learn's
`train_test_split`, `keras.utils.pad_sequences`), `load_imdb` without a cache yet (it also writes
one), and `load_imdb` with its cache. Every call reads the file; imports and one warm-up round are
not counted. `load_data` cannot be told to read a local file, so its download is answered with
that file: this spares Keras the check of the file's checksum, and is to Keras' advantage.
"""

import argparse
import gc
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import sklearn
from sklearn.model_selection import train_test_split

from keras_rnnkit.data import ImdbData, Split, load_imdb

RESULTS = Path(__file__).parent / "results" / "imdb_loading.json"
TARGETS = {"first": 0.5, "cached": 0.1}


def load_with_keras(file: Path) -> ImdbData:
    """Runs the Keras pipeline on a local file."""
    module = keras.datasets.imdb.load_data.__module__
    with mock.patch(f"{module}.get_file", return_value=str(file)):
        (x, y), (x_test, y_test) = keras.datasets.imdb.load_data(num_words=500)
    x, x_held, y, y_held = train_test_split(x, y, test_size=0.2, random_state=42)
    parts = ((x, y), (x_held, y_held), (x_test, y_test))
    return ImdbData(*(Split(keras.utils.pad_sequences(a, maxlen=100), b) for a, b in parts))


def timed(load: Callable[[], ImdbData]) -> tuple[float, ImdbData]:
    """Returns the seconds of one call, and what it returned."""
    gc.collect()
    start = time.perf_counter()
    data = load()
    return time.perf_counter() - start, data


def measure(file: Path, repeats: int) -> dict[str, list[float]]:
    """Returns the seconds of every repeat of the three ways, which take turns."""
    seconds: dict[str, list[float]] = {"keras": [], "first": [], "cached": []}
    for repeat in range(repeats + 1):
        with tempfile.TemporaryDirectory() as folder:

            def load_here(folder: str = folder) -> ImdbData:
                return load_imdb(path=file, cache_dir=folder)

            ways = (lambda: load_with_keras(file), load_here, load_here)
            results = [timed(way) for way in ways]
        assert_same([data for _, data in results])
        for name, (taken, _) in zip(seconds, results, strict=True):
            if repeat:
                seconds[name].append(taken)
    return seconds


def assert_same(results: list[ImdbData]) -> None:
    """Refuses to compare ways that do not lead to the same arrays."""
    for other in results[1:]:
        for split, expected in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(split.x, expected.x)
            np.testing.assert_array_equal(split.y, expected.y)


def summarise(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Returns median, spread and ratio to Keras of each way."""
    base = statistics.median(seconds["keras"])
    return {
        name: {
            "median_s": statistics.median(values),
            "min_s": min(values),
            "max_s": max(values),
            "ratio_to_keras": statistics.median(values) / base,
        }
        for name, values in seconds.items()
    }


def print_table(summary: dict[str, dict[str, float]]) -> None:
    """Prints one line for each way."""
    print(f"{'way':8} {'median':>8} {'min':>8} {'max':>8} {'of Keras':>9}  target")
    for name, row in summary.items():
        target = f"<= {TARGETS[name]}" if name in TARGETS else ""
        print(
            f"{name:8} {row['median_s']:7.3f}s {row['min_s']:7.3f}s {row['max_s']:7.3f}s "
            f"{row['ratio_to_keras']:9.3f}  {target}"
        )


def main() -> None:
    """Reads the arguments, measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="a local imdb.npz")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    seconds = measure(arguments.data, arguments.repeats)
    summary = summarise(seconds)
    print_table(summary)
    report = {
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count()},
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "targets": TARGETS,
        "summary": summary,
        "seconds": seconds,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
