"""The options of layers, which a compiled function of a model would not see change."""

import functools
import hashlib
from collections import deque
from collections.abc import Collection
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.models._arrays import as_view
from keras_rnnkit.models._intercept import attributes_of

_LIBRARIES = {
    *("builtins", "jax", "jaxlib", "keras", "keras_rnnkit", "numpy", "tensorflow", "torch"),
    "logging",  # a logger refers to all others, and caches its level
}
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
    reader = _Reader({*map(id, layers), *map(id, variables)})
    options = [(_Same(layer), type(layer), options_of(layer, reader)) for layer in layers]
    return [*options, list(map(_Same, variables))]


def options_of(layer: Any, reader: "_Reader | None" = None) -> dict[str, Any]:
    """The options of a layer by name: values, arrays, and objects such as activations.

    Of a layer of a user's class, its private attributes too, except those that Keras sets.

    Args:
        layer: The layer.
        reader: Reads the values; `None` for one to which all layers and variables are known.
    """
    reader = reader or _Reader(None)
    private, skipped = _is_users(layer), _OF_TRAINERS | _private_of_keras()
    options = {
        name: reader.data(value)
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


class _Same:
    """Equal for the same object only, which it holds: no later object can get its `id`."""

    __slots__ = ("_object",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any) -> None:
        self._object = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._object is other._object


class _Reader:
    """Reads what is equal to that of another time only if a layer computes the same with it.

    Args:
        known: The ids of layers and variables that are compared by themselves; `None` for all.
    """

    def __init__(self, known: Collection[int] | None) -> None:
        self._known = known
        self._read: dict[int, int] = {}  # by the id of an object, at which depth its parts are read

    def data(self, value: Any, depth: int = _DEPTH) -> Any:
        """The data of a value, and of the objects in it up to a depth."""
        if value is None or isinstance(value, bool | int | float | str | bytes):
            return type(value).__name__, value
        if isinstance(value, keras.layers.Layer | keras.Variable):
            is_known = self._known is None or id(value) in self._known
            return None if is_known else self._untracked(value, depth)
        if isinstance(value, np.ndarray | np.generic) or ops.is_tensor(value):
            return _digest(value)
        if self._read.get(id(value), 0) >= depth:  # its parts are read elsewhere
            return _Same(value)
        self._read[id(value)] = depth
        if isinstance(value, dict):
            return {key: self.data(one, depth - 1) for key, one in value.items()}
        if isinstance(value, list | tuple | set | frozenset | deque):
            return [self.data(one, depth - 1) for one in value]
        if _is_users(value):
            parts = _attributes(value).items()
            return _Same(value), {name: self.data(one, depth - 1) for name, one in parts}
        return _Same(value)

    def _untracked(self, value: Any, depth: int) -> Any:
        """The data of a variable, or of a layer, that compiled code has as constants."""
        if not isinstance(value, keras.layers.Layer):
            return _digest(value)
        if self._read.get(id(value), 0) >= depth:
            return _Same(value)
        self._read[id(value)] = depth
        parts = attributes_of(value).items()
        options = {name: self.data(one, depth - 1) for name, one in parts}
        return _Same(value), options, list(map(_digest, value.variables))


def _attributes(value: Any) -> dict[str, Any]:
    """The attributes of an object by name, also those in `__slots__`."""
    slots = [vars(kind).get("__slots__", ()) for kind in type(value).__mro__]
    names = [name for of in slots for name in ([of] if isinstance(of, str) else of)]
    own = [name for name in names if not name.startswith("__") and hasattr(value, name)]
    found = {name: getattr(value, name) for name in own}
    return {**found, **getattr(value, "__dict__", {})}


def _digest(array: Any) -> Any:
    """The content of an array in a few bytes."""
    array = np.asarray(array) if isinstance(array, np.ndarray | np.generic) else as_view(array)
    if array.dtype == object:
        return _Same(array)
    content = np.ascontiguousarray(array).reshape(-1).view("uint8")  # not a copy, as of `tobytes`
    return str(array.dtype), array.shape, hashlib.blake2b(content.data, digest_size=16).digest()
