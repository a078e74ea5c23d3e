"""Configs of the kit's layers as configs of `keras.layers`, or a refusal by name."""

from collections.abc import Callable
from typing import Any

import keras

KIT = "keras_rnnkit>"  # the registered names of the kit's classes begin with it

# The values of the kit's own options at which the Keras layer of the same name computes the same.
_PLAIN: dict[str, tuple[Any, ...]] = {
    "return_gates": (False,),
    "recurrent_weight_dropout": (0, 0.0),
    "path": ("auto", "fused", "portable"),
}
_OF_LAYERS = ("return_gates", "path", "recurrent_weight_dropout")
_OWN_OPTIONS = {
    "Bidirectional": ("return_gates",),
    "Embedding": (),
    "GRU": _OF_LAYERS,
    "GRUCell": ("recurrent_weight_dropout",),
    "LSTM": _OF_LAYERS,
    "LSTMCell": ("recurrent_weight_dropout",),
    "RNN": _OF_LAYERS,
    "SimpleRNN": _OF_LAYERS,
    "SimpleRNNCell": (),
    "TimeDistributed": (),
}
_INITIALIZERS = ("Chrono", "Decay")
_REASONS = {
    "return_gates": "a Keras layer returns no gates",
    "recurrent_weight_dropout": "a Keras layer drops no recurrent weights",
    "activity_regularizer": "the Keras layer ignores it without an error",
}
_ADVICE = {
    "return_gates": "Build the model without it and load the weights",
    "recurrent_weight_dropout": "Set it to 0 in the config, as it acts in training only",
    "activity_regularizer": "Remove it from the config, as it acts in training only",
}


def is_of_kit(value: Any) -> bool:
    """Whether this is the config of an object of the kit."""
    return isinstance(value, dict) and str(value.get("registered_name", "")).startswith(KIT)


def name_in(config: dict[str, Any]) -> str:
    """The name of the layer in a serialized config, with its class: `LSTM 'lstm'`."""
    inner = config.get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    return config["class_name"] + (f" '{name}'" if name else "")


def refusal(config: dict[str, Any], place: str, reason: str, advice: str) -> ValueError:
    """The error for a layer that `keras.layers` has no equal for."""
    return ValueError(
        f"`model` cannot be made of `keras.layers` alone: {name_in(config)} at '{place}' {reason}. "
        f"{advice}. Received: layer={name_in(config)}"
    )


def plain(value: Any, place: str, expand: Callable[[dict[str, Any], str], dict[str, Any]]) -> Any:
    """The config with the classes of `keras.layers` in place of the kit's.

    Args:
        value: A serialized model or layer, or a part of one.
        place: The path to it in the model, for an error.
        expand: Puts Keras layers in the place of each `StackedRNN`, where a config holds one.

    Raises:
        ValueError: For a layer or an option that Keras does not have.
    """
    if isinstance(value, list | tuple):
        return type(value)(plain(part, place, expand) for part in value)
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("class_name"), str):
        value = expand(value, place)
        inner = value.get("config")
        if isinstance(inner, dict) and "name" in inner:
            place = f"{place}/{inner['name']}" if place else inner["name"]
    value = {key: plain(part, place, expand) for key, part in value.items()}
    return _renamed(value, place) if is_of_kit(value) else value


def _renamed(config: dict[str, Any], place: str) -> dict[str, Any]:
    kind = config["registered_name"].removeprefix(KIT)
    if kind in _INITIALIZERS:  # the weights are set, so what they started from has no effect
        return keras.initializers.serialize(keras.initializers.Zeros())
    if kind not in _OWN_OPTIONS:
        raise refusal(
            config,
            place,
            "has no equal there",
            "Train the model with a layer that Keras has, or use it where keras_rnnkit is "
            "installed",
        )
    options = dict(config["config"])
    options.pop("recompute", None)  # which changes no numbers
    for name in _OWN_OPTIONS[kind]:
        received = options.pop(name, _PLAIN[name][0])
        if received not in _PLAIN[name]:
            raise _option_refused(config, place, name, received)
    if kind == "SimpleRNN" and options.get("activity_regularizer") is not None:
        raise _option_refused(config, place, "activity_regularizer", "...")
    if "return_sequences" in options:  # Keras applies it to the last output too
        zeros = options["zero_output_for_mask"] and options["return_sequences"]
        options["zero_output_for_mask"] = zeros
    if "unroll" in options:  # Keras' unrolled loop treats masks in another way, or fails on them
        options["unroll"] = False
    if kind == "RNN":
        options["cell"] = _without_stack_of_one(options["cell"])
    return {
        **config,
        "module": "keras.layers",
        "class_name": kind,
        "registered_name": None,
        "config": options,
    }


def _option_refused(config: dict[str, Any], place: str, name: str, received: Any) -> ValueError:
    return ValueError(
        f"`model` cannot be made of `keras.layers` alone: {name_in(config)} at '{place}' has "
        f"`{name}`, and {_REASONS[name]}. {_ADVICE[name]}. "
        f"Received: layer={name_in(config)}, {name}={received}"
    )


def _without_stack_of_one(cell: Any) -> Any:
    """The cell in a stack of a single one, which an `RNN` of Keras cannot run."""
    cells = cell["config"].get("cells") if cell["class_name"] == "StackedRNNCells" else None
    return cells[0] if cells and len(cells) == 1 else cell
