"""Trained models in ONNX Runtime, from `export_onnx`, compared with Keras on real reviews.

    python benchmarks/onnx_reviews.py --backend jax --data imdb.npz   # trains what is missing
    python benchmarks/onnx_reviews.py --page    # writes docs/results/onnx_reviews.*.md
    python benchmarks/onnx_reviews.py --check   # fails where they are not what the results say

The textbook chapter's four models and classifiers with two bidirectional layers predict the 25,000
IMDB test reviews; a tagger with a mask predicts drawn sequences. Their probabilities are compared
with those of `predict`. The file of `export_onnx` and that of `model.export(format="onnx")` of the
same model run in turns, in one process, at 100 steps. A model is saved when it is measured, so
that a run can be interrupted. Keras needs tf2onnx on TensorFlow, jax2onnx on JAX and onnxscript on
PyTorch.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from _onnx_review_models import BATCH, MODELS, RATE, STEPS, WORDS, series, trained
from _results import BACKENDS, fullest, load_or_start, results_file, save, today, write_or_check
from _tables import NAMES, NOTHING, table
from onnx_files import files_of, loops, session_of, turns

PARTS = Path(__file__).parent.parent / "docs" / "results"
TIMED_ROWS = (1, 64)
AT_ONCE = 500  # rows of a prediction that is compared
UNDECIDED = 1e-5  # a probability this near to a half may fall on either side
DRAWN = 5000  # sequences of the tagger


def measure(name: str, train: Any, test: Any, settings: argparse.Namespace) -> dict[str, Any]:
    """The figures of one model: how far its file is from Keras, and the time of both files."""
    import numpy as np
    from _measure import summarise

    model = trained(name, train, settings.epochs)
    x, y = test
    expected = model.predict(x, batch_size=AT_ONCE, verbose=0)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        files = files_of(model, Path(folder))
        paths = {who: path for who, path in files.items() if isinstance(path, Path)}
        sessions = {who: session_of(path) for who, path in paths.items()}
        parts = [sessions["kit"](x[i : i + AT_ONCE]) for i in range(0, len(x), AT_ONCE)]
        found = np.concatenate(parts)
        apart = (found > 0.5) != (expected > 0.5)
        return {
            "date": today(),
            "epochs": settings.epochs,
            "rows": len(x),
            "accuracy": float(np.mean((found > 0.5).reshape(y.shape) == y)),
            "difference": float(np.abs(found - expected).max()),
            "other_class": int((apart & (np.abs(expected - 0.5) > UNDECIDED)).sum()),
            "failed": {who: why for who, why in files.items() if isinstance(why, str)},
            "loop": {who: loops(path) for who, path in paths.items()},
            **{
                f"rows_{rows}": summarise(
                    rows, turns(sessions, x[:rows], settings.rounds, settings.seconds)
                )
                for rows in TIMED_ROWS
            },
        }


def measure_all(settings: argparse.Namespace) -> None:
    """Measures the models that are not there yet, and saves each."""
    import keras_rnnkit as kit

    data = kit.data.load_imdb(WORDS, STEPS, validation_size=None, path=settings.data)
    reviews = (tuple(data.train), tuple(data.test))
    path = results_file("onnx_reviews", settings.backend)
    report = load_or_start(path, settings.backend) | {"batch": BATCH, "rate": RATE}
    for name in MODELS:
        if name in report["cells"] and not settings.again:
            continue
        drawn = (series(DRAWN, 0), series(DRAWN, 1))
        train, test = drawn if name.startswith("tagger") else reviews
        report["cells"][name] = measure(name, train, test, settings)
        save(path, report)
        print(settings.backend, name, _row(report["cells"][name], ENGLISH), flush=True)


ENGLISH = {
    "head": [
        *("Backend", "Model", "Accuracy", "Difference", "Other class"),
        *(f"ms, {rows} row{'s' * (rows > 1)}" for rows in TIMED_ROWS),
        "Keras by kit",
    ],
    "loop": " (loop)",
    "lstm": "LSTM of the chapter",
    "lstm_dropout": "the same with dropout",
    "lstm_two_layers": "two LSTM of the chapter",
    "gru": "GRU of the chapter",
    "bidirectional": "two Bidirectional LSTM",
    "bidirectional_mask": "the same with a mask",
    "tagger_mask": "a tagger of the same layers",
}
KOREAN = {
    "head": [
        *("백엔드", "모델", "정확도", "차이", "다른 클래스"),
        *(f"ms, {rows}행" for rows in TIMED_ROWS),
        "Keras / 우리",
    ],
    "loop": " (반복문)",
    "lstm": "교재의 LSTM",
    "lstm_dropout": "드롭아웃을 적용한 같은 모델",
    "lstm_two_layers": "교재의 LSTM 두 층",
    "gru": "교재의 GRU",
    "bidirectional": "양방향 LSTM 두 층",
    "bidirectional_mask": "마스킹을 적용한 같은 모델",
    "tagger_mask": "같은 층으로 만든 태거",
}


def parts() -> dict[Path, str]:
    """The page parts by file."""
    texts = {"en": ENGLISH, "ko": KOREAN}
    return {PARTS / f"onnx_reviews.{code}.md": part(text) for code, text in texts.items()}


def part(text: dict[str, Any]) -> str:
    """The page part in one language: a row for each backend and model."""
    rows = [
        [NAMES[backend], text[name], *_row(report["cells"][name], text)]
        for backend, report in fullest("onnx_reviews").items()
        for name in MODELS
        if name in report["cells"]
    ]
    return table(text["head"], rows) + "\n"


def _row(cell: dict[str, Any], text: dict[str, Any]) -> list[str]:
    """A cell's texts; of times, the kit's is before the slash and Keras' behind it."""
    runs = [cell[f"rows_{rows}"] for rows in TIMED_ROWS]
    times = [run["median_ms"] for run in runs]
    ratios = [run.get("keras_over_kit") for run in runs]
    looped = text["loop"] if cell["loop"].get("keras") else ""
    return [
        f"{100 * cell['accuracy']:.1f} %",
        f"{cell['difference']:.1e}",
        str(cell["other_class"]),
        *(f"{ms['kit']:.2f} / " + (f"{ms['keras']:.2f}" if "keras" in ms else "-") for ms in times),
        ", ".join(f"{ratio['median']:.1f}" if ratio else NOTHING for ratio in ratios) + looped,
    ]


def main() -> None:
    """Measures, writes the page parts, or checks them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS)
    parser.add_argument("--data", type=Path, help="imdb.npz; by default, Keras downloads it")
    parser.add_argument("--epochs", type=int, default=2, help="of the training; 2")
    parser.add_argument("--rounds", type=int, default=9, help="9")
    parser.add_argument("--seconds", type=float, default=3.0, help="of the rounds of a row; 3")
    parser.add_argument("--again", action="store_true", help="measure models that are there, too")
    parser.add_argument("--page", action="store_true", help="write the page parts")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if they differ")
    arguments = parser.parse_args()
    if arguments.backend and not arguments.check:
        os.environ["KERAS_BACKEND"] = arguments.backend
        measure_all(arguments)
    if arguments.page or arguments.check:
        write_or_check(parts(), arguments.check)


if __name__ == "__main__":
    main()
