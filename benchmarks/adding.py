"""Trains cells on the adding problem over long sequences, with and without `Chrono`.

    python benchmarks/adding.py                       # all rows; goes on where the last run stopped
    python benchmarks/adding.py --cells LSTM GRU --lengths 100

Two of 100, 400 or 1,000 random numbers are marked, and their sum is to be told at the end
(Hochreiter and Schmidhuber, 1997). A run ends when the problem is solved: when the mean squared
error on new sequences is below 0.01 in three evaluations in a row. It runs on JAX, where 100
training steps are one compiled program. `cells_page.py` writes the table.
"""

import argparse
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


def programs(row: str, steps: int) -> tuple[Any, Any, Any]:
    """The first state of every seed, and two compiled programs: training steps, and test errors.

    All seeds run in one program: most of the time is the overhead of many small operations.
    """
    import jax
    import keras

    models = [model_of(row, steps, seed) for seed in SEEDS]
    optimizer = keras.optimizers.Adam(TASK["learning_rate"], clipnorm=1.0)
    optimizer.build(models[0].trainable_variables)
    model = models[0]

    def loss_of(weights: Any, fixed: Any, x: Any, y: Any, training: bool) -> Any:
        found, fixed = model.stateless_call(weights, fixed, x, training=training)
        return ((found - y) ** 2).mean(), fixed

    def step(state: Any, batch: Any) -> Any:
        weights, fixed, moments = state
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, fixed), gradients = gradient(weights, fixed, *batch, training=True)
        weights, moments = optimizer.stateless_apply(moments, gradients, weights)
        return (weights, fixed, moments), loss

    def train(state: Any, batches: Any) -> Any:
        return jax.lax.scan(step, state, batches)[0]

    def test(state: Any, x: Any, y: Any) -> Any:
        return loss_of(*state[:2], x, y, training=False)[0]

    groups = ([m.trainable_variables for m in models], [m.non_trainable_variables for m in models])
    state = (*map(stacked, groups), stacked([optimizer.variables] * len(SEEDS)))
    return state, jax.jit(jax.vmap(train), donate_argnums=0), jax.jit(jax.vmap(test))


def stacked(lists: list[Any]) -> list[Any]:
    """One array for each variable, with an axis for the seeds."""
    import jax.numpy as jnp

    return [jnp.stack([v.value for v in group]) for group in zip(*lists, strict=True)]


def run(row: str, steps: int) -> dict[str, Any]:
    """A run of every seed: the test error at each evaluation, and when the problem was solved."""
    import numpy as np

    start = time.perf_counter()
    state, train, test = programs(row, steps)
    rngs = [np.random.default_rng((seed, steps)) for seed in SEEDS]

    def draws(shape: tuple[int, ...]) -> tuple[Any, Any]:
        xs, ys = zip(*(draw(rng, shape, steps) for rng in rngs), strict=True)
        return np.stack(xs), np.stack(ys)

    held_out = draws((TASK["test"],))
    errors: list[list[float]] = [[] for _ in SEEDS]
    evaluations = TASK["most"] // TASK["every"]
    for _ in range(evaluations):
        state = train(state, draws((TASK["every"], TASK["batch"])))
        found = np.asarray(test(state, *held_out))
        for one, error in zip(errors, found, strict=True):
            if solved_after(one) is None:
                one.append(round(float(error), 5))
        if None not in map(solved_after, errors):
            break
    return {
        "date": today(),
        "seconds": round(time.perf_counter() - start, 1),
        "seeds": [
            {"solved_after": solved_after(one), "error": one[-1], "errors": one} for one in errors
        ],
    }


def solved_after(errors: list[float]) -> int | None:
    """The training steps at the first of the evaluations in a row that solve the problem."""
    last = errors[-TASK["in_a_row"] :]
    if len(last) < TASK["in_a_row"] or not max(last) < TASK["solved"]:
        return None
    return (len(errors) - len(last) + 1) * TASK["every"]


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
            runs = report["rows"].setdefault(row, {})
            if str(steps) not in runs:
                runs[str(steps)] = found = run(row, steps)
                save(RESULT, report)
                seeds = [(seed["solved_after"], seed["error"]) for seed in found["seeds"]]
                print(row, steps, seeds, found["seconds"], flush=True)


if __name__ == "__main__":
    main()
