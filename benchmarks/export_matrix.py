"""What Keras' own `model.export` makes of models with the kit's layers, loaded again and compared.

    python benchmarks/export_matrix.py --backend jax  # exports and compares on one backend
    python benchmarks/export_matrix.py --page         # writes docs/results/export_matrix.*.md
    python benchmarks/export_matrix.py --check        # fails where they differ from it

For each format and each kind of layer, a model is exported, the file is loaded by the library that
runs it, and its outputs are compared with those of `predict`. What fails with the layer as it is is
tried again in other ways: with `path="portable"`, and as `kit.to_keras(model)`. Each format needs
its library: `pip install tf2onnx jax2onnx onnxscript onnxruntime openvino ai-edge-litert
litert-torch`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from _export_formats import FORMATS, NEEDS
from _export_models import KINDS, WAYS, model_of, sequences
from _export_page import parts
from _results import BACKENDS, load_or_start, results_file, save, today

TOLERANCE = 1e-5
MARK = "outcome: "


def outcome(way: str, name: str, kind: str, folder: Path) -> str:
    """What becomes of one model in one format: "", or why it fails."""
    import numpy as np

    x = sequences(2)
    try:
        model = model_of(kind, way)
        want = model.predict(x, verbose=0)
        found = FORMATS[name](model, folder, x)
    except Exception as error:  # noqa: BLE001  - every exporter has errors of its own
        return one_line(error)
    difference = float(np.abs(np.asarray(found) - want).max())
    return "" if difference <= TOLERANCE else f"differs by {difference:.1g}"


def one_line(error: BaseException) -> str:
    """The first line of an error that says something, with its class."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:160] if lines else ''}"


def run_here(name: str, kinds: list[str]) -> None:
    """Print the outcomes of these kinds by way, a line for each kind that is done."""
    for kind in kinds:
        found: dict[str, str] = {}
        for way in WAYS:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                found[way] = outcome(way, name, kind, Path(folder))
            if not found[way]:
                break
        print(f"{MARK}{json.dumps({'kind': kind, 'outcomes': found})}", flush=True)


def measured(backend: str, name: str, kinds: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The outcomes of kinds in a process of their own, or in another one if an exporter ends it."""
    command = [sys.executable, __file__, "--backend", backend, "--formats", name, "--here", *kinds]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    entries = [json.loads(line.removeprefix(MARK)) for line in lines]
    yield from ((entry["kind"], entry["outcomes"]) for entry in entries)
    if len(entries) < len(kinds):
        yield kinds[len(entries)], {WAYS[0]: f"ends the process ({done.returncode})"}
        if kinds[len(entries) + 1 :]:
            yield from measured(backend, name, kinds[len(entries) + 1 :])


def measure(backend: str, formats: list[str], again: bool) -> None:
    """Measures and saves format by format."""
    path = results_file("export_matrix", backend)
    report = load_or_start(path, backend)
    for name in formats:
        known = {} if again else report["cells"]
        kinds = [kind for kind in KINDS if f"{name}/{kind}" not in known]
        if backend not in NEEDS[name] or not kinds:
            continue
        for kind, outcomes in measured(backend, name, kinds):
            report["cells"][f"{name}/{kind}"] = {"date": today(), "outcomes": outcomes}
            print(f"{backend} {name} {kind}: {outcomes}", flush=True)
        save(path, report)


def main() -> None:
    """Measures, writes the page parts, or checks them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS)
    parser.add_argument("--formats", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--here", nargs="+", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--again", action="store_true", help="measure cells that are there, too")
    parser.add_argument("--page", action="store_true", help="write the page parts")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if they differ")
    arguments = parser.parse_args()
    if arguments.backend:
        os.environ["KERAS_BACKEND"] = arguments.backend
    if arguments.here:
        run_here(arguments.formats[0], arguments.here)
    elif arguments.backend:
        measure(arguments.backend, arguments.formats, arguments.again)
    for path, text in parts().items() if arguments.page or arguments.check else ():
        if arguments.page:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is not what the results say: run {Path(__file__).name} --page.")


if __name__ == "__main__":
    main()
