"""An LSTM on a small embedded review set, and its gates while it reads one review.

Runs in under a minute on whichever backend is installed, downloads nothing, and saves the picture
of the gates as `gates.png` in the folder it is started from (another place: `--out FILE`).
"""

import argparse
from pathlib import Path
from typing import Any

from installed_backend import use_installed_backend

use_installed_backend()

import keras  # noqa: E402

import keras_rnnkit as kit  # noqa: E402


def build_model(words: int, length: int) -> tuple[keras.Model, keras.Model]:
    """The classifier, and a model of the same layers that returns the LSTM's trace."""
    inputs = keras.Input((length,), dtype="int32")
    vectors = kit.Embedding(words, 16, mask_zero=True)(inputs)
    hidden, trace = kit.LSTM(8, return_gates=True)(vectors)
    outputs = keras.layers.Dense(1, activation="sigmoid")(hidden)
    return keras.Model(inputs, outputs), keras.Model(inputs, trace)


def print_gates(trace: Any, words: list[str]) -> None:
    """One line a word: each gate's mean over the units."""
    kept = keras.ops.convert_to_numpy(trace.mask)[0]
    fields = ("input", "forget", "output")
    means = {f: keras.ops.convert_to_numpy(getattr(trace, f))[0].mean(-1) for f in fields}
    print(f"{'word':<14}" + "".join(f"{field:>8}" for field in fields))
    for step, word in enumerate(words):
        if kept[step]:
            print(f"{word:<14}" + "".join(f"{means[field][step]:8.2f}" for field in fields))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("gates.png"))
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args(arguments)

    keras.utils.set_random_seed(0)
    train, validation, vocabulary = kit.data.load_sample()
    model, tracer = build_model(len(vocabulary), train.x.shape[1])
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    print(f"Training an LSTM on {len(train.x)} synthetic reviews, on {keras.config.backend()}.")
    model.fit(
        train.x,
        train.y,
        validation_data=(validation.x, validation.y),
        epochs=options.epochs,
        batch_size=32,
        verbose=2,
    )
    _, accuracy = model.evaluate(validation.x, validation.y, verbose=0)
    print(f"\nAccuracy on {len(validation.x)} reviews it has not seen: {accuracy:.3f}")

    # A review with a turn in it, so that the gates have something to do.
    turning = next(i for i, text in enumerate(validation.texts) if "but ended" in text)
    review = validation.x[turning : turning + 1]
    words = vocabulary.decode(review[0], special=True).split()
    probability = float(keras.ops.convert_to_numpy(model(review))[0, 0])
    trace = tracer(review)
    print(f'\n"{validation.texts[turning]}"')
    print(f"positive with probability {probability:.2f}; its gates:\n")
    print_gates(trace, words)
    kit.plots.gates(trace, words, head=model.layers[-1], path=options.out)
    print(f"\nWritten: {options.out}")


if __name__ == "__main__":
    main()
