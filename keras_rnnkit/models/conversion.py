"""A Keras model with its recurrent layers replaced by those of the kit."""

import tempfile
from typing import Any

import keras
import numpy as np
from keras import tree

from keras_rnnkit.layers._walk import layers_in, stateful_layers

NAMES = (
    *("Bidirectional", "GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "SimpleRNN", "SimpleRNNCell"),
    *("Embedding", "TimeDistributed"),
)


def from_keras(model: Any) -> Any:
    """A copy of a model whose recurrent layers of `keras.layers` are replaced by the kit's.

    The copy has the weights of the model, the adapted state of preprocessing layers such as
    `TextVectorization` and `Normalization`, the states of stateful layers, and the compile options,
    with a new optimizer. The original model is not changed. To convert a model in a file, call
    `kit.from_keras(keras.models.load_model(path))`.

    Args:
        model: A built model or layer that Keras can serialize: functional, `Sequential`, or of a
            class with its own `get_config`.

    Returns:
        A model of the same kind, with the same layer names.

    Raises:
        TypeError: If `model` is not a Keras layer or model.
        ValueError: If `model` is not built, or creates its recurrent layers in its own code, so
            that its config does not contain them.

    Example:

    >>> import keras
    >>> import keras_rnnkit as kit
    >>> theirs = keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(4)])
    >>> mine = kit.from_keras(theirs)
    >>> isinstance(mine.layers[0], kit.LSTM)
    True
    """
    check_convertible(model)
    config = keras.saving.serialize_keras_object(model)
    copy = keras.saving.deserialize_keras_object(_renamed(config))
    _check_converted(copy)
    copy.set_weights(model.get_weights())
    copy_adapted(copy, model)
    for mine, theirs in zip(stateful_layers(copy), stateful_layers(model), strict=True):
        mine.reset_state([state.value for state in tree.flatten(theirs.states)])
    return copy


def check_convertible(model: Any) -> None:
    """Refuse what has no weights to copy.

    Raises:
        TypeError: If `model` is not a Keras layer or model.
        ValueError: If it is not built.
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"`model` must be a Keras model or layer. Received: model={model!r}")
    if not model.built:
        raise ValueError(
            "`model` must be built, as its weights are copied. Call it on data, or give it a "
            "`keras.Input`, before it is converted. "
            f"Received: model='{model.name}', model.built=False"
        )


def copy_adapted(copy: Any, model: Any) -> None:
    """Copy what preprocessing layers have learned from data, as saving and loading a file does."""
    for mine, theirs in zip(_adapted(copy), _adapted(model), strict=True):
        _adapt(mine, theirs)


def _adapted(model: Any) -> list[Any]:
    """The layers that have an `adapt`, or save more than weights in files of their own."""
    hooks = ("adapt", "save_assets")
    return [layer for layer in layers_in(model) if any(hasattr(layer, hook) for hook in hooks)]


def _adapt(mine: Any, theirs: Any) -> None:
    """Copy what a layer has learned in `adapt`, as saving and loading a file does."""
    store: dict[str, Any] = {}
    theirs.save_own_variables(store)
    # As new arrays: on JAX the trainer of one model would delete arrays shared with the other.
    mine.load_own_variables({name: np.array(value) for name, value in store.items()})
    words = [layer.get_vocabulary() for layer in (mine, theirs) if hasattr(layer, "get_vocabulary")]
    if not hasattr(theirs, "save_assets") or (words and words[0] == words[1]):
        return  # Keras cannot load an empty vocabulary
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_assets(folder)
        mine.load_assets(folder)


def _renamed(config: Any) -> Any:
    """The config with every recurrent class of `keras.layers` replaced by the kit's namesake."""
    if isinstance(config, list | tuple):
        return type(config)(_renamed(part) for part in config)
    if not isinstance(config, dict):
        return config
    config = {key: _renamed(value) for key, value in config.items()}
    name = config.get("class_name")
    if config.get("module") == "keras.layers" and name in NAMES:
        config |= {"module": "keras_rnnkit.layers", "registered_name": f"keras_rnnkit>{name}"}
    return config


def _check_converted(copy: Any) -> None:
    """Refuse a copy with a recurrent layer of Keras: a class that makes its layers in its code."""
    layers = keras.layers
    kinds = {layers.Bidirectional, layers.GRU, layers.LSTM, layers.RNN, layers.SimpleRNN}
    left = [layer.name for layer in layers_in(copy) if type(layer) in kinds]
    if left:
        raise ValueError(
            f"`model` '{copy.name}' makes its recurrent layers in its own code, so that its config "
            "does not name them and they cannot be replaced. Put the kit's layers there, and load "
            f"the weights of the Keras model into them. Received: layers={left}"
        )
