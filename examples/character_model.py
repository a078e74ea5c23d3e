"""Train a model of text, character by character, and let it write.

The text is one long sequence. `kit.data.lanes` cuts it into rows, and `kit.fit_chunks` reads them
side by side in chunks: the states go on from chunk to chunk, the gradients do not. At the end it
prints the bits per character on text that the model has not seen, and a text that the model
writes, one character at a time, by `kit.stream`.

    python examples/character_model.py
    python examples/character_model.py --data reviews --units 256 --epochs 10

Without `--data`, it trains on the synthetic reviews that come with the package, in under a minute,
and downloads nothing. `--data` is a folder with a folder of texts for each class, or a CSV file
with the columns `text` and `label`.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from installed_backend import use_installed_backend

use_installed_backend()

import keras  # noqa: E402
import numpy as np  # noqa: E402

import keras_rnnkit as kit  # noqa: E402

MOST_CHARACTERS = 127
UNKNOWN = "\N{REPLACEMENT CHARACTER}"  # id 0: a character that is rare, or only in new text


def read_texts(data: Path | None) -> list[str]:
    """The texts of a folder or a CSV file, or those of the package."""
    if data is not None:
        return list(kit.data.read_reviews(data).texts)
    train, validation, _ = kit.data.load_sample()
    return [*train.texts, *validation.texts]


def split(texts: list[str], seed: int) -> tuple[str, str]:
    """Nine tenths of the texts, in random order, and the last tenth; a text ends with its line."""
    order = np.random.default_rng(seed).permutation(len(texts))
    lines = [texts[i].replace("\n", " ") + "\n" for i in order]
    held_out = max(1, len(lines) // 10)
    return "".join(lines[:-held_out]), "".join(lines[-held_out:])


def characters_of(text: str) -> str:
    """The characters that have an id, their place in this string."""
    common = Counter(text).most_common(MOST_CHARACTERS)
    return UNKNOWN + "".join(sorted(character for character, _ in common))


def encode(text: str, characters: str) -> np.ndarray:
    """The id of each character."""
    ids = {character: i for i, character in enumerate(characters)}
    return np.array([ids.get(character, 0) for character in text], "uint8")


def bits(y: Any, logits: Any) -> Any:
    """What each character takes to be told, in bits."""
    nats = keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
    return nats / np.log(2)


def build_model(characters: str, units: int, lanes: int) -> keras.Model:
    """The probability of each next character, given those before."""
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(lanes, None), dtype="int32"),
            kit.Embedding(len(characters), 16),
            kit.LSTM(units, stateful=True, return_sequences=True),
            keras.layers.Dense(len(characters)),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), loss, metrics=[bits])
    return model


def train(options: argparse.Namespace, text: str, held_out: str, characters: str) -> keras.Model:
    """The model of the epoch with the fewest bits per character on the text held out."""
    parts = [
        kit.data.lanes(ids[:-1], options.lanes, targets=ids[1:])
        for ids in (encode(part, characters) for part in (text, held_out))
    ]
    model = build_model(characters, options.units, options.lanes)
    history = kit.fit_chunks(
        model,
        *parts[0],
        steps=options.steps,
        epochs=options.epochs,
        validation_data=parts[1],
        callbacks=[
            keras.callbacks.EarlyStopping(
                "val_bits", mode="min", patience=3, restore_best_weights=True
            ),
            *kit.callbacks.progress(),
        ],
    )
    print(f"\nBits per character on text held out: {min(history.history['val_bits']):.2f}")
    print(f"By the frequency of each character alone: {frequency_bits(text, held_out):.2f}")
    return model


def frequency_bits(text: str, held_out: str) -> float:
    """The bits per character of a model that knows how frequent each one is, and nothing else."""
    counts = Counter(text)
    total = len(text) + len(counts) + 1
    return float(np.mean([-np.log2((counts[one] + 1) / total) for one in held_out]))


def write(
    model: keras.Model, characters: str, begin: str, length: int, temperature: float, seed: int
) -> str:
    """A text that the model writes, drawing one character after the other."""
    rng = np.random.default_rng(seed)
    stream = kit.stream(model)
    logits = keras.ops.convert_to_numpy(stream.chunk(encode("\n" + begin, characters)[None]))[:, -1]
    written = begin
    for _ in range(length):
        scaled = logits[0, 1:].astype("float64") / temperature  # the unknown one is not written
        odds = np.exp(scaled - scaled.max())
        id_ = 1 + int(rng.choice(len(odds), p=odds / odds.sum()))
        written += characters[id_]
        logits = keras.ops.convert_to_numpy(stream.step(np.array([id_])))
    return written


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder for each class, or a CSV file")
    parser.add_argument("--units", type=int, default=64, help="the units of the LSTM")
    parser.add_argument("--lanes", type=int, default=16, help="how many rows the text is cut into")
    parser.add_argument("--steps", type=int, default=50, help="the characters in a chunk")
    parser.add_argument("--epochs", type=int, default=25, help="the largest number of epochs")
    parser.add_argument("--begin", default="", help="how the text that it writes begins")
    parser.add_argument("--length", type=int, default=300, help="how many characters it writes")
    parser.add_argument("--temperature", type=float, default=0.7, help="how daring it is; above 0")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    keras.utils.set_random_seed(options.seed)
    text, held_out = split(read_texts(options.data), options.seed)
    characters = characters_of(text)
    print(
        f"Training on {len(text):,} characters, {len(characters)} different ones, "
        f"on {keras.config.backend()}."
    )
    model = train(options, text, held_out, characters)
    found = write(
        model, characters, options.begin, options.length, options.temperature, options.seed
    )
    print(f"\nThe model writes:\n\n{found}")


if __name__ == "__main__":
    main()
