"""Activations: as attributes of a recurrent operator, and as operators of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from keras_rnnkit.cells._min import positive
from keras_rnnkit.interop.onnx.tensors import Tensor

_keras = keras.activations


class Attribute(NamedTuple):
    """An activation as the operators `LSTM`, `GRU` and `RNN` take it.

    Attributes:
        name: Its name in the attribute `activations`.
        alpha: Its entry in `activation_alpha`, if it has one.
        beta: Its entry in `activation_beta`, if it has one.
    """

    name: str
    alpha: float | None = None
    beta: float | None = None


# Keras' defaults: a slope of 0.2 for `leaky_relu`, x / 6 + 1 / 2 for `hard_sigmoid`.
_ATTRIBUTES = {
    _keras.elu: Attribute("Elu", 1.0),
    _keras.hard_sigmoid: Attribute("HardSigmoid", 1 / 6, 0.5),
    _keras.leaky_relu: Attribute("LeakyRelu", 0.2),
    _keras.linear: Attribute("Affine", 1.0, 0.0),
    _keras.relu: Attribute("Relu"),
    _keras.sigmoid: Attribute("Sigmoid"),
    _keras.softplus: Attribute("Softplus"),
    _keras.softsign: Attribute("Softsign"),
    _keras.tanh: Attribute("Tanh"),
}


def as_attribute(activation: Any) -> Attribute | None:
    """The activation as an attribute of a recurrent operator; `None` where that has no such one."""
    return _ATTRIBUTES.get(activation)


def supports(activation: Any) -> bool:
    """Whether `apply` takes the activation."""
    return activation in _OPERATORS


def apply(activation: Any, x: Tensor) -> Tensor:
    """The activation of a tensor, as nodes of its graph."""
    return _OPERATORS[activation](x)


def _clipped(x: Tensor, low: float, high: float) -> Tensor:
    return x.apply("Clip", low, high)


def _hard_sigmoid(x: Tensor) -> Tensor:
    return x.apply("HardSigmoid", alpha=1 / 6, beta=0.5)


def _gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + (x * 0.5**0.5).apply("Erf"))


def _positive(x: Tensor) -> Tensor:
    below = x.apply("Less", 0.0)
    return below.apply("Where", x.apply("Sigmoid"), x + 0.5)


_OPERATORS: dict[Any, Callable[[Tensor], Tensor]] = {
    _keras.elu: lambda x: x.apply("Elu"),
    _keras.exponential: lambda x: x.apply("Exp"),
    _keras.gelu: _gelu,
    _keras.hard_sigmoid: _hard_sigmoid,
    _keras.hard_silu: lambda x: x * _hard_sigmoid(x),
    _keras.hard_tanh: lambda x: _clipped(x, -1, 1),
    _keras.leaky_relu: lambda x: x.apply("LeakyRelu", alpha=0.2),
    _keras.linear: lambda x: x,
    _keras.log_sigmoid: lambda x: (x * -1).apply("Softplus") * -1,
    _keras.log_softmax: lambda x: x.apply("LogSoftmax", axis=-1),
    _keras.mish: lambda x: x * x.apply("Softplus").apply("Tanh"),
    _keras.relu: lambda x: x.apply("Relu"),
    _keras.relu6: lambda x: _clipped(x, 0, 6),
    _keras.selu: lambda x: x.apply("Selu"),
    _keras.sigmoid: lambda x: x.apply("Sigmoid"),
    _keras.silu: lambda x: x * x.apply("Sigmoid"),
    _keras.softmax: lambda x: x.apply("Softmax", axis=-1),
    _keras.softplus: lambda x: x.apply("Softplus"),
    _keras.softsign: lambda x: x.apply("Softsign"),
    _keras.tanh: lambda x: x.apply("Tanh"),
    _keras.tanh_shrink: lambda x: x - x.apply("Tanh"),
    positive: _positive,
}
