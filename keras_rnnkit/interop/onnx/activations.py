"""Activations of recurrent cells: as attributes of an operator, and as operators of their own."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras

from keras_rnnkit.cells._min import positive
from keras_rnnkit.interop.onnx.elementwise import activated
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


def apply(activation: Any, x: Tensor) -> Tensor:
    """The activation of a tensor, as nodes of its graph.

    Raises:
        Unsupported: For an unknown activation.
    """
    if activation is positive:  # that of the minimal cells
        return x.apply("Less", 0.0).apply("Where", x.apply("Sigmoid"), x + 0.5)
    return Tensor(x.graph, activated(x.graph, activation, x.name))
