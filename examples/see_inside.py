"""Look inside a recurrent model: its gates on two reviews, and the words that decided.

Without arguments it trains an LSTM of `keras.layers` on the embedded sample reviews; with
`--data imdb.npz` that of the textbook chapter on the real ones; with `--model` it takes a Keras
file as it is, of any structure that reads word ids and returns the probability of a positive
review. It writes the pictures of the model to `--out`, and the pictures and a page to explore for
two test reviews: the one that it predicts best, and the one that it predicts worst.

    python examples/see_inside.py
    python examples/see_inside.py --data imdb.npz
    python examples/see_inside.py --data imdb.npz --model my_model.keras
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from installed_backend import use_installed_backend

use_installed_backend()

import keras  # noqa: E402
import numpy as np  # noqa: E402

import keras_rnnkit as kit  # noqa: E402

SENTIMENTS = ("negative", "positive")


class Reviews(NamedTuple):
    """Encoded reviews with their labels, and the vocabulary that decodes them."""

    train: Any
    validation: Any
    test: Any
    vocabulary: kit.data.Vocabulary


class Training(NamedTuple):
    """How a model is trained."""

    rate: float
    epochs: int


ON_SAMPLE, ON_IMDB = Training(1e-2, 12), Training(1e-4, 100)  # ON_IMDB is that of the chapter


def load_reviews(
    data: Path | None, words: int | None, length: int | None, word_index: Path | None
) -> Reviews:
    """The real reviews in a file of Keras' format, or the embedded sample."""
    if data is None:
        train, validation, vocabulary = kit.data.load_sample()
        return Reviews(train, validation, validation, vocabulary)
    words, length = words or 500, length or 100  # those of the chapter
    found = kit.data.load_imdb(num_words=words, maxlen=length, path=data)
    vocabulary = kit.data.Vocabulary.imdb(num_words=words, path=word_index)
    return Reviews(found.train, found.validation, found.test, vocabulary)


def train_model(reviews: Reviews, training: Training, out: Path) -> keras.Model:
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
    optimizer = keras.optimizers.RMSprop(training.rate)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    stopping = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    history = model.fit(
        reviews.train.x,
        reviews.train.y,
        validation_data=(reviews.validation.x, reviews.validation.y),
        validation_batch_size=1000,
        epochs=training.epochs,
        batch_size=64,
        callbacks=[
            kit.callbacks.GateMonitor(reviews.validation.x),
            keras.callbacks.LambdaCallback(on_epoch_end=print_epoch),
            stopping,
        ],
        verbose=0,
    ).history
    kit.plots.history({"lstm": history}, path=out / "model" / "history.png")
    model.save(out / "model" / "model.keras")
    return model


def print_epoch(epoch: int, logs: dict[str, float]) -> None:
    """A line for each epoch, with what `GateMonitor` has added to the losses."""
    values = (logs[name] for name in ("val_loss", "val_accuracy", "lstm_forget_mean"))
    text = "epoch {:3}: validation loss {:.4f}, accuracy {:.4f}, mean forget gate {:.2f}"
    half_life = f"half-life {logs['lstm_half_life']:.1f} steps"
    print(text.format(epoch + 1, *values) + f", {half_life}", flush=True)


def embeddings_in(model: Any) -> Iterator[Any]:
    """The `Embedding` layers of a model, also of models in it."""
    for layer in getattr(model, "layers", ()):
        if isinstance(layer, keras.layers.Embedding):
            yield layer
        yield from embeddings_in(layer)


def load_model(path: Path) -> tuple[keras.Model, int, int | None]:
    """The model in a Keras file, with its number of words and the length of its reviews."""
    if path.suffix != ".keras" or not path.is_file():
        raise SystemExit(f"--model must be a .keras file that exists. Received: {path}")
    model = keras.models.load_model(path)
    needed = f"The model in {path} must take word ids (batch, words) and return one probability"
    shapes = [tuple(one.shape) for one in getattr(model, "inputs", None) or ()]
    if len(shapes) != 1 or len(shapes[0]) != 2:
        raise SystemExit(f"{needed}. Its inputs are {shapes}")
    if not isinstance(model.output_shape, tuple) or model.output_shape[1:] not in ((1,), (2,)):
        raise SystemExit(f"{needed}, or those of both classes. Its outputs: {model.output_shape}")
    found = next(embeddings_in(model), None)
    if found is None:
        raise SystemExit(f"{needed}: it needs an `Embedding` for the word ids, and has none.")
    return model, found.input_dim, shapes[0][1]


def check_fits(reviews: Reviews, words: int, length: int | None) -> None:
    """Refuse reviews that a loaded model cannot read."""
    x = reviews.test.x
    if length not in (None, x.shape[1]) or words < len(reviews.vocabulary):
        raise SystemExit(
            f"The model reads {length} words of {words} different ids, and the reviews have "
            f"{x.shape[1]} words of {len(reviews.vocabulary)} ids. A model of the IMDB reviews "
            "needs --data imdb.npz; without it, the reviews are those of `kit.data.load_sample`."
        )


def probabilities(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """The probability that each review is positive."""
    outputs = model.predict(x, verbose=0, batch_size=1000)
    if outputs.min() < 0 or outputs.max() > 1:
        raise SystemExit("The model must return probabilities: give its last layer a sigmoid.")
    return outputs[:, -1]


def best_and_worst(found: np.ndarray, y: np.ndarray) -> dict[str, int]:
    """The reviews whose true sentiment gets the highest and the lowest probability."""
    of_truth = np.where(y == 1, found, 1 - found)
    return {"best": int(of_truth.argmax()), "worst": int(of_truth.argmin())}


def decided_by(scores: Any, probability: float, outputs: int) -> str:
    """The sentence with the words that decided."""
    positive = probability > 0.5
    sign = 1 if positive or outputs > 1 else -1  # a single output has scores for "positive"
    top = scores.top(12)
    least = 0.05 * abs(top[0].score)  # of the word with the highest score
    words = [word for word in top if word.score * sign > least][:4]
    named = ", ".join(f'"{word.token}" ({word.score:+.2f})' for word in words)
    confidence = max(probability, 1 - probability)
    decided = f", decided by {named}" if words else ", decided by no word alone"
    return f"{SENTIMENTS[positive]} with probability {confidence:.2f}{decided}"


def attempt(what: str, draw: Callable[[], Any]) -> Any:
    """What a function returns; where it is not defined for this model, the reason is printed."""
    try:
        return draw()
    except ValueError as error:
        print(f"No {what}: {error}")
        return None


def draw_model(model: keras.Model, x: np.ndarray, y: np.ndarray, out: Path) -> None:
    """The pictures of the model on many reviews."""
    for name, trace in kit.trace(model, x).items():
        file = name.replace("/", "_").replace(":", "_")
        for plot in (kit.plots.saturation, kit.plots.memory):
            path = out / f"{file}_{plot.__name__}.png"
            attempt(f"{plot.__name__} of {name}", lambda: plot(trace, path=path))  # noqa: B023
    for layer in model.layers:
        if isinstance(layer, keras.layers.RNN):
            path = out / f"{layer.name}_weights.png"
            attempt(f"weights of {layer.name}", lambda: kit.plots.weights(layer, path=path))  # noqa: B023
    gradients = kit.trace_gradients(model, x, y, loss="binary_crossentropy")
    kit.plots.gradients(gradients, path=out / "gradients.png")
    print(kit.trace_batches(model, x, reduce="statistics"))


def draw_review(
    model: keras.Model, x: np.ndarray, y: np.ndarray, tokens: list[str], scores: Any, out: Path
) -> None:
    """The pictures of one review, and its page."""
    traces = kit.trace(model, x)
    traces.save(out / "traces.npz", overwrite=True)
    untrained = attempt("comparison", lambda: keras.models.clone_model(model))
    before = {} if untrained is None else kit.trace(untrained, x)
    shown = None
    for name, trace in traces.items():
        file = name.replace("/", "_").replace(":", "_")
        kit.plots.gates(trace, tokens, path=out / f"{file}_gates.png")
        kit.plots.states(trace, tokens, path=out / f"{file}_states.png")
        if name in before:
            pair, names = (before[name], trace), ("untrained", "trained")
            kit.plots.compare(*pair, tokens, names=names, path=out / f"{file}_compare.png")
        left = attempt(f"influence in {name}", lambda: kit.influence(trace))  # noqa: B023
        parts = [] if left is None else keras.tree.flatten(left)  # of both directions, or layers
        for i, part in enumerate(parts):
            number = f"_{i}" * (len(parts) > 1)
            kit.plots.influence(part, tokens, path=out / f"{file}_influence{number}.png")
            shown = part if shown is None else shown
    kit.plots.attribution(scores, path=out / "attribution.png")
    gradients = kit.trace_gradients(model, x, y, loss="binary_crossentropy")
    kit.plots.gradients(gradients, tokens, sample=0, path=out / "gradients.png")
    kit.plots.explore(
        traces, tokens, out / "explore.html", influence=shown, attribution=scores, title="A review"
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="imdb.npz; the embedded sample if not given")
    parser.add_argument("--word-index", type=Path, help="imdb_word_index.json; else downloaded")
    parser.add_argument("--model", type=Path, help="a .keras file; trained if not given")
    parser.add_argument("--epochs", type=int, help="at most; early stopping may end it before")
    parser.add_argument("--out", type=Path, default=Path("see_inside_out"))
    options = parser.parse_args(arguments)

    model, words, length = None, None, None
    if options.model is not None:
        model, words, length = load_model(options.model)
    reviews = load_reviews(options.data, words, length, options.word_index)
    if model is None:
        training = ON_SAMPLE if options.data is None else ON_IMDB
        training = training._replace(epochs=options.epochs or training.epochs)
        model = train_model(reviews, training, options.out)
    else:
        check_fits(reviews, words or 0, length)

    x, y = reviews.test.x, np.asarray(reviews.test.y)
    targets = np.eye(2)[y] if model.output_shape[-1] == 2 else y[:, None].astype("float32")
    found = probabilities(model, x)
    print(f"Accuracy on {len(x):,} reviews: {np.mean((found > 0.5) == y):.4f}")
    draw_model(model, x[:500], targets[:500], options.out / "model")
    for kind, i in best_and_worst(found, y).items():
        row, tokens = x[i : i + 1], reviews.vocabulary.decode(x[i], special=True).split()
        scores = kit.attribute(model, row, tokens=[tokens])
        right = (found[i] > 0.5) == y[i]
        verdict = "correctly" if right else "wrongly"
        print(f"\n{kind}: a {SENTIMENTS[y[i]]} review, which the model predicts {verdict}:")
        print(reviews.vocabulary.decode(x[i]))
        print(f"-> {decided_by(scores, float(found[i]), model.output_shape[-1])}")
        draw_review(model, row, targets[i : i + 1], tokens, scores, options.out / kind)
    print(f"\nWritten: {options.out}")


if __name__ == "__main__":
    main()
