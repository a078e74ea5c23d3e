"""The state of a model in training as arrays, and a description that identifies the model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_rnnkit.callbacks import _training_settings as training_settings

Arrays = dict[str, np.ndarray]


def collect(model: keras.Model) -> Arrays:
    """All variables of the model and of its optimizer, except the metrics, by kind and number."""
    named = {}
    for kind, variables in _variables(model).items():
        for number, variable in enumerate(variables):
            named[f"{kind}/{number}"] = as_plain(keras.ops.convert_to_numpy(variable))
    return named


def restore(model: keras.Model, arrays: Arrays) -> None:
    """Put the arrays of `collect` back into a model of the same description."""
    for kind, variables in _variables(model).items():
        for number, variable in enumerate(variables):
            current = keras.ops.convert_to_numpy(variable)
            variable.assign(arrays[f"{kind}/{number}"].view(current.dtype))


def averages_weights(optimizer: Any) -> bool:
    """Whether Keras puts a moving average of the weights into the model when `fit` ends."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of a loss scale
    return any(one.use_ema for one in getattr(optimizer, "optimizers", [optimizer]))


def as_plain(array: Any) -> np.ndarray:
    """An array that a file can have: types that NumPy does not know are stored as integers."""
    array = np.asarray(array)
    return array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "V" else array


def describe(model: keras.Model) -> dict[str, Any]:
    """What a checkpoint must have in common with the model: everything but names of layers."""
    optimizer = model.optimizer
    return {
        "backend": keras.config.backend(),
        "layers": [[type(layer).__name__, _settings(layer)] for layer in _layers(model)],
        "variables": [[one.name, *_form(one)] for one in _variables(model)["model"]],
        "optimizer": type(optimizer).__name__,
        "optimizer settings": training_settings.of_optimizer(optimizer),
        "optimizer variables": [_form(one) for one in _variables(model)["optimizer"]],
        "loss": training_settings.of_loss(model),
    }


def difference(saved: dict[str, Any], current: dict[str, Any]) -> str | None:
    """The first difference between two descriptions, in words; None if they are the same."""
    bound = saved.get("data") or current.get("data")
    if bound and saved.get("data") != current.get("data"):
        return f"its {bound[0]} are others"
    for part in ("backend", "optimizer"):
        if saved[part] != current[part]:
            return f"its {part} is {saved[part]!r}, here it is {current[part]!r}"
    for part in ("optimizer settings", "loss"):
        before, now = saved[part], current[part]
        for name in sorted(before.keys() | now.keys()):
            if before.get(name) != now.get(name):
                return f"its {name} is {before.get(name)!r}, here it is {now.get(name)!r}"
    for part in ("layers", "variables", "optimizer variables"):
        before, now = saved[part], current[part]
        for number, (one, other) in enumerate(zip(before, now, strict=False)):
            if one != other:
                return _change(part, number, one, other)
        if len(before) != len(now):
            return f"it has {len(before)} {part}, here there are {len(now)}"
    return None


def _change(part: str, number: int, one: list[Any], other: list[Any]) -> str:
    if part != "layers":
        words = [" ".join(map(str, item)) for item in (one, other)]
        return f"{part}: number {number} is {words[0]}, here it is {words[1]}"
    if one[0] == other[0]:
        return f"its layer {number}, {one[0]}, has other arguments"
    return f"its layer {number} is {one[0]}, here it is {other[0]}"


def _variables(model: keras.Model) -> dict[str, list[Any]]:
    """The variables that training changes, without metrics: those start anew in every epoch."""
    metrics = {id(variable) for variable in model.metrics_variables}
    optimizer = {id(variable) for variable in model.optimizer.variables}
    of_model = [v for v in model.variables if id(v) not in metrics | optimizer]
    return {"model": of_model, "optimizer": list(model.optimizer.variables)}


def _form(variable: Any) -> list[Any]:
    return [list(variable.shape), str(variable.dtype)]


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers, those of nested models one by one; an input layer has nothing to compare."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer


def _settings(layer: keras.layers.Layer) -> str | None:
    """A digest of the layer's arguments; None for a layer that has no config."""
    try:
        config = keras.saving.serialize_keras_object(layer)["config"]
        text = training_settings.as_text(config)
    except (NotImplementedError, TypeError, ValueError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()[:16]
