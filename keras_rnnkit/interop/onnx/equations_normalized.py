"""The equations of the layer-normalised cells."""

from __future__ import annotations

from typing import Any

from keras_rnnkit.interop.onnx.equation_parts import States, linear, recurrent, sigma, tanh
from keras_rnnkit.interop.onnx.tensors import Tensor
from keras_rnnkit.interop.onnx.weights import array


def normalized(cell: Any, x: Tensor, gamma: Any, beta: Any = None) -> Tensor:
    """`gamma * N(x) + beta` over the last axis."""
    shift = () if beta is None else (array(beta),)
    return x.apply("LayerNormalization", array(gamma), *shift, axis=-1, epsilon=cell.epsilon)


def layer_norm_simple_rnn(cell: Any, z: Tensor, states: States) -> tuple[Tensor, States]:
    """One step of `LayerNormSimpleRNNCell`."""
    (h,) = states
    shift = cell.bias if cell.use_bias else None
    h = tanh(cell, normalized(cell, z + recurrent(cell, h), cell.gamma, shift))
    return h, [h]


def project_layer_norm_lstm(cell: Any, x: Tensor) -> Tensor:
    """What depends on the inputs of a `LayerNormLSTMCell`."""
    x = normalized(cell, linear(cell, x), cell.kernel_gamma, cell.kernel_beta)
    return x + array(cell.bias) if cell.use_bias else x


def layer_norm_lstm(cell: Any, z: Tensor, states: States) -> tuple[Tensor, States]:
    """One step of `LayerNormLSTMCell`."""
    h, c = states
    v = normalized(cell, recurrent(cell, h), cell.recurrent_gamma, cell.recurrent_beta)
    i, f, g, o = (z + v).split(4)
    c = sigma(cell, f) * c + sigma(cell, i) * tanh(cell, g)
    c = normalized(cell, c, cell.state_gamma, cell.state_beta)
    h = sigma(cell, o) * tanh(cell, c)
    return h, [h, c]


def project_layer_norm_gru(cell: Any, x: Tensor) -> Tensor:
    """What depends on the inputs of a `LayerNormGRUCell`."""
    x = _normalized_gru(cell, linear(cell, x), cell.kernel_gamma)
    return x + array(cell.bias)[0] if cell.use_bias else x


def layer_norm_gru(cell: Any, x: Tensor, states: States) -> tuple[Tensor, States]:
    """One step of `LayerNormGRUCell`."""
    (h,) = states
    v = _normalized_gru(cell, recurrent(cell, h), cell.recurrent_gamma)
    v = v + array(cell.bias)[1] if cell.use_bias else v
    x_z, x_r, x_g = x.split(3)
    v_z, v_r, v_g = v.split(3)
    z, r = sigma(cell, x_z + v_z), sigma(cell, x_r + v_r)
    g = tanh(cell, x_g + r * v_g)
    h = z * h + (1 - z) * g
    return h, [h]


def _normalized_gru(cell: Any, x: Tensor, gamma: Any) -> Tensor:
    """Update and reset gate normalised together, the candidate alone."""
    u, gamma = cell.units, array(gamma)
    sizes = x.graph.ints(2 * u, u)
    names = x.graph.add("Split", x.name, sizes, outputs=2, axis=-1)
    z_r, g = (Tensor(x.graph, name) for name in names)
    g = normalized(cell, g, gamma[2 * u :])
    return normalized(cell, z_r, gamma[: 2 * u]).apply("Concat", g, axis=-1)
