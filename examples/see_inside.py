"""Look inside a recurrent model: its gates on two reviews, and the words that decided.

Without arguments it trains an LSTM on the embedded sample reviews; with `--data imdb.npz` the LSTM
of the textbook chapter on the real ones; with `--model` it takes a Keras file as it is. Pictures
and pages to explore are written to `--out`.

    python examples/see_inside.py
    python examples/see_inside.py --data imdb.npz --model my_model.keras
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from installed_backend import use_installed_backend

use_installed_backend()

import keras  # noqa: E402
import numpy as np  # noqa: E402

import keras_rnnkit as kit  # noqa: E402


class Reviews(NamedTuple):
    """Encoded reviews and their labels, and how to read them."""

    train: Any
    validation: Any
    test: Any
    vocabulary: kit.data.Vocabulary


def load_reviews(path: Path | None, words: int, length: int) -> Reviews:
    """The real reviews in a file of Keras' format, or the embedded sample."""
    if path is None:
        train, validation, vocabulary = kit.data.load_sample()
        return Reviews(train, validation, validation, vocabulary)
    data = kit.data.load_imdb(num_words=words, maxlen=length, path=path)
    vocabulary = kit.data.Vocabulary.imdb(num_words=words)
    return Reviews(data.train, data.validation, data.test, vocabulary)


def train_model(reviews: Reviews, epochs: int, rate: float) -> keras.Model:
    """The chapter's LSTM, of plain Keras layers: nothing in it knows of the kit."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((reviews.train.x.shape[1],), dtype="int32"),
            keras.layers.Embedding(len(reviews.vocabulary), 16, name="embedding"),
            keras.layers.LSTM(8, name="lstm"),
            keras.layers.Dense(1, activation="sigmoid", name="dense"),
        ]
    )
    optimizer = keras.optimizers.RMSprop(rate)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    monitor = kit.callbacks.GateMonitor(reviews.validation.x)
    history = model.fit(
        reviews.train.x,
        reviews.train.y,
        validation_data=(reviews.validation.x, reviews.validation.y),
        epochs=epochs,
        batch_size=64,
        callbacks=[monitor],
        verbose=2,
    ).history
    forget, half_life = history["lstm_forget_mean"], history["lstm_half_life"]
    print(f"Forget gate, mean over the units: {forget[0]:.2f} at first, {forget[-1]:.2f} at last.")
    print(f"Half-life: {half_life[0]:.1f} steps at first, {half_life[-1]:.1f} steps at last.")
    return model


def load_model(path: Path) -> keras.Model:
    """A Keras file of a model that takes one sequence of word ids and returns a probability."""
    model = keras.models.load_model(path)
    if len(model.inputs) != 1 or len(model.inputs[0].shape) != 2 or model.output_shape[-1] != 1:
        raise SystemExit(f"{path} must take word ids, (batch, words), and return one probability.")
    return model


def right_and_wrong(model: keras.Model, x: np.ndarray, y: np.ndarray) -> dict[str, int]:
    """The review that is right with the highest certainty, and that which is most wrong."""
    probabilities = model.predict(x, verbose=0, batch_size=1000)[:, 0]
    of_truth = np.where(y == 1, probabilities, 1 - probabilities)
    return {"right": int(of_truth.argmax()), "wrong": int(of_truth.argmin())}


def decided_by(model: keras.Model, x: np.ndarray, tokens: list[str]) -> tuple[str, Any]:
    """The sentence with the words that decided, and the scores."""
    found = kit.attribute(model, x, tokens=[tokens])
    probability = float(model.predict(x, verbose=0)[0, 0])
    side = 1 if probability > 0.5 else -1
    words = [word for word in found.top(8) if word.score * side > 0][:4]
    named = ", ".join(f'"{word.token}" ({word.score:+.2f})' for word in words) or "no single word"
    label = "positive" if side > 0 else "negative"
    return (
        f"{label} with probability {max(probability, 1 - probability):.2f}, decided by {named}",
        found,
    )


def draw(model: keras.Model, x: np.ndarray, y: np.ndarray, tokens: list[str], out: Path) -> None:
    """Every picture of one review, and its page."""
    traces = kit.trace(model, x)
    _, scores = decided_by(model, x, tokens)
    kit.plots.attribution(scores, path=out / "attribution.png")
    kit.plots.gradients(kit.trace_gradients(model, x, y), tokens, path=out / "gradients.png")
    for name, record in traces.items():
        file = name.replace("/", "_").replace(":", "_")
        kit.plots.gates(record, tokens, path=out / f"{file}_gates.png")
        kit.plots.states(record, tokens, path=out / f"{file}_states.png")
        if not isinstance(record, dict | kit.BidirectionalTrace) and hasattr(record, "forget"):
            left = kit.influence(record)
            kit.plots.influence(left, tokens, path=out / f"{file}_influence.png")
    kit.plots.explore(traces, tokens, out / "explore.html", attribution=scores)


def draw_model(model: keras.Model, x: np.ndarray, out: Path) -> None:
    """The pictures of the model on many reviews."""
    for name, record in kit.trace(model, x).items():
        file = name.replace("/", "_").replace(":", "_")
        kit.plots.saturation(record, path=out / f"{file}_saturation.png")
        kit.plots.memory(record, path=out / f"{file}_memory.png")
    for layer in model.layers:
        if isinstance(layer, keras.layers.RNN):
            kit.plots.weights(layer, path=out / f"{layer.name}_weights.png")
    print(kit.trace_batches(model, x, reduce="statistics"))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="imdb.npz; the embedded sample if not given")
    parser.add_argument("--model", type=Path, help="a .keras file; trained if not given")
    parser.add_argument("--epochs", type=int, help="of the training; 12, with --data 20")
    parser.add_argument("--out", type=Path, default=Path("see_inside_out"))
    options = parser.parse_args(arguments)

    model = None if options.model is None else load_model(options.model)
    words, length = 500, 100
    if model is not None:
        length = model.input_shape[1] or length
        embeddings = [x for x in model.layers if isinstance(x, keras.layers.Embedding)]
        words = embeddings[0].input_dim if embeddings else words
    reviews = load_reviews(options.data, words, length)
    if model is None:
        epochs = options.epochs or (12 if options.data is None else 20)
        model = train_model(reviews, epochs, 0.01 if options.data is None else 1e-3)

    x, y = reviews.test.x, np.asarray(reviews.test.y)
    draw_model(model, x[:500], options.out)
    for kind, i in right_and_wrong(model, x, y).items():
        tokens = reviews.vocabulary.decode(x[i], special=True).split()
        sentence, _ = decided_by(model, x[i : i + 1], tokens)
        label = "positive" if y[i] == 1 else "negative"
        print(f"\nA review that the model gets {kind} (it is {label}):")
        print(reviews.vocabulary.decode(x[i]))
        print(f"-> {sentence}")
        draw(model, x[i : i + 1], y[i : i + 1].astype("float32"), tokens, options.out / kind)
    print(f"\nWritten: {options.out}")


if __name__ == "__main__":
    main()
