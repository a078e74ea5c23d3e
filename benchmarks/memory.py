"""Measures the peak memory of training, the kit's and Keras' (Linux with glibc).

    python benchmarks/memory.py --backend jax

Each figure comes from a fresh process. Every cell of the grid is saved as it finishes, and a run
goes on where the last one stopped.
"""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

from _arguments import grid_parser
from _grid import cell_key
from _results import load_or_start, results_file, save, today

LIBRARIES = ("kit", "keras")

# On some processors TensorFlow uses oneDNN by itself, whose allocator keeps what it took, and takes
# it in powers of two: nothing is to be seen of a step then.
WITHOUT_ONEDNN = {"TF_ENABLE_ONEDNN_OPTS": "0"}


def measure(library: str, *row: str) -> dict[str, float]:
    """The figures of one library, from a process of its own."""
    command = [sys.executable, Path(__file__).with_name("_memory.py"), library, *row]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measures, prints and saves cell by cell."""
    arguments = grid_parser(__doc__).parse_args()
    os.environ["KERAS_BACKEND"] = arguments.backend
    if arguments.backend == "tensorflow":
        os.environ.update(WITHOUT_ONEDNN)
    path = results_file("memory", arguments.backend)
    report = load_or_start(path, arguments.backend)
    for row in product(arguments.layers, arguments.shapes, arguments.variants):
        key = cell_key(*row)
        if key in report["cells"] and not arguments.again:
            continue
        figures = {library: measure(library, *row) for library in LIBRARIES}
        report["cells"][key] = {"date": today(), **figures}
        save(path, report)
        kit, keras = (figures[library] for library in LIBRARIES)
        print(
            f"{key:32} a step {kit['step_mib']:.0f} MiB, keras {keras['step_mib']:.0f} | "
            f"all {kit['whole_mib']:.0f}, keras {keras['whole_mib']:.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
