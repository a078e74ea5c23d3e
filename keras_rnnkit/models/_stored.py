"""What is made of a model once, such as compiled functions, and stored until the model changes."""

from collections.abc import Callable, Hashable
from typing import Any

import keras

from keras_rnnkit.layers._traceable import check_variables_are_here
from keras_rnnkit.models._settings import settings_of

_PLACE = "_keras_rnnkit_stored"


def stored(model: Any, key: Hashable, make: Callable[[], Any]) -> Any:
    """What is stored of a model by a key, or a new one if the model has changed.

    It is stored on the model, where Keras does not track it, and is freed with the model.

    Args:
        model: A built model or layer.
        key: What it is.
        make: Makes a new one.

    Raises:
        TypeError: If `model` is not a Keras model or layer.
        ValueError: If it is not built.
    """
    check_model(model)
    place = vars(model).setdefault(_PLACE, {})
    settings = settings_of(model)
    owner, old, found = place.get(key, (None, None, None))
    if owner is not model or old != settings:  # another owner: a copy of the model has its dict
        found = make()
        place[key] = (model, settings, found)
    return found


def check_model(model: Any) -> None:
    """Refuse what is not a built model or layer whose variables are here.

    Raises:
        TypeError: It is not a Keras model or layer.
        ValueError: It is not built.
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"`model` must be a Keras model or layer. Received: model={model!r}")
    if not model.built:
        raise ValueError(
            "`model` must be built, so that it has weights. Call it on data, or give it a "
            f"`keras.Input`. Received: model='{model.name}', model.built=False"
        )
    check_variables_are_here(model)
