"""Measures what this machine's matrix products reach, and how far the layers are from it.

    python benchmarks/roofline.py           # measures, saves, and reads the saved results
    python benchmarks/roofline.py --saved   # with the peaks that are saved

The GEMM floor of a row is the time that its matrix products would take at the peak of one large
float32 product by NumPy. Nothing with as many products can be faster, unless its own products
beat NumPy's. The peaks are stored by processor.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _grid import MODES, floor_ms
from _results import BACKENDS, RESULTS, every, machine, peaks, results_file, save, today


class Distance(NamedTuple):
    """A row, and how it stands to its floor."""

    key: str
    mode: str
    floor_ms: float
    median_ms: dict[str, float]  # of each library

    def times(self, library: str) -> float:
        """How many times the floor a library takes."""
        return self.median_ms[library] / self.floor_ms


def gemm_gflops(size: int, repeats: int) -> float:
    """The best rate of float32 products of square matrices, in GFLOP/s."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size), dtype="float32") for _ in range(2))
    out = np.empty_like(a)
    np.matmul(a, b, out=out)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        np.matmul(a, b, out=out)
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds) / 1e9


def distances(report: dict, gflops: float) -> Iterator[Distance]:
    """The rows of a file of results beside their floors, in the order of the file."""
    for key, figures in report["cells"].items():
        for mode in MODES:
            if mode in figures:
                floor = floor_ms(*key.split("/"), mode, gflops)
                yield Distance(key, mode, floor, figures[mode]["median_ms"])


def print_distances(report: dict, gflops: float) -> None:
    """Prints one line for each row."""
    for row in distances(report, gflops):
        libraries = (
            f"{library} {ms:9.2f} ms = {row.times(library):7.1f} floors"
            for library, ms in row.median_ms.items()
        )
        print(
            f"{report['backend']:10} {row.key:30} {row.mode:7} floor {row.floor_ms:8.3f} ms | "
            + " | ".join(libraries)
        )


def measure(size: int, repeats: int) -> dict[str, Any]:
    """The peak of this machine, with where it was measured."""
    return {
        "gflops": round(gemm_gflops(size, repeats), 1),
        "size": size,
        "repeats": repeats,
        "machine": machine(),
        "numpy": np.__version__,
        "date": today(),
    }


def main() -> None:
    """Measures or reads the peaks, and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--saved", action="store_true", help="take the peaks that are saved")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    arguments = parser.parse_args()
    if not arguments.saved:
        save(results_file("roofline"), measure(arguments.size, arguments.repeats))
    of_processors = peaks(arguments.results)
    for cpu, peak in of_processors.items():
        size = peak["size"]
        print(f"GEMM peak {peak['gflops']} GFLOP/s, float32, {size} x {size}, {cpu}")
    for backend in BACKENDS:
        for report in every("layers", backend, arguments.results):
            print_distances(report, of_processors[report["machine"]["cpu"]]["gflops"])


if __name__ == "__main__":
    main()
