"""Compares the files of `export_onnx` with those of Keras' `model.export`, in onnxruntime.

    python benchmarks/onnx_files.py --backend jax   # measures one backend
    python benchmarks/onnx_files.py --page          # writes docs/results/onnx_files.md
    python benchmarks/onnx_files.py --check         # fails where it is not what the results say

The models have random weights and sequences of 100 steps. The nodes of a file are counted with
those in its loops and functions. onnxruntime runs both files of a model in turns, in one
process. Keras needs tf2onnx on TensorFlow, jax2onnx on JAX and onnxscript on PyTorch.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _results import BACKENDS, fullest, load_or_start, results_file, save, today
from _tables import NAMES, table

PART = Path(__file__).parent.parent / "docs" / "results" / "onnx_files.md"
STEPS, WORDS, ROWS = 100, 10_000, (1, 64)
MODELS = {
    "lstm": "Embedding(32), LSTM(32), Dense",
    "masked": "the same with a mask",
    "bidirectional": "Embedding(32), two Bidirectional LSTM(32), Dense",
}


def model_of(name: str) -> Any:
    """One of the models, called once as Keras' export needs it."""
    import keras
    import numpy as np

    import keras_rnnkit as kit

    layers: list[Any] = [kit.LSTM(32)]
    if name == "bidirectional":
        layers = [
            kit.Bidirectional(kit.LSTM(32, return_sequences=sequences))
            for sequences in (True, False)
        ]
    model = keras.Sequential(
        [
            keras.Input((STEPS,), dtype="int32"),
            keras.layers.Embedding(WORDS, 32, mask_zero=name == "masked"),
            *layers,
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model(np.ones((2, STEPS), "int32"))
    return model


def rows_of(count: int) -> Any:
    """Rows of words, of which every second one is half padding."""
    import numpy as np

    x = np.random.default_rng(0).integers(1, WORDS, (count, STEPS)).astype("int32")
    x[1::2, STEPS // 2 :] = 0
    return x


def files_of(model: Any, folder: Path) -> dict[str, Path | str]:
    """The two files of a model, or why there is none."""
    import keras_rnnkit as kit

    ours, keras_file = folder / "kit.onnx", folder / "keras.onnx"
    kit.export_onnx(model, ours)
    try:
        model.export(keras_file, format="onnx", verbose=False)
    except (ImportError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        return {"kit": ours, "keras": str(error).splitlines()[0][:200]}
    return {"kit": ours, "keras": keras_file}


def total_bytes(path: Path) -> int:
    """The bytes of a file, with those of the files of weights beside it."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def operators(path: Path) -> list[str]:
    """The operators of a file's nodes, with those of bodies and functions."""
    import onnx

    def of(nodes: Any) -> list[str]:
        inner = (a.g.node for node in nodes for a in node.attribute if a.HasField("g"))
        return [*(node.op_type for node in nodes), *(name for body in inner for name in of(body))]

    model = onnx.load(path)
    return [*of(model.graph.node), *(name for one in model.functions for name in of(one.node))]


def loops(path: Path) -> bool:
    """Whether a file has a loop over the steps."""
    return not {"Loop", "Scan"}.isdisjoint(operators(path))


def session_of(path: Path) -> Callable[[Any], Any]:
    """A function of rows that a file computes on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    dtype = "int64" if "int64" in entry.type else "float32" if "float" in entry.type else "int32"
    return lambda x: session.run(None, {entry.name: x.astype(dtype)})[0]


def measure(name: str, rounds: int, seconds: float) -> dict[str, Any]:
    """The figures of one model."""
    import numpy as np
    from _measure import summarise

    model, figures = model_of(name), {"date": today()}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        files = files_of(model, Path(folder))
        figures["failed"] = {who: why for who, why in files.items() if isinstance(why, str)}
        paths = {who: path for who, path in files.items() if isinstance(path, Path)}
        figures["bytes"] = {who: total_bytes(path) for who, path in paths.items()}
        figures["nodes"] = {who: len(operators(path)) for who, path in paths.items()}
        sessions = {who: session_of(path) for who, path in paths.items()}
        x, figures["difference"] = rows_of(64), {}
        for who, run in sessions.items():
            difference = np.abs(run(x) - model.predict(x, verbose=0)).max()
            figures["difference"][who] = float(difference)
        for rows in ROWS:
            figures[f"rows_{rows}"] = summarise(
                rows, turns(sessions, rows_of(rows), rounds, seconds)
            )
    return figures


def turns(sessions: dict[str, Any], x: Any, rounds: int, seconds: float) -> dict[str, list[float]]:
    """The milliseconds of a run of each file in every round.

    In a round each file has two turns, in one order and then in the other, since a turn after that
    of another file can take a third longer than one after its own.
    """

    def milliseconds(run: Any, repeats: int) -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            run(x)
        return (time.perf_counter() - start) * 1000 / repeats

    once = {who: min(milliseconds(run, 1) for _ in range(3)) for who, run in sessions.items()}
    budget = seconds * 1000 / rounds / len(sessions) / 2
    times: dict[str, list[float]] = {who: [] for who in sessions}
    for _ in range(rounds):
        both: dict[str, list[float]] = {who: [] for who in sessions}
        for who in (*sessions, *reversed(sessions)):
            repeats = max(1, round(budget / once[who]))
            both[who].append(milliseconds(sessions[who], repeats))
        for who, two in both.items():
            times[who].append(sum(two) / 2)
    return times


def part() -> str:
    """The page part: a row for each backend and model."""
    head = ["Backend", "Model", "MB", "Nodes", "ms, 1 row", f"ms, {ROWS[-1]} rows", "Keras by kit"]
    rows = []
    for backend, report in fullest("onnx_files").items():
        for name, text in MODELS.items():
            if name in report["cells"]:
                rows.append([NAMES[backend], text, *_row(report["cells"][name])])
    return table(head, rows) + "\n"


def _row(cell: dict[str, Any]) -> list[str]:
    """A cell's texts: the kit's value, and Keras' behind the slash."""
    runs = [cell[f"rows_{rows}"] for rows in ROWS]
    values = [
        {who: f"{size / 1e6:.2f}" for who, size in cell["bytes"].items()},
        {who: str(count) for who, count in cell["nodes"].items()},
        *({who: f"{ms:.2f}" for who, ms in run["median_ms"].items()} for run in runs),
    ]
    texts = [f"{value['kit']} / {value.get('keras', '-')}" for value in values]
    ratios = [run.get("keras_over_kit") for run in runs]
    return [*texts, ", ".join(f"{ratio['median']:.1f}" if ratio else "no file" for ratio in ratios)]


def main() -> None:
    """Measures, writes the page part, or checks it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS)
    parser.add_argument("--page", action="store_true", help="write the page part")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    parser.add_argument("--rounds", type=int, default=9, help="9")
    parser.add_argument("--seconds", type=float, default=3.0, help="of the rounds of a row; 3")
    arguments = parser.parse_args()
    if arguments.check:
        if not PART.exists() or PART.read_text(encoding="utf-8") != part():
            sys.exit(f"{PART} is not what the results say: run {Path(__file__).name} --page.")
        return
    if arguments.backend:
        os.environ["KERAS_BACKEND"] = arguments.backend
        path = results_file("onnx_files", arguments.backend)
        report = load_or_start(path, arguments.backend)
        for name in MODELS:
            report["cells"][name] = measure(name, arguments.rounds, arguments.seconds)
            save(path, report)
            print(f"{arguments.backend} {name}: {_row(report['cells'][name])}", flush=True)
    if arguments.page:
        PART.write_text(part(), encoding="utf-8")


if __name__ == "__main__":
    main()
