"""The options of a layer or cell: constants in compiled code, so a change must recompile it."""

from typing import Any

import keras

_OF_KERAS = {id(function) for function in vars(keras.activations).values()}


def plain_options(layer: Any) -> dict[str, Any]:
    """The public attributes of a layer or cell that are plain values, by name; lists as tuples."""
    return {
        name: _as_tuple(value)
        for name, value in list(vars(layer).items())
        if not name.startswith("_") and _is_plain(value)
    }


def is_activation_of_keras(activation: Any) -> bool:
    """Whether a function is one of `keras.activations`, which are known to be pure."""
    return id(activation) in _OF_KERAS


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list | tuple) else value
