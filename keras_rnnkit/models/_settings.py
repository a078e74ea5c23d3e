"""The options of layers, which a compiled function of a model would not see change."""

import functools
import hashlib
from collections.abc import Collection
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.models._intercept import attributes_of

_LIBRARIES = ("builtins", "jax", "jaxlib", "keras", "keras_rnnkit", "numpy", "tensorflow", "torch")
_DEPTH = 8  # of objects in objects
# What `fit`, `predict` and the kit set on a model.
_OF_TRAINERS = {
    *("history", "predict_function", "stop_training", "test_function", "train_function"),
    *("_eval_epoch_iterator", "_initial_epoch", "_jax_state", "_jax_state_synced"),
}
_OF_KIT = "_keras_rnnkit"


def settings_of(model: Any) -> list[Any]:
    """All that a compiled function of the model depends on beside its input and its weights.

    What its code reads elsewhere, such as in a global variable, is not in it.
    """
    layers, variables = layers_in(model), model.variables
    known = {*map(id, layers), *map(id, variables)}
    options = [(id(layer), type(layer), options_of(layer, known)) for layer in layers]
    return [*options, list(map(id, variables))]


def options_of(layer: Any, known: Collection[int] | None = None) -> dict[str, Any]:
    """The options of a layer by name: values, arrays, and objects such as activations.

    Of a layer of a user's class, its private attributes too, except those that Keras sets.

    Args:
        layer: The layer.
        known: The ids of layers and variables that are compared by themselves; `None` for all.
    """
    private, skipped = _is_users(layer), _OF_TRAINERS | _private_of_keras()
    options = {
        name: _data(value, known, _DEPTH)
        for name, value in attributes_of(layer).items()
        if name not in skipped
        and (not name.startswith("_") or (private and not name.startswith(_OF_KIT)))
    }
    return {**options, "dtype_policy": layer.dtype_policy.name}


@functools.cache
def _private_of_keras() -> frozenset[str]:
    """The names of the private attributes that Keras gives to every layer and model."""
    plain = (keras.layers.Layer(name="plain"), keras.Sequential(name="plain"))
    return frozenset(name for one in plain for name in vars(one) if name.startswith("_"))


def _is_users(value: Any) -> bool:
    """Whether an object is of a class that neither Keras, nor a backend, nor the kit defines."""
    return type(value).__module__.partition(".")[0] not in _LIBRARIES


def _data(value: Any, known: Collection[int] | None, depth: int) -> Any:
    """What is equal to that of another time only if a layer computes the same with the value."""
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return type(value).__name__, value
    if isinstance(value, keras.layers.Layer | keras.Variable):
        return None if known is None or id(value) in known else _untracked(value, known, depth)
    if isinstance(value, np.ndarray | np.generic) or ops.is_tensor(value):
        return _digest(value)
    if not depth:
        return id(value)
    if isinstance(value, dict):
        return {key: _data(one, known, depth - 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_data(one, known, depth - 1) for one in value]
    if _is_users(value) and hasattr(value, "__dict__"):
        return id(value), _data(vars(value), known, depth - 1)
    return id(value)


def _untracked(value: Any, known: Collection[int] | None, depth: int) -> Any:
    """The data of a variable, or of a layer, that compiled code has as constants."""
    if not isinstance(value, keras.layers.Layer):
        return _digest(value)
    if not depth:
        return id(value)
    inner = {*(known or ()), id(value)}
    options = {name: _data(one, inner, depth - 1) for name, one in attributes_of(value).items()}
    return id(value), options, list(map(_digest, value.variables))


def _digest(array: Any) -> Any:
    """The content of an array in a few bytes."""
    array = np.asarray(ops.convert_to_numpy(array))
    if array.dtype == object:
        return id(array)
    content = hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).digest()
    return str(array.dtype), array.shape, content
