"""The models and the data that `layers.py` measures."""

import functools
from typing import Any

import keras
import numpy as np
from _grid import SHAPES, TORCH_VARIANTS, Shape

import keras_rnnkit as kit

RATE = 0.3
OPTIONS = {
    "dropout": {"dropout": RATE},
    "recurrent_dropout": {"recurrent_dropout": RATE},
    "return_sequences": {"return_sequences": True},
}
GATE_NAMES = {
    "LSTM": ("input", "forget", "candidate", "output"),
    "GRU": ("update", "reset", "candidate"),
}
POOL = 4  # so many batches differ; longer data repeats them


def libraries_of(variant: str) -> list[str]:
    """Whose layers are compared, in the order in which they take turns."""
    on_torch = keras.config.backend() == "torch" and variant in TORCH_VARIANTS
    return ["kit", "keras", *(["torch_nn"] if on_torch else [])]


def build_models(layer: str, shape: str, variant: str) -> dict[str, keras.Model]:
    """A compiled model for each library; the kit's and Keras' have the same weights."""
    keras.utils.set_random_seed(0)
    models = {library: build(library, layer, shape, variant) for library in libraries_of(variant)}
    models["kit"].set_weights(models["keras"].get_weights())
    return models


def build(library: str, layer: str, shape: str, variant: str) -> keras.Model:
    """A model of one library, compiled with the defaults of `compile`."""
    _, time, features, units = SHAPES[shape]
    masking = [keras.layers.Masking()] if variant.startswith("masked") else []
    pooling = [keras.layers.GlobalAveragePooling1D()] if variant == "return_sequences" else []
    model = keras.Sequential(
        [
            keras.Input((time, features)),
            *masking,
            *_recurrent(library, layer, shape, variant, units),
            *pooling,
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    return model


def build_for_method(method: str, layer: str, shape: Shape, variant: str) -> keras.Model:
    """A model of one of the kit's layers; of captured gates, the mean over time is an output."""
    keras.utils.set_random_seed(0)
    path = "portable" if method == "portable" else "auto"
    x = inputs = keras.Input(shape[1:3])
    if variant.startswith("masked"):
        x = keras.layers.Masking()(x)
    options = {"path": path, "return_gates": variant == "gates", **OPTIONS.get(variant, {})}
    recurrent = getattr(kit, layer)(shape.units, **options)
    x = recurrent(x)
    if variant == "gates":
        x, trace = x
        means = [keras.ops.mean(getattr(trace, name), axis=1) for name in GATE_NAMES[layer]]
        x = keras.ops.concatenate([x, *means], axis=-1)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile("adam", "binary_crossentropy")
    return model


def _recurrent(library: str, layer: str, shape: str, variant: str, units: int) -> list[Any]:
    if library == "torch_nn":
        from _torch_nn import torch_layer

        return [torch_layer(layer, SHAPES[shape], variant, RATE)]
    source = kit if library == "kit" else keras.layers
    make = functools.partial(getattr(source, layer), units)
    if variant == "bidirectional":
        return [source.Bidirectional(make())]
    if variant == "two_layers":
        return [make(return_sequences=True), make()]
    return [make(**OPTIONS.get(variant, {}))]


def data(shape: str, variant: str, batches: int) -> tuple[np.ndarray, np.ndarray]:
    """Random sequences and labels; padding is zeros, and every row has at least one real step."""
    batch, time, features, _ = SHAPES[shape]
    rows, rng = POOL * batch, np.random.default_rng(0)
    x = rng.standard_normal((rows, time, features), dtype="float32")
    y = rng.integers(0, 2, (rows, 1)).astype("float32")
    if variant.startswith("masked"):
        real = np.arange(time) < rng.integers(1, time + 1, (rows, 1))
        x *= (real if variant == "masked_post" else real[:, ::-1])[..., None]
    times = -(-batches // POOL)
    count = batches * batch
    return np.tile(x, (times, 1, 1))[:count], np.tile(y, (times, 1))[:count]
