"""Times the kit's layers against `keras.layers`, and on PyTorch against `torch.nn`.

    python benchmarks/layers.py --backend jax

The libraries take turns in one process, at models with the same weights: the recurrent layers of a
row and a `Dense`, on float sequences, compiled with Keras' defaults. A time is that of one step of
`fit` or `predict`; a ratio is another library's time divided by the kit's in the same round. One
call of each is made first, so compilation is not counted.

Every cell of the grid is saved as it finishes, and a run goes on where the last one stopped.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from _arguments import add_choice, grid_parser
from _grid import MODES, cell_key
from _results import KEPT_MEMORY, load_or_start, results_file, save, today


def parse() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = grid_parser(__doc__)
    add_choice(parser, "--modes", MODES)
    parser.add_argument("--repeats", type=int, default=6, help="rounds; 6")
    parser.add_argument(
        "--seconds-per-cell",
        type=float,
        default=8.0,
        help="how long the rounds of a cell and mode take together, where steps are short; 8",
    )
    parser.add_argument(
        "--keep-memory",
        action="store_true",
        help="have glibc keep freed memory; results go to layers_kept_BACKEND.json",
    )
    parser.add_argument("--out", type=Path, help="results/PROCESSOR/layers_BACKEND.json")
    return parser.parse_args()


def missing(arguments: argparse.Namespace, cells: dict[str, Any]) -> Iterator[tuple]:
    """The cells to measure, each with what is to be measured in it."""
    for row in product(arguments.layers, arguments.shapes, arguments.variants):
        known = {} if arguments.again else cells.get(cell_key(*row), {})
        wanted = [figure for figure in arguments.modes if figure not in known]
        if wanted:
            yield *row, wanted


def measure(row: tuple[str, str, str], wanted: list[str], arguments: argparse.Namespace) -> dict:
    """The figures wanted of one cell."""
    # These import Keras, which looks at KERAS_BACKEND when it is imported.
    from _measure import measure_cell

    figures = measure_cell(*row, wanted, arguments.repeats, arguments.seconds_per_cell)
    return {"date": today(), **figures}


def describe(figures: dict[str, Any]) -> str:
    """One line about a cell."""
    return " | ".join(f"{mode} {_times(figures[mode])}" for mode in MODES if mode in figures)


def _times(figure: dict[str, Any]) -> str:
    text = f"{figure['median_ms']['kit']:.4g} ms"
    for library, ms in figure["median_ms"].items():
        if library != "kit":
            ratio = figure[f"{library}_over_kit"]
            text += f", {library} {ms:.4g} = x{ratio['median']:.2f} "
            text += f"({ratio['min']:.2f}-{ratio['max']:.2f})"
    return text


def keep_memory() -> None:
    """Starts this script again where glibc does not keep freed memory yet: it reads it at start."""
    if any(os.environ.get(name) != value for name, value in KEPT_MEMORY.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | KEPT_MEMORY)


def main() -> None:
    """Measures, prints and saves cell by cell."""
    arguments = parse()
    if arguments.keep_memory:
        keep_memory()
    os.environ["KERAS_BACKEND"] = arguments.backend
    script = "layers_kept" if arguments.keep_memory else "layers"
    path = arguments.out or results_file(script, arguments.backend)
    report = load_or_start(path, arguments.backend)
    for *row, wanted in missing(arguments, report["cells"]):
        figures = measure(tuple(row), wanted, arguments)
        key = cell_key(*row)
        report["cells"][key] = report["cells"].get(key, {}) | figures
        save(path, report)
        print(f"{key:32} {describe(figures)}", flush=True)


if __name__ == "__main__":
    main()
