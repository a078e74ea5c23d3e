"""Times a layer by each method of its kernels: what sets the thresholds of `running/rule.py`.

    python benchmarks/methods.py --backend torch --methods "native,in place" \
        --layer LSTM --variant masked_post --units 64,128,256,512
    python benchmarks/methods.py --backend jax --methods "at once,in blocks" --units 64,128,256

The methods take turns at the same model, batches of 64 with 100 steps, by default of 128 features.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from _arguments import some_of
from _grid import LAYERS, MODES, SHAPES, VARIANTS, Shape
from _results import BACKENDS, load_or_start, results_file, save, today

METHODS = ("native", "preallocated", "concatenated", "fused gates", "hoisted", "per gate")
# The backward pass of the method chosen: chunked from so many bytes (JAX) or units (TensorFlow) on.
WAYS_BACK = {"at once": float("inf"), "in blocks": 0}


def parse() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, required=True)
    parser.add_argument(
        "--methods", type=some_of((*METHODS, *WAYS_BACK)), required=True, metavar="A,B,..."
    )
    parser.add_argument("--layer", choices=LAYERS, default="LSTM")
    parser.add_argument("--variant", choices=VARIANTS, default="plain")
    parser.add_argument("--units", required=True, metavar="N,M,...")
    parser.add_argument("--features", type=int, default=128, help="128")
    parser.add_argument("--repeats", type=int, default=7, help="rounds; 7")
    parser.add_argument("--seconds", type=float, default=6.0, help="of the rounds of a row; 6")
    return parser.parse_args()


@contextmanager
def forced(method: str) -> Iterator[None]:
    """Has every layer that has a kernel go by this method, or go back like this."""
    if method in WAYS_BACK:
        with _limit(WAYS_BACK[method]):
            yield
        return
    from keras_rnnkit.running import fused

    chosen = fused.choose

    def choose(request: Any) -> Any:
        choice = chosen(request)
        return choice._replace(method=method) if choice.path == "fused" else choice

    fused.choose = choose
    try:
        yield
    finally:
        fused.choose = chosen


@contextmanager
def _limit(value: float) -> Iterator[None]:
    """Sets from what in the backward pass goes by blocks, for what is compiled meanwhile."""
    from keras_rnnkit.kernels import backend_kernels

    kernels = backend_kernels()
    name = "CHUNK_ABOVE_BYTES" if hasattr(kernels, "CHUNK_ABOVE_BYTES") else "CHUNK_FROM_UNITS"
    before = getattr(kernels, name)
    _set(kernels, name, value)
    try:
        yield
    finally:
        _set(kernels, name, before)


def _set(kernels: Any, name: str, value: float) -> None:
    setattr(kernels, name, value)
    if name == "CHUNK_ABOVE_BYTES":  # what JAX has traced, it would not ask again
        kernels._run.clear_cache()


def measure(
    methods: list[str],
    layer: str,
    variant: str,
    features: int,
    units: int,
    mode: str,
    repeats: int,
    seconds: float,
) -> dict[str, Any]:
    """The figures of one width and mode."""
    # These import Keras, which looks at KERAS_BACKEND when it is imported.
    from _measure import FEWEST, RUNS, summarise, take_turns
    from _models import build, data

    shape = f"{features} features, {units} units"
    SHAPES[shape] = Shape(64, 100, features, units)
    models = {method: build("kit", layer, shape, variant) for method in methods}

    def ways(batches: int) -> dict[str, Callable[[], float]]:
        rows = data(shape, variant, batches)

        def way(method: str) -> Callable[[], float]:
            def run() -> float:
                with forced(method):
                    return RUNS[mode](models[method], rows, SHAPES[shape].batch)

            return run

        return {method: way(method) for method in methods}

    return summarise(*take_turns(ways, FEWEST[mode], repeats, seconds), by=methods[0])


def main() -> None:
    """Measures, prints and saves row by row; what was there of a row is measured again."""
    arguments = parse()
    os.environ["KERAS_BACKEND"] = arguments.backend
    path = results_file("methods", arguments.backend)
    report = load_or_start(path, arguments.backend)
    of_way_back = set(arguments.methods) <= set(WAYS_BACK)
    for units in map(int, arguments.units.split(",")):
        for mode in ("train",) if of_way_back else MODES:
            row = (arguments.layer, arguments.variant, arguments.features, units, mode)
            figures = measure(arguments.methods, *row, arguments.repeats, arguments.seconds)
            key = "/".join(map(str, ("backward pass", *row) if of_way_back else row))
            report["cells"][key] = {"date": today(), **figures}
            save(path, report)
            times = ", ".join(f"{name} {ms:.4g}" for name, ms in figures["median_ms"].items())
            print(f"{' '.join(map(str, row))}: {times} ms", flush=True)


if __name__ == "__main__":
    main()
