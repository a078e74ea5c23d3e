"""Trains cells on the adding problem over long sequences, with and without `Chrono`.

    python benchmarks/adding.py                       # all rows; goes on where the last run stopped
    python benchmarks/adding.py --cells LSTM GRU --lengths 100

Two of 100, 400 or 1,000 random numbers are marked, and their sum is to be told at the end
(Hochreiter and Schmidhuber, 1997). A run ends when the problem is solved: when the mean squared
error on new sequences is below 0.01 in three evaluations in a row. It runs on JAX, where 100
training steps are one compiled program. `cells_page.py` writes the table.
"""

import argparse
import functools
import os
import time
from typing import Any

from _results import RESULTS, environment, load, save, today

RESULT = RESULTS / "adding.json"
LENGTHS = (100, 400, 1000)
SEEDS = (0, 1, 2)
TASK = {
    "units": 32,
    "batch": 32,
    "most": 5000,  # training steps
    "every": 100,  # training steps between two evaluations
    "test": 1000,  # sequences
    "learning_rate": 3e-3,
    "solved": 0.01,
    "in_a_row": 3,
}
CHRONO = " + Chrono"
ROWS = (
    "LSTM",
    "LSTM" + CHRONO,
    "GRU",
    "GRU" + CHRONO,
    "CoupledLSTMCell",
    "MinLSTM",
    "MinGRU",
    "RGLRU",
)


def model_of(row: str, steps: int, seed: int) -> Any:
    """The layer of a row with a `Dense` behind it."""
    import keras

    import keras_rnnkit as kit

    keras.utils.set_random_seed(seed)
    name, chrono = row.removesuffix(CHRONO), row.endswith(CHRONO)
    options = {"bias_initializer": kit.initializers.Chrono(steps)} if chrono else {}
    layer = getattr(kit, name)(TASK["units"], **options)
    layer = kit.RNN(layer) if name.endswith("Cell") else layer
    return keras.Sequential([keras.Input((steps, 2)), layer, keras.layers.Dense(1)])


def draw(rng: Any, shape: tuple[int, ...], steps: int) -> tuple[Any, Any]:
    """Sequences `(*shape, steps, 2)` and their sums, `(*shape, 1)`."""
    import numpy as np

    values = rng.random((*shape, steps), dtype="float32")
    marks = np.zeros_like(values)
    for low, high in ((0, steps // 2), (steps // 2, steps)):
        places = rng.integers(low, high, (*shape, 1))
        np.put_along_axis(marks, places, 1, axis=-1)
    return np.stack([values, marks], axis=-1), (values * marks).sum(axis=-1, keepdims=True)


@functools.cache
def programs(row: str, steps: int) -> tuple[Any, Any, Any]:
    """The optimizer, and two compiled programs: training steps in a row, and the test error."""
    import jax
    import keras

    model = model_of(row, steps, 0)
    optimizer = keras.optimizers.Adam(TASK["learning_rate"], clipnorm=1.0)
    optimizer.build(model.trainable_variables)

    def loss_of(weights: Any, fixed: Any, x: Any, y: Any, training: bool) -> Any:
        found, fixed = model.stateless_call(weights, fixed, x, training=training)
        return ((found - y) ** 2).mean(), fixed

    def step(state: Any, batch: Any) -> Any:
        weights, fixed, moments = state
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, fixed), gradients = gradient(weights, fixed, *batch, training=True)
        weights, moments = optimizer.stateless_apply(moments, gradients, weights)
        return (weights, fixed, moments), loss

    train = jax.jit(lambda state, batches: jax.lax.scan(step, state, batches), donate_argnums=0)
    test = jax.jit(lambda weights, fixed, x, y: loss_of(weights, fixed, x, y, training=False)[0])
    return optimizer, train, test


def first_state(row: str, steps: int, seed: int, optimizer: Any) -> Any:
    """The weights and the optimizer's variables at the start."""
    import jax.numpy as jnp

    model = model_of(row, steps, seed)
    groups = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    return tuple([jnp.array(v.value, copy=True) for v in group] for group in groups)


def run(row: str, steps: int, seed: int) -> dict[str, Any]:
    """One run: the test error at each evaluation, and when the problem was solved."""
    import numpy as np

    optimizer, train, test = programs(row, steps)
    state = first_state(row, steps, seed, optimizer)
    rng = np.random.default_rng((seed, steps))
    held_out = draw(rng, (TASK["test"],), steps)
    errors: list[float] = []
    start = time.perf_counter()
    while len(errors) < TASK["most"] // TASK["every"]:
        state, _ = train(state, draw(rng, (TASK["every"], TASK["batch"]), steps))
        errors.append(round(float(test(*state[:2], *held_out)), 5))
        last = errors[-TASK["in_a_row"] :]
        if len(last) == TASK["in_a_row"] and max(last) < TASK["solved"]:
            break
    solved = len(last) == TASK["in_a_row"] and max(last) < TASK["solved"]
    return {
        "date": today(),
        "solved_after": (len(errors) - len(last) + 1) * TASK["every"] if solved else None,
        "error": errors[-1],
        "seconds": round(time.perf_counter() - start, 1),
        "errors": errors,
    }


def main() -> None:
    """Runs what is missing, row by row, and saves each run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cells", nargs="+", choices=ROWS, default=ROWS, help="rows; all")
    parser.add_argument("--lengths", nargs="+", type=int, choices=LENGTHS, default=LENGTHS)
    arguments = parser.parse_args()
    os.environ["KERAS_BACKEND"] = "jax"
    report = load(RESULT) if RESULT.exists() else {**environment("jax"), "task": TASK, "rows": {}}
    for steps in arguments.lengths:
        for row in arguments.cells:
            runs = report["rows"].setdefault(row, {}).setdefault(str(steps), {})
            for seed in SEEDS:
                if str(seed) not in runs:
                    runs[str(seed)] = run(row, steps, seed)
                    save(RESULT, report)
                    found = {name: runs[str(seed)][name] for name in ("solved_after", "error")}
                    print(row, steps, seed, found, runs[str(seed)]["seconds"], flush=True)


if __name__ == "__main__":
    main()
