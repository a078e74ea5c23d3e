"""The equations of the cells that are no operators of ONNX, in the letters of their docstrings.

Each cell has two functions: `project(cell, x)` is what depends on the inputs alone, for all steps
in one product, and `step(cell, projected, states)` is one step from it: the output and the new
states.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_rnnkit import cells
from keras_rnnkit.initializers.decay import EXPONENT
from keras_rnnkit.interop.onnx import equations_normalized as normalized
from keras_rnnkit.interop.onnx.equation_parts import (
    States,
    affine,
    linear,
    recurrent,
    sigma,
    tanh,
)
from keras_rnnkit.interop.onnx.tensors import Tensor
from keras_rnnkit.interop.onnx.weights import array

_keras = keras.layers


class Equations(NamedTuple):
    """The functions of a cell.

    Attributes:
        project: `(cell, x)`, where x is `(..., features)`: a tensor `(..., width)`.
        step: `(cell, projected, states)`: the output and the new states.
    """

    project: Callable[[Any, Tensor], Tensor]
    step: Callable[[Any, Tensor, States], tuple[Tensor, States]]


def equations_of(cell: Any) -> Equations | None:
    """The equations of a cell; `None` for an unknown one."""
    if type(cell) is cells.Zoneout:
        inner = equations_of(cell.cell)
        return None if inner is None else _zoneout(inner)
    return _EQUATIONS.get(type(cell))


def _simple_rnn(cell: Any, z: Tensor, states: States) -> tuple[Tensor, States]:
    (h,) = states
    h = tanh(cell, z + recurrent(cell, h))
    return h, [h]


def _esn(cell: Any, z: Tensor, states: States) -> tuple[Tensor, States]:
    (h,) = states
    g = tanh(cell, z + recurrent(cell, h))
    h = (1 - cell.leaky) * h + cell.leaky * g
    return h, [h]


def _lstm(cell: Any, z: Tensor, states: States) -> tuple[Tensor, States]:
    h, c = states
    i, f, g, o = (z + recurrent(cell, h)).split(4)
    c = sigma(cell, f) * c + sigma(cell, i) * tanh(cell, g)
    h = sigma(cell, o) * tanh(cell, c)
    return h, [h, c]


def _projected_lstm(cell: Any, z: Tensor, states: States) -> tuple[Tensor, States]:
    h, (_, c) = _lstm(cell, z, states)
    h = h @ array(cell.projection_kernel)
    return h, [h, c]


def _coupled_lstm(cell: Any, z: Tensor, states: States) -> tuple[Tensor, States]:
    h, c = states
    f, g, o = (z + recurrent(cell, h)).split(3)
    f = sigma(cell, f)
    c = f * c + (1 - f) * tanh(cell, g)
    h = sigma(cell, o) * tanh(cell, c)
    return h, [h, c]


def _peephole_lstm(cell: Any, z: Tensor, states: States) -> tuple[Tensor, States]:
    h, c = states
    p_i, p_f, p_o = map(array, (cell.input_peephole, cell.forget_peephole, cell.output_peephole))
    i, f, g, o = (z + recurrent(cell, h)).split(4)
    i, f = sigma(cell, i + c * p_i), sigma(cell, f + c * p_f)
    c = f * c + i * tanh(cell, g)
    h = sigma(cell, o + c * p_o) * tanh(cell, c)
    return h, [h, c]


def _gru(cell: Any, z: Tensor, states: States) -> tuple[Tensor, States]:
    (h,) = states
    x_z, x_r, x_g = z.split(3)
    u = array(cell.recurrent_kernel)
    if cell.reset_after:
        v = h @ u
        v_z, v_r, v_g = (v + array(cell.bias)[1] if cell.use_bias else v).split(3)
        r = sigma(cell, x_r + v_r)
        g = tanh(cell, x_g + r * v_g)
    else:
        v_z, v_r = (h @ u[:, : 2 * cell.units]).split(2)
        r = sigma(cell, x_r + v_r)
        g = tanh(cell, x_g + (r * h) @ u[:, 2 * cell.units :])
    z = sigma(cell, x_z + v_z)
    h = z * h + (1 - z) * g
    return h, [h]


def _nas(cell: Any, u: Tensor, states: States) -> tuple[Tensor, States]:
    h, c = states
    v = recurrent(cell, h)
    v = v + array(cell.bias) if cell.use_bias else v
    u1, u2, u3, u4, u5, u6, u7, u8 = u.split(8)
    v1, v2, v3, v4, v5, v6, v7, v8 = v.split(8)

    s, t = partial(sigma, cell), partial(tanh, cell)  # the two activations
    candidate = t(s(u1 + v1) * (u2 + v2).apply("Relu"))
    scale = t(s(u3 + v3) + (u4 * v4).apply("Relu"))
    output = t(t(t(u5 + v5) * s(u6 + v6)) + s(t(u7 + v7) + s(u8 + v8)))
    c = scale * t(candidate + c)
    h = t(output * c)
    h = h if cell.projection is None else h @ array(cell.projection_kernel)
    return h, [h, c]


def _project_min_gru(cell: Any, x: Tensor) -> Tensor:
    z, g = affine(cell, x).split(2)
    z, g = z.apply("Sigmoid"), tanh(cell, g)
    return (1 - z).apply("Concat", z * g, axis=-1)


def _project_min_lstm(cell: Any, x: Tensor) -> Tensor:
    i, f, g = affine(cell, x).split(3)
    # i / (i + f) of their sigmoids, without 0 / 0 where both underflow
    i = ((f * -1).apply("Softplus") - (i * -1).apply("Softplus")).apply("Sigmoid")
    return (1 - i).apply("Concat", i * tanh(cell, g), axis=-1)


def _project_rglru(cell: Any, x: Tensor) -> Tensor:
    r, i, g = affine(cell, x).split(3)
    y = r.apply("Sigmoid") * (EXPONENT * np.logaddexp(array(cell.decay), 0))  # -log(a)
    a = (y * -1).apply("Exp")
    # 1 - a^2 = tanh(y) (1 + a^2), without cancellation where a is near 1
    s = (y.apply("Tanh") * (a * a + 1)).apply("Sqrt")
    return a.apply("Concat", s * i.apply("Sigmoid") * tanh(cell, g), axis=-1)


def _linear_recurrence(cell: Any, projected: Tensor, states: States) -> tuple[Tensor, States]:
    (h,) = states
    a, b = projected.split(2)
    h = a * h + b
    return h, [h]


def _zoneout(inner: Equations) -> Equations:
    """Those of a cell in `Zoneout`: in inference, the expected values of the new states."""

    def step(cell: Any, projected: Tensor, states: States) -> tuple[Tensor, States]:
        output, new = inner.step(cell.cell, projected, states)
        mixed = [
            p * old + (1 - p) * value if p else value
            for p, value, old in zip(cell.rates, new, states, strict=True)
        ]
        return (mixed[0] if output is new[0] else output), mixed

    return Equations(lambda cell, x: inner.project(cell.cell, x), step)


_EQUATIONS = {
    _keras.LSTMCell: Equations(affine, _lstm),
    _keras.GRUCell: Equations(affine, _gru),
    _keras.SimpleRNNCell: Equations(affine, _simple_rnn),
    cells.CoupledLSTMCell: Equations(affine, _coupled_lstm),
    cells.ESNCell: Equations(affine, _esn),
    cells.GRUCell: Equations(affine, _gru),
    cells.LSTMCell: Equations(affine, _lstm),
    cells.LayerNormGRUCell: Equations(normalized.project_layer_norm_gru, normalized.layer_norm_gru),
    cells.LayerNormLSTMCell: Equations(
        normalized.project_layer_norm_lstm, normalized.layer_norm_lstm
    ),
    cells.LayerNormSimpleRNNCell: Equations(linear, normalized.layer_norm_simple_rnn),
    cells.MinGRUCell: Equations(_project_min_gru, _linear_recurrence),
    cells.MinLSTMCell: Equations(_project_min_lstm, _linear_recurrence),
    cells.NASCell: Equations(linear, _nas),
    cells.PeepholeLSTMCell: Equations(affine, _peephole_lstm),
    cells.ProjectedLSTMCell: Equations(affine, _projected_lstm),
    cells.RGLRUCell: Equations(_project_rglru, _linear_recurrence),
    cells.SimpleRNNCell: Equations(affine, _simple_rnn),
}
