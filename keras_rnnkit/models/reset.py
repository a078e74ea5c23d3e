"""Resetting the states of a whole model."""

from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.layers._walk import layers_in, stateful_layers


def reset_states(model: Any) -> int:
    """Reset every stateful recurrent layer of a model, also nested ones, to its initial states.

    This includes layers of `keras.layers`, and layers inside models, wrappers and attributes. In a
    callback at the start or the end of a batch, pass the whole model that is being trained.

    Args:
        model: A model or a layer.

    Returns:
        The number of layers that were reset: zero if none is stateful or none has been called yet.

    Raises:
        TypeError: If `model` is not a Keras layer or model.
        RuntimeError: On JAX, if it is called between two batches of `fit` with a part of the
            trained model.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([keras.Input(batch_shape=(2, 5, 3)), kit.GRU(4, stateful=True)])
    >>> _ = model(np.ones((2, 5, 3), "float32"))
    >>> kit.reset_states(model)
    1
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"`model` must be a Keras model or layer. Received: model={model!r}")
    if hasattr(model, "jax_state_sync"):
        # Between two batches the JAX trainer holds the states, and would overwrite the reset ones.
        model.jax_state_sync()
    found = stateful_layers(model)
    for layer in found:
        _reset(layer)
    return len(found)


def made_stateful(model: Any) -> list[Any]:
    """The layers in a model that are made with `stateful=True`, however nested, built or not."""
    return [layer for layer in layers_in(model) if getattr(layer, "stateful", False)]


def _reset(layer: Any) -> None:
    if isinstance(layer, Recurrent):
        layer.reset_state()
        return
    for variable in tree.flatten(layer.states):
        variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))
