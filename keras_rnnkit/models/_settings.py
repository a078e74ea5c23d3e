"""The options of layers, which a compiled function of a model would not see change."""

from typing import Any

from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.models._intercept import attributes_of
from keras_rnnkit.running.options import plain_options


def options_of(layer: Any) -> dict[str, Any]:
    """The options of a layer by name: plain values, and functions such as activations."""
    public = (item for item in attributes_of(layer).items() if not item[0].startswith("_"))
    return plain_options(layer) | {name: value for name, value in public if callable(value)}


def settings_of(model: Any) -> list[Any]:
    """All that a compiled function of the model depends on beside its input and its weights."""
    options = [(id(layer), type(layer), options_of(layer)) for layer in layers_in(model)]
    return [*options, [id(variable) for variable in model.variables]]
