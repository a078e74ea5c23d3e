"""Resetting the states of a whole model."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.layers._recurrent import Recurrent


def reset_states(model: Any) -> int:
    """Put every stateful recurrent layer back to its initial states, however nested.

    Reaches the layers of `keras.layers` too, and layers inside models, wrappers and attributes. In
    a callback at the begin or the end of a batch, give it the model that is being trained.

    Args:
        model: A model or a layer.

    Returns:
        How many layers were reset; zero says that none is stateful, or none has run yet.

    Raises:
        TypeError: If `model` is not a Keras layer or model.
        RuntimeError: On JAX, between two batches of `fit`, for a part of the model that is trained.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([keras.Input(batch_shape=(2, 5, 3)), kit.GRU(4, stateful=True)])
    >>> _ = model(np.ones((2, 5, 3), "float32"))
    >>> kit.reset_states(model)
    1
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"`model` must be a Keras model or layer, but {model!r} came.")
    if hasattr(model, "jax_state_sync"):
        # Between two batches the trainer of JAX holds the states, and would put its own back.
        model.jax_state_sync()
    found = stateful_layers(model)
    for layer in found:
        _reset(layer)
    return len(found)


def stateful_layers(model: Any) -> list[Any]:
    """The recurrent layers in a model that hold states, in the order of its attributes."""
    return [layer for layer in layers_in(model) if _is_stateful(layer)]


def layers_in(model: Any) -> list[Any]:
    """A model or layer, and every layer in it, however nested."""
    return list(_walk(model, set()))


def _is_stateful(layer: Any) -> bool:
    return isinstance(layer, keras.layers.RNN) and layer.stateful and layer.states is not None


def _reset(layer: Any) -> None:
    if isinstance(layer, Recurrent):
        layer.reset_state()
        return
    for variable in tree.flatten(layer.states):
        variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))


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
