"""The trained models that `onnx_reviews.py` exports, and what they are trained on."""

from collections.abc import Callable
from typing import Any

WORDS, STEPS, BATCH, RATE = 500, 100, 64, 1e-3
FEATURES, UNITS = 8, 16  # of the tagger, and of each direction of the bidirectional models

Arrays = tuple[Any, Any]


def chapter(*recurrent: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """One of the textbook chapter's models of reviews."""
    return lambda kit: classifier(kit, 16, False, [layer(kit) for layer in recurrent])


def bidirectional(masked: bool) -> Callable[[Any], Any]:
    """A classifier of reviews with two bidirectional layers."""

    def build(kit: Any) -> Any:
        return classifier(kit, 32, masked, both_directions(kit, sequences=False))

    return build


def classifier(kit: Any, width: int, masked: bool, recurrent: list[Any]) -> Any:
    """A model of reviews: an embedding, recurrent layers and a `Dense`."""
    import keras

    return keras.Sequential(
        [
            keras.Input((STEPS,), dtype="int32"),
            kit.Embedding(WORDS, width, mask_zero=masked),
            *recurrent,
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def tagger(kit: Any) -> Any:
    """A model that gives each step of a sequence a probability; padding is masked."""
    import keras

    return keras.Sequential(
        [
            keras.Input((STEPS, FEATURES)),
            keras.layers.Masking(),
            *both_directions(kit, sequences=True),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def both_directions(kit: Any, sequences: bool) -> list[Any]:
    """Two bidirectional layers."""
    return [
        kit.Bidirectional(kit.LSTM(UNITS, return_sequences=returned))
        for returned in (True, sequences)
    ]


MODELS = {
    "lstm": chapter(lambda kit: kit.LSTM(8)),
    "lstm_dropout": chapter(lambda kit: kit.LSTM(8, dropout=0.3)),
    "lstm_two_layers": chapter(
        lambda kit: kit.LSTM(8, dropout=0.3, return_sequences=True),
        lambda kit: kit.LSTM(8, dropout=0.3),
    ),
    "gru": chapter(lambda kit: kit.GRU(8)),
    "bidirectional": bidirectional(masked=False),
    "bidirectional_mask": bidirectional(masked=True),
    "tagger_mask": tagger,
}


def trained(name: str, train: Arrays, epochs: int) -> Any:
    """A model after some epochs."""
    import keras

    import keras_rnnkit as kit

    keras.utils.set_random_seed(0)
    model = MODELS[name](kit)
    speed = {"steps_per_execution": 16} if keras.config.backend() == "jax" else {}
    optimizer = keras.optimizers.RMSprop(RATE)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"], **speed)
    model.fit(*train, batch_size=BATCH, epochs=epochs, verbose=2)
    return model


def series(rows: int, seed: int) -> Arrays:
    """Sequences of drawn lengths for the tagger, padded with zeros, and their tags.

    The tag of a step says whether the sum of a feature is greater before it than from it on. So
    both directions matter.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, STEPS, FEATURES)).astype("float32")
    x *= (np.arange(STEPS) < rng.integers(1, STEPS + 1, (rows, 1)))[..., None]
    total = x[..., 0].sum(axis=1, keepdims=True)
    before = x[..., 0].cumsum(axis=1) - x[..., 0]
    return x, (2 * before > total).astype("float32")[..., None]
