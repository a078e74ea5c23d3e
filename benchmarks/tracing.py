"""Times `kit.trace` beside `predict` of the same model, and how much memory a data set takes.

    python benchmarks/tracing.py --backend jax

The model has an `Embedding`, an LSTM of 64 units, of the kit or of Keras, and a `Dense`; the input
are 1,000 sequences of 100 tokens. The two take turns. For the memory, 25,000 sequences are traced
in batches, of which the statistics are kept, and the peak of the process is read before and after.
"""

import argparse
import os
import resource
import time
from pathlib import Path
from typing import Any

from _results import BACKENDS, environment, results_file, save, today

TIME, UNITS, WORDS, ROWS, MANY = 100, 64, 10_000, 1_000, 25_000


def model_of(library: str) -> Any:
    """The model with an LSTM of the kit, or of Keras."""
    import keras

    import keras_rnnkit as kit

    keras.utils.set_random_seed(0)
    layers = {"kit": kit.LSTM, "keras": keras.layers.LSTM}
    return keras.Sequential(
        [
            keras.Input((TIME,), dtype="int32"),
            keras.layers.Embedding(WORDS, 16),
            layers[library](UNITS, name="lstm"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def tokens(rows: int) -> Any:
    """Random sequences of tokens."""
    import numpy as np

    return np.random.default_rng(0).integers(0, WORDS, (rows, TIME)).astype("int32")


def speed(library: str, repeats: int) -> dict[str, Any]:
    """Milliseconds of `trace` and of `predict`, and their ratio in the same round."""
    import numpy as np

    import keras_rnnkit as kit

    model, x = model_of(library), tokens(ROWS)
    runs = {
        "predict": lambda: model.predict(x, verbose=0),
        "trace": lambda: kit.trace(model, x).outputs,
    }
    np.testing.assert_allclose(runs["trace"](), runs["predict"](), atol=1e-5)
    rounds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            rounds[name].append((time.perf_counter() - start) * 1e3)
    ratios = np.divide(rounds["trace"], rounds["predict"])
    return {
        "date": today(),
        "median_ms": {name: round(float(np.median(ms)), 2) for name, ms in rounds.items()},
        "trace_over_predict": {
            "median": round(float(np.median(ratios)), 3),
            "min": round(float(ratios.min()), 3),
            "max": round(float(ratios.max()), 3),
        },
    }


def memory() -> dict[str, Any]:
    """MiB by which the peak of the process grows over a large data set."""
    import keras_rnnkit as kit

    model, x = model_of("kit"), tokens(MANY)
    kit.trace_batches(model, x[:ROWS], reduce="statistics")
    before, start = _peak(), time.perf_counter()
    found = kit.trace_batches(model, x, reduce="statistics", progress=False)
    seconds = time.perf_counter() - start
    assert found.rows == MANY
    return {"date": today(), "growth_mib": round(_peak() - before, 1), "seconds": round(seconds, 1)}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measures, prints and saves."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, required=True)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    os.environ["KERAS_BACKEND"] = arguments.backend
    report: dict[str, Any] = {**environment(arguments.backend), "steps": TIME, "units": UNITS}
    report["cells"] = {f"{MANY} rows": memory()}
    print(report["cells"], flush=True)
    for library in ("kit", "keras"):
        report["cells"][library] = speed(library, arguments.repeats)
        print(library, report["cells"][library], flush=True)
    save(arguments.out or results_file("tracing", arguments.backend), report)


if __name__ == "__main__":
    main()
