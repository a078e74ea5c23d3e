"""Times layers with `resets` beside the same layers without them, by the same method.

    python benchmarks/resets.py --backend jax
    python benchmarks/resets.py --backend torch --layers LSTM --units 32 --again
    python benchmarks/resets.py --page    # only the page parts
    python benchmarks/resets.py --check   # fails where the page parts are not what results say

The models have a recurrent layer and a `Dense`, and run 100 steps; one in 25 steps starts a new
sequence. All models are given the resets; those without them ignore them. The kernel of a library
(oneDNN or cuDNN, on PyTorch) takes no resets: where the layer would use it without them, it takes
turns, too.
"""

import argparse
import os
from collections.abc import Callable
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any

from _arguments import add_choice
from _grid import MODES
from _results import (
    BACKENDS,
    every,
    fullest,
    load_or_start,
    results_file,
    save,
    today,
    write_or_check,
)
from _tables import NAMES, table

LAYERS = ("LSTM", "GRU", "MinGRU")
UNITS, BATCHES, TIME, EVERY = ("32", "128"), ("32", "64"), 100, 25
PARTS = Path(__file__).parent.parent / "docs" / "results"


def parse() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS)
    add_choice(parser, "--layers", LAYERS)
    add_choice(parser, "--units", UNITS)
    add_choice(parser, "--batches", BATCHES)
    add_choice(parser, "--modes", MODES)
    parser.add_argument("--rounds", type=int, default=9, help="of each row; 9")
    parser.add_argument("--seconds", type=float, default=4.0, help="of the rounds of a row; 4")
    parser.add_argument("--again", action="store_true", help="measure rows that are there, too")
    parser.add_argument("--out", type=Path, help="results/PROCESSOR/resets_BACKEND.json")
    parser.add_argument("--page", action="store_true", help="write only the page parts")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    return parser.parse_args()


def key_of(layer: str, units: str, batch: str, mode: str) -> str:
    """The name of a row in a file of results."""
    return f"{layer}/units={units}/batch={batch}/{mode}"


def build(layer: str, units: int, resets: bool) -> Any:
    """A compiled model that is given sequences and resets, and uses the resets or ignores them."""
    import keras

    import keras_rnnkit as kit

    class Classifier(keras.Model):
        """A recurrent layer and a logistic unit."""

        def __init__(self) -> None:
            super().__init__()
            self.recurrent = getattr(kit, layer)(units)
            self.dense = keras.layers.Dense(1, activation="sigmoid")

        def call(self, inputs: Any) -> Any:
            sequences, starts = inputs
            return self.dense(self.recurrent(sequences, resets=starts if resets else None))

    keras.utils.set_random_seed(0)
    model = Classifier()
    model.compile("adam", "binary_crossentropy")
    return model


def data(units: int, rows: int) -> tuple[list[Any], Any]:
    """Random sequences with their resets, and labels."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, TIME, units), dtype="float32")
    resets, y = rng.random((rows, TIME)) < 1 / EVERY, rng.integers(0, 2, (rows, 1))
    return [x, resets], y.astype("float32")


def library_of(backend: str, layer: str) -> str | None:
    """The library whose kernel the layer uses without resets, if it uses one."""
    from keras_rnnkit.kernels import backend_kernels

    if backend != "torch" or layer == "MinGRU":
        return None
    if backend_kernels().on_gpu(None):
        return "cuDNN"
    return "oneDNN" if layer == "LSTM" and backend_kernels().has_onednn() else None


def measure(
    backend: str, layer: str, units: int, batch: int, mode: str, rounds: int, seconds: float
) -> dict[str, Any]:
    """The values of one row."""
    # These import Keras, which looks at KERAS_BACKEND when it is imported.
    import gc

    import keras
    import numpy as np
    from _forcing import forced
    from _measure import FEWEST, Clock, spread, summarise, take_turns

    library = library_of(backend, layer)
    names = ["plain", "resets", *(["library"] if library else [])]
    models = {name: build(layer, units, name == "resets") for name in names}

    def ways(batches: int) -> dict[str, Callable[[], float]]:
        x, y = data(units, batches * batch)
        options: dict[str, Any] = {"batch_size": batch, "verbose": 0}

        def way(name: str) -> Callable[[], float]:
            own_loop = library is not None and name == "plain"

            def run() -> float:
                gc.collect()
                clock = Clock(batches)
                with forced("preallocated") if own_loop else nullcontext():
                    if mode == "train":
                        models[name].fit(x, y, shuffle=False, callbacks=[clock], **options)
                    else:
                        models[name].predict(x, callbacks=[clock], **options)
                return clock.step_seconds

            return run

        return {name: way(name) for name in names}

    batches, times = take_turns(ways, FEWEST[mode], rounds, seconds)
    found = summarise(batches, times, by="plain")
    if library:
        ratios = np.divide(times["resets"], times["library"])
        found |= {"library": library, "resets_over_library": spread(ratios)}
    keras.utils.clear_session()
    return found


ENGLISH = {
    "head": ["layer", "training", "prediction"],
    "library": ["training beside {}", "prediction beside {}"],
    "row": "{}, {} units, batches of {}",
    "machine": "{}, {}, {} cores",
    "cost": "{:+.0f} % ({:+.0f} % to {:+.0f} %)",
    "times": "{:.2f} times",
}
KOREAN = {
    "head": ["층", "훈련", "예측"],
    "library": ["훈련, {} 대비", "예측, {} 대비"],
    "row": "{}, 유닛 {}개, 배치 크기 {}",
    "machine": "{}, {}, {}코어",
    "cost": "{:+.0f} % ({:+.0f} %에서 {:+.0f} %)",
    "times": "{:.2f}배",
}


def part(reports: list[dict[str, Any]], text: dict[str, Any]) -> str:
    """The page part in one language: a table for each report."""
    sections = []
    for report in reports:
        where, name = report["machine"], NAMES[report["backend"]]
        title = f"{name}, {report['device']}"
        if report["device"] == "cpu":
            title = text["machine"].format(name, where["cpu"], where["cores"])
        sections.append(f"{title}:\n\n{_table(report['cells'], text)}\n")
    return "\n".join(sections)


def _table(cells: dict[str, Any], text: dict[str, Any]) -> str:
    library = next((cell["library"] for cell in cells.values() if "library" in cell), None)
    head = [*text["head"], *(name.format(library) for name in text["library"] if library)]
    rows = []
    for layer, units, batch in product(LAYERS, UNITS, BATCHES):
        found = [cells.get(key_of(layer, units, batch, mode), {}) for mode in MODES]
        if any(found):
            row = [text["row"].format(layer, units, batch), *(_cost(cell, text) for cell in found)]
            rows.append(row + [_times(cell, text) for cell in found if library])
    return table(head, rows)


def _cost(cell: dict[str, Any], text: dict[str, Any]) -> str:
    """What resets add to the time of the same method, with the quartiles of the rounds."""
    ratio = cell.get("resets_over_plain")
    if ratio is None:
        return "-"
    return text["cost"].format(*(100 * (ratio[name] - 1) for name in ("median", "q1", "q3")))


def _times(cell: dict[str, Any], text: dict[str, Any]) -> str:
    """How many times as long as the library's kernel."""
    ratio = cell.get("resets_over_library")
    return "-" if ratio is None else text["times"].format(ratio["median"])


def parts() -> dict[Path, str]:
    """The page parts by file."""
    found = fullest("resets").values()
    gpus = [report for backend in BACKENDS for report in every("resets", backend)]
    reports = [*found, *(report for report in gpus if report["device"] != "cpu")]
    languages = {"en": ENGLISH, "ko": KOREAN}
    return {PARTS / f"resets.{code}.md": part(reports, text) for code, text in languages.items()}


def main() -> None:
    """Measures, prints and saves row by row; then writes or checks the page parts."""
    arguments = parse()
    if arguments.backend and not (arguments.page or arguments.check):
        os.environ["KERAS_BACKEND"] = arguments.backend
        path = arguments.out or results_file("resets", arguments.backend)
        report = load_or_start(path, arguments.backend)
        rows = product(arguments.layers, arguments.units, arguments.batches, arguments.modes)
        for layer, units, batch, mode in rows:
            key = key_of(layer, units, batch, mode)
            if key in report["cells"] and not arguments.again:
                continue
            sizes = int(units), int(batch), mode, arguments.rounds, arguments.seconds
            cell = measure(arguments.backend, layer, *sizes)
            report["cells"][key] = {"date": today(), **cell}
            save(path, report)
            print(
                f"{key:40} {cell['median_ms']} {_cost(cell, ENGLISH)} {_times(cell, ENGLISH)}",
                flush=True,
            )
    write_or_check(parts(), arguments.check)


if __name__ == "__main__":
    main()
