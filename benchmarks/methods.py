"""Times a layer by each method of its kernels: the data that hold the rule of `running/rule.py`.

    python benchmarks/methods.py --backend jax
    python benchmarks/methods.py --backend torch --units 128,512 --variants masked_post --again

The methods take turns at models with the same weights, on 100 steps. Every row is saved as it is
finished, in the folder of the processor; a run goes on where the last one stopped.
"""

import argparse
import gc
import os
import time
from collections.abc import Callable
from typing import Any

from _arguments import add_choice
from _grid import LAYERS, MODES, SHAPES, Shape
from _method_rows import (
    COMPARED,
    SIZES,
    STEPS,
    VARIANTS,
    Row,
    all_rows,
    methods_of,
    rows_of,
    save_rows,
)
from _results import BACKENDS, load_or_start, results_file, today

BATCHES = tuple(sorted({str(batch) for _, batches in SIZES.values() for batch in batches}))
MOST_BYTES = 200 * 2**20  # of inputs


def parse() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, required=True)
    add_choice(parser, "--layers", LAYERS)
    add_choice(parser, "--variants", VARIANTS)
    add_choice(parser, "--modes", MODES)
    add_choice(parser, "--units", tuple(map(str, SIZES)))
    add_choice(parser, "--batches", BATCHES)
    add_choice(parser, "--compared", COMPARED)
    parser.add_argument("--again", action="store_true", help="measure rows that are there, too")
    parser.add_argument("--rounds", type=int, default=7, help="of each row; 7")
    parser.add_argument("--seconds", type=float, default=2.0, help="of the rounds of a row; 2")
    parser.add_argument("--max-seconds", type=float, default=1e9, help="stop after so long")
    return parser.parse_args()


def wanted(arguments: argparse.Namespace, known: dict[Row, Any]) -> list[Row]:
    """The rows to measure."""
    return [
        row
        for row in all_rows(arguments.backend)
        if (arguments.again or row not in known)
        and row.layer in arguments.layers
        and row.variant in arguments.variants
        and row.mode in arguments.modes
        and str(row.units) in arguments.units
        and str(row.batch) in arguments.batches
        and row.compared in arguments.compared
    ]


def measure(row: Row, methods: list[str], rounds: int, seconds: float) -> dict[str, Any]:
    """The times of one row: quartiles of each method, in milliseconds a step of Keras."""
    import keras
    from _forcing import forced
    from _measure import FEWEST, MOST, RUNS, quartiles, take_turns
    from _models import build_for_method, data

    shape = Shape(row.batch, STEPS, row.features, row.units)
    SHAPES["row"] = shape
    models = {method: build_for_method(method, row.layer, shape, row.variant) for method in methods}
    most = min(MOST, MOST_BYTES // (4 * row.batch * STEPS * row.features))

    def ways(batches: int) -> dict[str, Callable[[], float]]:
        x, y = data("row", row.variant, batches)

        def way(method: str) -> Callable[[], float]:
            def run() -> float:
                with forced(method):
                    return RUNS[row.mode](models[method], (x, y), row.batch)

            return run

        return {method: way(method) for method in methods}

    gc.freeze()  # what is there already need not be searched between the runs
    batches, times = take_turns(ways, FEWEST[row.mode], rounds, seconds, most)
    gc.unfreeze()
    keras.utils.clear_session()
    return {"batches": batches, "ms": {method: quartiles(ms) for method, ms in times.items()}}


def main() -> None:
    """Measures, prints and saves row by row."""
    arguments = parse()
    os.environ["KERAS_BACKEND"] = arguments.backend
    path = results_file("methods", arguments.backend)
    report = load_or_start(path, arguments.backend, "rows")
    known = rows_of(report)
    end = time.monotonic() + arguments.max_seconds
    for row in wanted(arguments, known):
        if time.monotonic() > end:
            break
        start = time.monotonic()
        methods = methods_of(arguments.backend, row)
        times = measure(row, methods, arguments.rounds, arguments.seconds)
        known[row] = {**row._asdict(), "date": today(), **times}
        report["rows"] = list(known.values())
        save_rows(path, report)
        medians = ", ".join(f"{name} {ms[1]:.4g}" for name, ms in times["ms"].items())
        took = time.monotonic() - start
        print(f"{' '.join(map(str, row))}: {medians} ms ({took:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
