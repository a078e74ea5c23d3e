"""`load_keras2`: models and weights from the HDF5 files of Keras 2."""

from typing import Any

import keras
import numpy as np

from keras_rnnkit._checks import PathLike, as_path
from keras_rnnkit.interop.keras.bounded import at_most, restore_initializers
from keras_rnnkit.interop.keras.keras2_file import Keras2File, open_keras2
from keras_rnnkit.interop.keras.keras2_graphs import Builder
from keras_rnnkit.interop.keras.keras2_weights import check_without_weights, paired
from keras_rnnkit.layers._walk import layers_in


def load_keras2(path: PathLike, model: Any = None) -> Any:
    """The model in an HDF5 file of Keras 2, or its weights in a model that is given.

    Sequential and functional models are made with the kit's layers, as far as their layers are
    those of Keras; `keras_rnnkit.to_keras` then makes plain Keras layers of them. They are not
    compiled. `CuDNNLSTM` and `CuDNNGRU` become `LSTM` and `GRU`, which run on every device. The
    `hard_sigmoid` of Keras 2 has another slope than that of Keras 3, so that the weights before it
    are multiplied by 1.2, and the outputs are the same. The default of the gates was `hard_sigmoid`
    until Keras 2.3: give it to the layers of a `model` for weights of that time.

    A file from a source that is not trusted runs no code and reads no other file. A layer of
    another class, such as a `Lambda`, is refused by name.

    Args:
        path: The `.h5` file, of a whole model (`model.save`) or of weights (`save_weights`).
        model: The built Keras 3 model that gets the weights, of the kit's or of Keras' layers.
            Layers are found by their names if all names are the same, else by their order. By
            default, the model is made from the file.

    Returns:
        The new model, or `model`.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If `path` is not a path, or `model` not a Keras model.
        ValueError: If the file is not one of Keras 2, is damaged, refers to another file, has no
            architecture and no `model` is given, has a layer or an option that cannot be loaded, or
            weights of other shapes than the model. The model is then unchanged.

    Example:

    >>> import keras_rnnkit as kit
    >>> kit.load_keras2("imdb_2018.h5")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'imdb_2018.h5'
    """
    target = as_path(path, "path")
    if model is not None and not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a Keras model, or None. Received: model={model!r}")
    if model is not None and not model.built:
        raise ValueError(
            "`model` must be built, so that it has weights. Call it on data, or give it a "
            f"`keras.Input`. Received: model='{model.name}', model.built=False"
        )
    with open_keras2(target) as file:
        arrays = file.arrays()
        builder = Builder()
        if model is None:
            model = _made(file, builder)
            layers = builder.order[id(model)]
        else:
            layers = model.layers
            check_without_weights(layers_in(model))
        pairs: list[tuple[Any, np.ndarray]] = []
        for layer, of_layer in _matched(layers, arrays):
            pairs += paired(layer, of_layer, builder.order)
    for variable, value in pairs:
        variable.assign(value)
    return model


def _made(file: Keras2File, builder: Builder) -> Any:
    """The model of the architecture in a file."""
    config = file.config()
    if config is None:
        raise ValueError("it has weights alone; build their model and give it as `model`")
    with at_most(file.size()):
        model = builder.model(config)
    restore_initializers(model)
    return model


def _matched(
    layers: list[Any], arrays: dict[str, dict[str, np.ndarray]]
) -> list[tuple[Any, dict[str, np.ndarray]]]:
    """The layers that have weights, each with its arrays."""
    weighted = [layer for layer in layers if layer.weights]
    if {layer.name for layer in weighted} == set(arrays):
        return [(layer, arrays[layer.name]) for layer in weighted]
    if len(weighted) != len(arrays):
        raise ValueError(
            f"it has weights for {len(arrays)} layers, and the model has {len(weighted)} layers "
            f"with weights: {list(arrays)} and {[layer.name for layer in weighted]}"
        )
    return list(zip(weighted, arrays.values(), strict=True))
