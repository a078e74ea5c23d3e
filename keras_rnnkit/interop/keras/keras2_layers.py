"""Layers from the configs of Keras 2.

Only the classes, activations, regularizers and constraints in the tables of this file are made, by
their names. A config cannot name a module, a function or code. Initializers are those by default,
as all weights come from the file.
"""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from keras_rnnkit import cells, layers
from keras_rnnkit.interop.keras.bounded import Bounded

_OF_KIT = {
    **{
        name: getattr(layers, name)
        for name in ("Bidirectional", "Embedding", "GRU", "LSTM", "RNN", "SimpleRNN")
    },
    "CuDNNGRU": layers.GRU,
    "CuDNNLSTM": layers.LSTM,
    "GRUCell": cells.GRUCell,
    "LSTMCell": cells.LSTMCell,
    "SimpleRNNCell": cells.SimpleRNNCell,
    "TimeDistributed": layers.TimeDistributed,
}
_OF_KERAS = (
    *("Activation", "ActivityRegularization", "Add", "AlphaDropout", "Average"),
    *("AveragePooling1D", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv1D"),
    *("Conv2D", "Cropping1D", "Dense", "Dot", "Dropout", "ELU", "Flatten", "GaussianDropout"),
    *("GaussianNoise", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D"),
    *("GlobalMaxPooling2D", "LayerNormalization", "LeakyReLU", "Masking", "MaxPooling1D"),
    *("MaxPooling2D", "Maximum", "Minimum", "Multiply", "PReLU", "Permute", "ReLU"),
    *("RepeatVector", "Reshape", "SeparableConv1D", "Softmax", "SpatialDropout1D"),
    *("StackedRNNCells", "Subtract", "UpSampling1D", "ZeroPadding1D"),
)
_MODELS = ("Functional", "Model", "Sequential")
_ACTIVATIONS = (
    *("elu", "exponential", "gelu", "hard_sigmoid", "linear", "relu", "selu", "sigmoid"),
    *("softmax", "softplus", "softsign", "swish", "tanh"),
)
_RULES = {
    "regularizer": ("L1", "L1L2", "L2"),
    "constraint": ("MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"),
}
_POLICIES = {
    f"{kind}{bits}" for kind in ("float", "mixed_float", "int") for bits in (16, 32, 64)
} | {"bfloat16", "mixed_bfloat16"}
# Options that Keras 3 does not have, at the values at which they say nothing.
_WITHOUT_EFFECT: dict[str, tuple[Any, ...]] = {
    "adjustment": (None,),
    "fused": (None, True, False),
    "groups": (1,),
    "implementation": (0, 1, 2),
    "input_length": (...,),
    "kernel_constraint": (None,),
    "kernel_regularizer": (None,),
    "noise_shape": (None,),
    "num_constants": (None,),
    "ragged": (False,),
    "renorm": (False,),
    "size": (...,),
    "time_major": (False,),
    "virtual_batch_size": (None,),
}
_NEVER = {"weights", "lora_alpha", "lora_rank", "quantization_config", "kwargs"}
_RENAMED = {("LeakyReLU", "alpha"): "negative_slope"}


def make_layer(config: Any, make_model: Callable[[Any], Any]) -> Any:
    """The layer of a config of Keras 2.

    Args:
        config: `{"class_name": ..., "config": {...}}`.
        make_model: Makes the model of such a config.

    Raises:
        ValueError: For a class or an option that is not in the tables.
    """
    kind, options = class_and_options(config)
    if kind in _MODELS:
        return make_model(config)
    if kind not in _OF_KIT and kind not in _OF_KERAS:
        raise ValueError(
            f"its layer of class '{kind[:80]}' is not one that can be loaded; build the model with "
            "Keras 3 and give it as `model`"
        )
    made = _OF_KIT.get(kind) or getattr(keras.layers, kind)
    given = _initializers(made, kind)
    for name, value in options.items():
        given |= _option(kind, made, name, value, make_model)
    if kind.endswith("GRU") or kind == "GRUCell":
        # Keras before 2.2 had no `reset_after`, and computed what `False` computes.
        given.setdefault("reset_after", kind == "CuDNNGRU")
    frozen = given.pop("trainable", True) is False  # not every class has it as an argument
    layer = made(**given)
    if frozen:
        layer.trainable = False
    return layer


def class_and_options(config: Any) -> tuple[str, dict[str, Any]]:
    """The name of the class in a config, and its options, after a check of their types."""
    kind = config.get("class_name") if isinstance(config, dict) else None
    options = config.get("config") if isinstance(config, dict) else None
    if isinstance(options, list) and kind == "Sequential":
        options = {"layers": options}  # as Keras before 2.2.3 wrote it
    if not isinstance(kind, str) or not isinstance(options, dict):
        raise ValueError("its config has a layer without `class_name` and `config`")
    return kind, options


def _initializers(made: Any, kind: str) -> dict[str, Any]:
    """An initializer for each of the class that allocates no more than the file holds."""
    parameters = _parameters(made, kind)
    return {
        name: Bounded(default)
        for name, default in parameters.items()
        if name.endswith("_initializer")
    }


def _parameters(made: Any, kind: str) -> dict[str, Any]:
    """The arguments of a class and their defaults, with those of the bases that it passes on."""
    found: dict[str, Any] = {}
    for base in made.__mro__:
        if issubclass(base, keras.layers.Layer) and "__init__" in vars(base):
            signature = inspect.signature(base.__init__).parameters
            found = {name: one.default for name, one in signature.items()} | found
            if not any(one.kind is one.VAR_KEYWORD for one in signature.values()):
                break
    return found


def _option(
    kind: str, made: Any, name: str, value: Any, make_model: Callable[[Any], Any]
) -> dict[str, Any]:
    """An option of Keras 2 as one of Keras 3; nothing for one without effect."""
    name = _RENAMED.get((kind, name), name)
    if name == "batch_input_shape" or name.endswith("_initializer"):
        return {}
    if name == "dtype":
        return {} if value is None else {name: dtype_of(value)}
    if name in ("layer", "cell", "backward_layer"):
        return {} if value is None else {name: make_layer(value, make_model)}
    if name == "cells" and isinstance(value, list):
        return {name: [make_layer(cell, make_model) for cell in value]}
    known = name in _parameters(made, kind) and name not in _NEVER
    if not known and name not in ("name", "trainable", "zero_output_for_mask"):
        if value in _WITHOUT_EFFECT.get(name, ()) or _WITHOUT_EFFECT.get(name) == (...,):
            return {}
        raise ValueError(
            f"its layer of class '{kind}' has the option {name[:80]}={str(value)[:80]}, which "
            "cannot be loaded; build the model with Keras 3 and give it as `model`"
        )
    return {name: _value(kind, name, value)}


def _value(kind: str, name: str, value: Any) -> Any:
    """The value of an option: plain data, or an object of the tables."""
    if name.endswith("activation") and value is not None:
        if value not in _ACTIVATIONS:
            raise ValueError(f"its layer of class '{kind}' has an unknown {name}: {_shown(value)}")
        if kind == "Activation" and value == "hard_sigmoid":
            raise ValueError("its layer of class 'Activation' is the `hard_sigmoid` of Keras 2")
        return value
    rule = name.rpartition("_")[2]
    if rule in _RULES and value is not None:
        return _rule(rule, name, value)
    if kind == "BatchNormalization" and name == "axis" and isinstance(value, list):
        value = value[0] if len(value) == 1 else value
    if not _is_plain(value):
        raise ValueError(f"its layer of class '{kind}' has {name}={_shown(value)}")
    return value


def _rule(rule: str, name: str, value: Any) -> Any:
    """A regularizer or a constraint."""
    kind, options = class_and_options(value)
    if kind not in _RULES[rule] or not all(isinstance(v, int | float) for v in options.values()):
        raise ValueError(f"it has an unknown {name}: {_shown(value)}")
    module = keras.regularizers if rule == "regularizer" else keras.constraints
    return getattr(module, kind)(**options)


def dtype_of(value: Any) -> str:
    """The dtype, or the name of the dtype policy, in a config of Keras 2."""
    if isinstance(value, dict) and isinstance(value.get("config"), dict):
        value = value["config"].get("name")
    if not isinstance(value, str) or value not in _POLICIES | {"bool"}:
        raise ValueError(f"it has an unknown dtype: {_shown(value)}")
    return value


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= 100 and all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _shown(value: Any) -> str:
    return repr(value)[:80]
