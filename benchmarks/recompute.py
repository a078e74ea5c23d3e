"""Measures what `recompute=True` saves and costs in training on long sequences.

    python benchmarks/recompute.py --backend jax
    python benchmarks/recompute.py --check   # fails where the page part is not what results say

Of each layer, with and without `recompute`: the peak memory of a training step, each from a process
of its own (Linux with glibc), and the times of a step, which take turns. Each row is saved as it is
finished, and a run goes on where the last one stopped.
"""

import argparse
import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

from _arguments import add_choice
from _long import BATCH, FEATURES, LAYERS, OUTPUTS, STEPS, UNITS
from _results import (
    BACKENDS,
    RESULTS,
    fullest,
    load_or_start,
    results_file,
    save,
    today,
    write_or_check,
)
from _tables import NAMES, table
from memory import WITHOUT_ONEDNN

PART = Path(__file__).parent.parent / "docs" / "results" / "recompute.md"
WAYS = {"without": False, "recompute": True}


def parse() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS)
    add_choice(parser, "--layers", LAYERS)
    add_choice(parser, "--outputs", OUTPUTS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30, help="of the rounds of a row, about")
    parser.add_argument("--again", action="store_true", help="measure rows that are there, too")
    parser.add_argument("--out", type=Path, help="results/PROCESSOR/recompute_BACKEND.json")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    arguments = parser.parse_args()
    if not (arguments.check or arguments.backend):
        parser.error("--backend is needed to measure")
    return arguments


def memory(layer: str, output: str) -> dict[str, float]:
    """The MiB of a training step, each from a process of its own."""
    found = {}
    for way, recompute in WAYS.items():
        script = Path(__file__).with_name("_long.py")
        command = [sys.executable, script, layer, output, str(recompute)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found[way] = json.loads(done.stdout.splitlines()[-1])
    return found


def times(layer: str, output: str, rounds: int, seconds: float) -> dict[str, Any]:
    """The times of a training step of the two models, in turns."""
    import keras
    from _long import build, data
    from _measure import fit_seconds, summarise, take_turns

    models = {way: build(layer, output, recompute) for way, recompute in WAYS.items()}

    def runs(batches: int) -> Any:
        rows = data(output, batches)
        return {
            way: lambda model=model: fit_seconds(model, rows, BATCH)
            for way, model in models.items()
        }

    figures = summarise(*take_turns(runs, 2, rounds, seconds, most=50), by="without")
    keras.utils.clear_session()
    return figures


def part(reports: dict[str, dict[str, Any]]) -> str:
    """The page part: a table for each backend."""
    head = ["", "MiB a step", "with `recompute`", "memory", "time"]
    sections = []
    for backend, report in reports.items():
        rows = []
        for name, cell in report["cells"].items():
            mib, ratio = cell["mib"], cell["train"]["recompute_over_without"]
            rows.append(
                [
                    name,
                    f"{mib['without']:.0f}",
                    f"{mib['recompute']:.0f}",
                    f"{mib['recompute'] / mib['without']:.2f}",
                    f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})",
                ]
            )
        cpu = f"{report['machine']['cpu']}, {report['machine']['cores']} cores"
        sections.append(f"{NAMES[backend]}, {cpu}:\n\n{table(head, rows)}\n")
    return "\n".join(sections)


def measure(arguments: argparse.Namespace) -> None:
    """Measures, prints and saves row by row."""
    os.environ["KERAS_BACKEND"] = arguments.backend
    if arguments.backend == "tensorflow":
        os.environ.update(WITHOUT_ONEDNN)
    path = arguments.out or results_file("recompute", arguments.backend)
    report = load_or_start(path, arguments.backend)
    report |= {"steps": STEPS, "units": UNITS, "batch": BATCH, "features": FEATURES}
    for layer, output in product(arguments.layers, arguments.outputs):
        name = f"{layer}, {'last output' if output == 'last' else 'all outputs'}"
        if name in report["cells"] and not arguments.again:
            continue
        mib = memory(layer, output)
        train = times(layer, output, arguments.rounds, arguments.seconds)
        report["cells"][name] = {"date": today(), "mib": mib, "train": train}
        save(path, report)
        print(f"{name:24} {mib} {train['recompute_over_without']}", flush=True)
    if path.is_relative_to(RESULTS):
        write_or_check({PART: part(fullest("recompute"))}, check=False)


def main() -> None:
    """Measures, or checks the page part."""
    arguments = parse()
    if arguments.check:
        write_or_check({PART: part(fullest("recompute"))}, check=True)
    else:
        measure(arguments)


if __name__ == "__main__":
    main()
