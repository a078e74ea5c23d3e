"""Compares the kit's cells: parameters, cost beside an LSTM, and a task that needs memory.

    python benchmarks/cells.py --backend jax

The cost is that of a training step, in turns with `kit.LSTM` of the same width. The task is the
adding problem (Hochreiter and Schmidhuber, 1997): of 100 random numbers two are marked, and their
sum is to be told at the end; always answering one gives a mean squared error of 1/6.
"""

import argparse
import os
from typing import Any

from _cell_table import CELLS
from _results import BACKENDS, environment, load, results_file, save, today

BATCH, TIME, FEATURES, UNITS = 64, 100, 16, 64
TASK = {"steps": 100, "units": 64, "batch": 64, "batches": 1500, "learning_rate": 3e-3}


def layer_of(name: str, units: int) -> Any:
    """The layer of that name, or `kit.RNN` around the cell."""
    import keras_rnnkit as kit

    if not name.endswith("Cell"):
        return getattr(kit, name)(units)
    options = {"projection": units // 2} if name == "ProjectedLSTMCell" else {}
    return kit.RNN(getattr(kit, name)(units, **options))


def model_of(
    name: str, features: int, units: int, learning_rate: float = 1e-3, seed: int = 0
) -> Any:
    """A layer of the table with a `Dense` behind it, compiled."""
    import keras

    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((None, features)), layer_of(name, units), keras.layers.Dense(1)]
    )
    optimizer = keras.optimizers.Adam(learning_rate, clipnorm=1.0)
    model.compile(optimizer, "mse")
    return model


def cost(name: str, repeats: int, batches: int) -> dict[str, Any]:
    """Milliseconds of a training step, in turns with an LSTM."""
    import numpy as np
    from _measure import fit_seconds

    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH * batches, TIME, FEATURES), dtype="float32")
    y = rng.standard_normal((BATCH * batches, 1)).astype("float32")
    models = {"it": model_of(name, FEATURES, UNITS), "lstm": model_of("LSTM", FEATURES, UNITS)}
    rounds: dict[str, list[float]] = {library: [] for library in models}
    for i in range(repeats + 1):
        for library, model in models.items():
            seconds = fit_seconds(model, (x, y), BATCH)
            if i:  # the first compiles
                rounds[library].append(seconds * 1000)
    ratios = np.divide(rounds["it"], rounds["lstm"])
    return {
        "ms": round(float(np.median(rounds["it"])), 2),
        "times_lstm": round(float(np.median(ratios)), 2),
        "rounds_ms": {library: [round(v, 3) for v in values] for library, values in rounds.items()},
    }


def facts(name: str) -> dict[str, Any]:
    """What can be read off the layer."""
    layer = layer_of(name, UNITS)
    layer.build((None, TIME, FEATURES))
    return {
        "parameters": layer.count_params(),
        "gates": list(layer.cell.gates_type._fields),
        "states": list(layer.cell.state_names),
    }


def adding(name: str, seed: int) -> float:
    """The error on new data of the adding problem, after training for a while."""
    import numpy as np

    rng = np.random.default_rng(seed)

    def draw(count: int) -> tuple[Any, Any]:
        steps = TASK["steps"]
        values = rng.random((count, steps), dtype="float32")
        marks = np.zeros((count, steps), "float32")
        rows, half = np.arange(count), steps // 2
        marks[rows, rng.integers(0, half, count)] = 1
        marks[rows, rng.integers(half, steps, count)] = 1
        return np.stack([values, marks], axis=-1), (values * marks).sum(axis=1, keepdims=True)

    model = model_of(name, 2, int(TASK["units"]), TASK["learning_rate"], seed)
    model.fit(*draw(int(TASK["batch"] * TASK["batches"])), batch_size=TASK["batch"], verbose=0)
    return round(float(model.evaluate(*draw(2000), batch_size=500, verbose=0)), 5)


def main() -> None:
    """Measures, prints and saves row by row; a run goes on where the last one stopped."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, required=True)
    parser.add_argument("--repeats", type=int, default=5, help="timed rounds; 5, or 0 for none")
    parser.add_argument("--batches", type=int, default=20, help="of a timed round; 20")
    parser.add_argument("--adding", type=int, default=0, help="seeds of the task; none")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS, help="rows; all")
    arguments = parser.parse_args()
    os.environ["KERAS_BACKEND"] = arguments.backend
    path = results_file("cells", arguments.backend)
    sizes = {"batch": BATCH, "steps": TIME, "features": FEATURES, "units": UNITS, "task": TASK}
    report = load(path) if path.exists() else {**environment(arguments.backend), **sizes}
    rows = report.setdefault("rows", {})
    for name in arguments.cells:
        row = rows.setdefault(name, {"date": today(), **facts(name)})
        if arguments.repeats and "cost" not in row:
            row["cost"] = cost(name, arguments.repeats, arguments.batches)
            save(path, report)
        errors = row.setdefault("adding", [])
        for seed in range(len(errors), arguments.adding):
            errors.append(adding(name, seed))
            save(path, report)
        print(name, row["parameters"], row.get("cost", {}).get("times_lstm"), errors, flush=True)


if __name__ == "__main__":
    main()
