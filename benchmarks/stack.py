"""Times `kit.StackedRNN` against the same layers chained by hand.

    python benchmarks/stack.py --backend jax

In one process the two take turns at the same model: two recurrent layers and a `Dense` behind them,
with the same weights and the defaults of `compile`. A ratio is that of one round, the chain's time
by the stack's. One call of each goes ahead, so compilation is not counted.
"""

import argparse
import os
from collections.abc import Callable
from typing import Any

from _results import BACKENDS, load_or_start, results_file, save, today

BATCH, TIME, FEATURES = 64, 100, 16
UNITS = (8, 128)


def measure(cell: str, units: int, mode: str, repeats: int, seconds: float) -> dict[str, Any]:
    """The figures of one row."""
    # These import Keras, which looks at KERAS_BACKEND when it is imported.
    import keras
    import numpy as np
    from _measure import FEWEST, RUNS, summarise, take_turns

    import keras_rnnkit as kit

    layer = getattr(kit, cell.upper())
    models = {
        "chain": [layer(units, return_sequences=True), layer(units)],
        "stack": [kit.StackedRNN([units, units], cell=cell)],
    }
    keras.utils.set_random_seed(0)
    for library, layers in models.items():
        model = keras.Sequential([keras.Input((TIME, FEATURES)), *layers, keras.layers.Dense(1)])
        model.compile("adam", "mse")
        models[library] = model
    models["stack"].set_weights(models["chain"].get_weights())

    def ways(batches: int) -> dict[str, Callable[[], float]]:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((batches * BATCH, TIME, FEATURES), dtype="float32")
        rows = x, x[:, 0, :1]
        return {p: lambda model=m: RUNS[mode](model, rows, BATCH) for p, m in models.items()}

    batches, rounds = take_turns(ways, FEWEST[mode], repeats, seconds)
    keras.utils.clear_session()
    return summarise(batches, rounds, by="stack")


def main() -> None:
    """Measures, prints and saves row by row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, required=True)
    parser.add_argument("--repeats", type=int, default=6, help="rounds; 6")
    parser.add_argument("--seconds", type=float, default=6.0, help="of the rounds of a row; 6")
    arguments = parser.parse_args()
    os.environ["KERAS_BACKEND"] = arguments.backend
    path = results_file("stack", arguments.backend)
    report = load_or_start(path, arguments.backend)
    rows = [(c, u, m) for c in ("lstm", "gru") for u in UNITS for m in ("train", "predict")]
    for cell, units, mode in rows:
        key = f"{cell.upper()}, {units} units, {mode}"
        if key in report["cells"]:
            continue
        figures = measure(cell, units, mode, arguments.repeats, arguments.seconds)
        report["cells"][key] = {"date": today(), **figures}
        save(path, report)
        ratio = figures["chain_over_stack"]
        print(
            f"{key:28} x{ratio['median']:.2f} ({ratio['min']:.2f}-{ratio['max']:.2f})", flush=True
        )


if __name__ == "__main__":
    main()
