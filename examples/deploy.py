"""From training to a file that runs without Keras: train, export, predict, stream.

    python examples/deploy.py
    python examples/deploy.py --data imdb.npz --out exported --quantize

Trains a classifier on 600 synthetic reviews that come with the package, or on the IMDB reviews of
`--data`, and writes two ONNX files to `--out`: `model.onnx` takes whole reviews, `step.onnx` takes
one word and the states. Both run in onnxruntime here, and are compared with the Keras model.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from installed_backend import use_installed_backend

use_installed_backend()

import keras  # noqa: E402
import numpy as np  # noqa: E402

import keras_rnnkit as kit  # noqa: E402


def read(data: Path | None) -> tuple[Any, Any, int]:
    """The reviews to train on and those to test with, and the number of words."""
    if data is not None:
        reviews = kit.data.load_imdb(5000, 100, padding="post", path=data)
        return reviews.train, reviews.test, 5000
    sample = kit.data.load_sample()
    return sample.train, sample.validation, len(sample.vocabulary)


def trained(train: Any, test: Any, words: int, epochs: int) -> keras.Model:
    """A classifier of reviews that can also read them word by word."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            kit.Embedding(words, 32, mask_zero=True, name="embedding"),
            kit.LSTM(32, name="lstm"),
            keras.layers.Dense(1, activation="sigmoid", name="probability"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    print(f"1. Training on {len(train.x)} reviews, on {keras.config.backend()}.")
    tested = (test.x[:2000], test.y[:2000])
    model.fit(train.x, train.y, validation_data=tested, epochs=epochs, batch_size=64, verbose=2)
    return model


def exported(model: keras.Model, out: Path, quantize: bool) -> tuple[Path, Path]:
    """The files of the model."""
    options: dict[str, Any] = {"overwrite": True, "quantize": "int8" if quantize else None}
    whole = kit.export_onnx(model, out / "model.onnx", **options)
    step = kit.export_onnx(model, out / "step.onnx", streaming=True, **options)
    for path in (whole, step):
        print(f"2. Exported {path}: {path.stat().st_size / 1e6:.2f} MB")
    return whole, step


def compare(model: keras.Model, path: Path, test: Any) -> None:
    """Predict the test reviews with Keras and with onnxruntime."""
    fast, x, y = kit.OnnxModel(path), test.x, test.y
    results = {}
    for name, predict in (
        ("Keras", lambda rows: model.predict(rows, batch_size=64, verbose=0)),
        ("onnxruntime", lambda rows: fast.predict(rows, batch_size=64)),
    ):
        predict(x[:64])  # compiles
        start = time.perf_counter()
        results[name] = predict(x)[:, 0]
        seconds = time.perf_counter() - start
        accuracy = np.mean((results[name] > 0.5) == y)
        print(f"3. {name}: {len(x)} reviews in {seconds:.2f} s, accuracy {accuracy:.3f}")
    difference = np.abs(results["Keras"] - results["onnxruntime"]).max()
    print(f"   The probabilities differ by at most {difference:.1g}.")


def read_word_by_word(path: Path, test: Any) -> None:
    """The probability of a review after each of its words."""
    live = kit.OnnxModel(path).stream()
    words = [word for word in test.x[0] if word]
    probabilities = [float(live.step(np.array([word]))[0, 0]) for word in words]
    shown = " ".join(f"{probability:.2f}" for probability in probabilities)
    print(f"4. The first test review, word by word: {shown}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="imdb.npz; by default the package's sample")
    parser.add_argument("--out", type=Path, default=Path("exported"), help="a folder; exported")
    parser.add_argument("--epochs", type=int, default=5, help="5")
    parser.add_argument("--quantize", action="store_true", help="weights in eight bits")
    options = parser.parse_args(arguments)
    train, test, words = read(options.data)
    model = trained(train, test, words, options.epochs)
    whole, step = exported(model, options.out, options.quantize)
    compare(model, whole, test)
    read_word_by_word(step, test)


if __name__ == "__main__":
    main()
