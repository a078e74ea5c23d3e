"""What a second process brings: steps a second, bytes on the wire, and where it pays.

    python benchmarks/distributed.py --backend torch   # measures what is missing, in quiet
    python benchmarks/distributed.py --page            # writes the page parts
    python benchmarks/distributed.py --check           # fails where they are not the results

Each cell trains the classifier of examples/distributed: with all rows on one core and on two, with
half of the rows on one core, and in two processes of one core each. The model of the cost: a step
on two machines takes the time of two processes here, which has the fixed cost of the exchange, and
the time of the gradients on the wire. In an all-reduce between two, each sends as many bytes as the
gradients have.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from _results import BACKENDS, environment, fullest, load, results_file, save, today, write_or_check
from _tables import NAMES, table

WORKER = Path(__file__).with_name("_distributed_steps.py")
PARTS = Path(__file__).parent.parent / "docs" / "results"
UNITS = (32, 128, 512)
ROWS, LENGTH, EPOCHS, STEPS = 32, 50, 6, 5
# By name: processes, cores, rows.
RUNS = {
    "one core": (1, "0", ROWS),
    "half of the rows": (1, "0", ROWS // 2),
    "two cores": (1, "0,1", ROWS),
    "two processes": (2, "0,1", ROWS),
}
NETWORKS = {"100 Mbit/s": 1e8, "1 Gbit/s": 1e9, "10 Gbit/s": 1e10}
LIMIT = 900  # seconds for a run, after which its processes wait for each other
BYTES = 4  # of a parameter, as of its gradient


def measured(backend: str, units: int, run: str) -> dict[str, Any]:
    """The medians of the epochs after the first, which compiles."""
    processes, cores, rows = RUNS[run]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "steps.json"
        options = {
            "--processes": processes,
            "--units": units,
            "--rows": rows,
            "--length": LENGTH,
            "--epochs": EPOCHS,
            "--steps": STEPS,
            "--folder": Path(folder) / "run",
        }
        variables = {"PROGRAM": backend, "CORES": cores, "STEPS_TO": str(out)}
        command = [sys.executable, str(WORKER)]
        command += [str(part) for pair in options.items() for part in pair]
        subprocess.run(
            command,
            env=os.environ | variables,
            stdout=subprocess.DEVNULL,
            timeout=LIMIT,
            check=True,
        )
        result = load(out)
    later = result["epochs"][1:]
    return {
        "parameters": result["parameters"],
        "ms": median(epoch["ms"] for epoch in later),
        "bytes": median(epoch["bytes"] for epoch in later),
        "date": today(),
    }


def measure(backend: str, out: Path) -> None:
    """Measures the cells that are not there yet, and saves each."""
    shape = {"rows": ROWS, "length": LENGTH, "epochs": EPOCHS, "steps": STEPS}
    report = load(out) if out.exists() else {**environment(backend), **shape, "cells": {}}
    for units, run in product(UNITS, RUNS):
        key = f"{units} {run}"
        if key not in report["cells"]:
            report["cells"][key] = measured(backend, units, run)
            save(out, report)
            print(key, json.dumps(report["cells"][key]), flush=True)


def gradient_bytes(parameters: int) -> int:
    """What each of two processes sends in an all-reduce of the gradients."""
    return BYTES * parameters


def pays_from(cells: dict[str, Any], units: int) -> float:
    """The bits a second from which two machines of one core are faster than one."""
    one, two = (cells[f"{units} {run}"] for run in ("one core", "two processes"))
    saved = (one["ms"] - two["ms"]) / 1e3
    return 8 * gradient_bytes(one["parameters"]) / saved if saved > 0 else float("inf")


def gain(cells: dict[str, Any], units: int, bits: float) -> float:
    """How many times as fast two machines of one core are, on a network of so many bits."""
    one, two = (cells[f"{units} {run}"] for run in ("one core", "two processes"))
    wire = 1e3 * 8 * gradient_bytes(one["parameters"]) / bits
    return one["ms"] / (two["ms"] + wire)


ENGLISH = {
    "speed": ["", "units", "parameters", *(f"1 process, {n}" for n in ("1 core", "2 cores"))],
    "two": ["2 processes, 1 core each", "bytes a step", "by the model"],
    "cost": ["", "units", "all rows", "half of the rows", "2 processes", "gradients", "pays from"],
    "per_second": "{:.1f} steps/s",
    "never": "never",
}
KOREAN = {
    "speed": ["", "유닛", "파라미터", *(f"프로세스 1개, 코어 {n}개" for n in (1, 2))],
    "two": ["프로세스 2개, 코어 1개씩", "스텝당 바이트", "모델의 예측"],
    "cost": [
        "",
        "유닛",
        "모든 행",
        "행의 절반",
        "프로세스 2개",
        "그레이디언트",
        "이득이 되는 속도",
    ],
    "per_second": "초당 {:.1f}스텝",
    "never": "없음",
}


def part(reports: dict[str, Any], text: dict[str, Any]) -> str:
    """The page part in one language: what was measured, and the model of the cost."""
    speed, cost = [], []
    for (backend, report), units in product(reports.items(), UNITS):
        cells = report["cells"]
        one, half, cores, two = (cells[f"{units} {run}"] for run in RUNS)
        rates = [text["per_second"].format(1e3 / run["ms"]) for run in (one, cores, two)]
        count = one["parameters"]
        wire = [f"{two['bytes']:,.0f}", f"{2 * gradient_bytes(count):,}"]
        speed.append([NAMES[backend], str(units), f"{count:,}", *rates, *wire])
        times = [f"{run['ms']:.1f} ms" for run in (one, half, two)]
        gains = [f"{gain(cells, units, bits):.2f}" for bits in NETWORKS.values()]
        size = f"{gradient_bytes(count) / 1e6:.2f} MB"
        costs = [*times, size, _bits(cells, units, text), *gains]
        cost.append([NAMES[backend], str(units), *costs])
    tables = [
        table([*text["speed"], *text["two"]], speed),
        table([*text["cost"], *NETWORKS], cost),
    ]
    return "\n\n".join(tables) + "\n"


def _bits(cells: dict[str, Any], units: int, text: dict[str, Any]) -> str:
    bits = pays_from(cells, units)
    return text["never"] if bits == float("inf") else f"{bits / 1e6:,.0f} Mbit/s"


def parts() -> dict[Path, str]:
    """The page parts by file."""
    reports = fullest("distributed")
    languages = {"en": ENGLISH, "ko": KOREAN}
    return {
        PARTS / f"distributed.{code}.md": part(reports, text) for code, text in languages.items()
    }


def main() -> None:
    """Measures, or writes or checks the page parts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, help="measure on this backend")
    parser.add_argument("--out", type=Path, help="another file for the results")
    parser.add_argument("--page", action="store_true", help="write the page parts")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    arguments = parser.parse_args()
    if arguments.backend is not None:
        os.environ["KERAS_BACKEND"] = arguments.backend
        out = arguments.out or results_file("distributed", arguments.backend)
        measure(arguments.backend, out)
    if arguments.page or arguments.check:
        write_or_check(parts(), arguments.check)


if __name__ == "__main__":
    main()
