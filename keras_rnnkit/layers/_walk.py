"""The layers in a model, however nested."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras


def stateful_layers(model: Any) -> list[Any]:
    """The stateful recurrent layers in a model that have states, in the order of its attributes."""
    return [layer for layer in layers_in(model) if _is_stateful(layer)]


def layers_in(model: Any) -> list[Any]:
    """A model or layer, and every layer in it, however nested."""
    return list(_walk(model, set()))


def _is_stateful(layer: Any) -> bool:
    return isinstance(layer, keras.layers.RNN) and layer.stateful and layer.states is not None


def _walk(value: Any, seen: set[int]) -> Iterator[Any]:
    """Every layer held by a layer's attributes, in lists, tuples, sets and dicts too."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, keras.layers.Layer):
        yield value
        held: Iterable[Any] = [*vars(value).values(), *getattr(value, "layers", ())]
    elif isinstance(value, dict):
        held = list(value.values())
    elif isinstance(value, list | tuple | set):
        held = list(value)
    else:
        return
    for part in held:
        yield from _walk(part, seen)
