"""What the equations of several cells have in common."""

from __future__ import annotations

from typing import Any

from keras_rnnkit.interop.onnx.activations import apply
from keras_rnnkit.interop.onnx.tensors import Tensor
from keras_rnnkit.interop.onnx.weights import array

States = list[Tensor]


def affine(cell: Any, x: Tensor) -> Tensor:
    """`x W + b`, where b is the bias beside the inputs."""
    x = x @ array(cell.kernel)
    if not cell.use_bias:
        return x
    bias = array(cell.bias)
    return x + (bias[0] if bias.ndim == 2 else bias)


def linear(cell: Any, x: Tensor) -> Tensor:
    """`x W`."""
    return x @ array(cell.kernel)


def recurrent(cell: Any, h: Tensor) -> Tensor:
    """`h U`."""
    return h @ array(cell.recurrent_kernel)


def sigma(cell: Any, x: Tensor) -> Tensor:
    """The cell's `recurrent_activation`."""
    return apply(cell.recurrent_activation, x)


def tanh(cell: Any, x: Tensor) -> Tensor:
    """The cell's `activation`."""
    return apply(cell.activation, x)
