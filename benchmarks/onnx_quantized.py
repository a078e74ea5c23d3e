"""What `export_onnx(..., quantize="int8")` costs in accuracy, on the IMDB reviews.

    python benchmarks/onnx_quantized.py --data imdb.npz  # trains, measures, writes results and page
    python benchmarks/onnx_quantized.py --check          # fails where the page is not what they say

Each model is trained for a few epochs, exported in float32 and in eight bits, and both files
predict the 25,000 test reviews in onnxruntime.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from _results import RESULTS, environment, load, save, today, write_or_check
from _tables import table

RESULT = RESULTS / "onnx_quantized.json"
PARTS = Path(__file__).parent.parent / "docs" / "results"
WORDS, STEPS, FEATURES, UNITS = 10_000, 100, 64, 64
MODELS = {
    "lstm": {"en": "LSTM", "ko": "LSTM"},
    "bidirectional": {"en": "two Bidirectional LSTM", "ko": "양방향 LSTM 두 층"},
    "gru": {
        "en": "GRU, of which only the embedding and `Dense` are in eight bits",
        "ko": "GRU (임베딩과 `Dense`만 8비트)",
    },
}
HEADS = {
    "en": [
        "Model",
        "Accuracy, float32",
        "int8",
        "MB, float32",
        "int8",
        "Mean difference of a probability",
        "Reviews in another class",
    ],
    "ko": [
        "모델",
        "정확도, float32",
        "int8",
        "MB, float32",
        "int8",
        "확률 차이의 평균",
        "클래스가 달라진 리뷰 수",
    ],
}
EPOCHS = 2


def model_of(name: str) -> Any:
    """One of the models, compiled."""
    import keras

    import keras_rnnkit as kit

    keras.utils.set_random_seed(0)
    layers: list[Any] = [kit.GRU(UNITS) if name == "gru" else kit.LSTM(UNITS)]
    if name == "bidirectional":
        layers = [
            kit.Bidirectional(kit.LSTM(UNITS // 2, return_sequences=sequences))
            for sequences in (True, False)
        ]
    model = keras.Sequential(
        [
            keras.Input((STEPS,), dtype="int32"),
            kit.Embedding(WORDS, FEATURES, mask_zero=True),
            *layers,
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def measure(name: str, reviews: Any) -> dict[str, Any]:
    """The figures of one model: accuracy, bytes and seconds of both files."""
    import numpy as np

    import keras_rnnkit as kit

    model = model_of(name)
    model.fit(reviews.train.x, reviews.train.y, batch_size=128, epochs=EPOCHS, verbose=2)
    figures: dict[str, Any] = {"accuracy": {}, "bytes": {}, "seconds": {}}
    predicted = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, quantize in (("float32", None), ("int8", "int8")):
            path = kit.export_onnx(model, Path(folder, f"{kind}.onnx"), quantize=quantize)
            fast = kit.OnnxModel(path)
            start = time.perf_counter()
            predicted[kind] = fast.predict(reviews.test.x, batch_size=64)[:, 0]
            figures["seconds"][kind] = round(time.perf_counter() - start, 3)
            right = (predicted[kind] > 0.5) == reviews.test.y
            figures["accuracy"][kind] = float(np.mean(right))
            figures["bytes"][kind] = path.stat().st_size
    difference = np.abs(predicted["int8"] - predicted["float32"])
    classes = (predicted["int8"] > 0.5) != (predicted["float32"] > 0.5)
    figures["difference"] = {"mean": float(difference.mean()), "max": float(difference.max())}
    figures["other_class"] = int(classes.sum())
    return figures


def parts(report: dict[str, Any]) -> dict[Path, str]:
    """The page parts, a row for each model."""
    return {PARTS / f"onnx_quantized.{language}.md": part(report, language) for language in HEADS}


def part(report: dict[str, Any], language: str) -> str:
    """The page part in one language."""
    rows = []
    for name, figures in report["models"].items():
        kinds = ("float32", "int8")
        accuracy = [f"{100 * figures['accuracy'][kind]:.2f} %" for kind in kinds]
        sizes = [f"{figures['bytes'][kind] / 1e6:.2f}" for kind in kinds]
        others = [f"{figures['difference']['mean']:.4f}", str(figures["other_class"])]
        rows.append([MODELS[name][language], *accuracy, *sizes, *others])
    return table(HEADS[language], rows) + "\n"


def main() -> None:
    """Measures, or checks the page part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", default="jax", help="that trains; jax")
    parser.add_argument("--data", help="imdb.npz; by default, Keras downloads it")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    arguments = parser.parse_args()
    if arguments.check:
        write_or_check(parts(load(RESULT)), check=True)
        return
    os.environ["KERAS_BACKEND"] = arguments.backend
    import keras_rnnkit as kit

    reviews = kit.data.load_imdb(WORDS, STEPS, validation_size=None, path=arguments.data)
    report = {**environment(arguments.backend), "date": today(), "epochs": EPOCHS, "models": {}}
    for name in MODELS:
        report["models"][name] = measure(name, reviews)
        print(name, report["models"][name], flush=True)
    save(RESULT, report)
    write_or_check(parts(load(RESULT)), check=False)


if __name__ == "__main__":
    main()
