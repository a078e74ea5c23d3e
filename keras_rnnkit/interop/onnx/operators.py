"""Cells as ONNX operators: the weights of `LSTM`, `GRU` and `RNN` in the order that ONNX has.

| | Keras | ONNX |
|---|---|---|
| LSTM | `i, f, c, o` | `i, o, f, c` |
| GRU | `z, r, h` | `z, r, h` |
| peepholes | `i, f, o` | `i, o, f` |

The kernels are transposed. ONNX has two biases, beside the inputs and beside the hidden state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_rnnkit import cells
from keras_rnnkit.interop.gate_blocks import reordered
from keras_rnnkit.interop.onnx.activations import Attribute, as_attribute
from keras_rnnkit.interop.onnx.weights import array

_keras = keras.layers


class Operator(NamedTuple):
    """One direction of a recurrent operator.

    Attributes:
        kind: `"LSTM"`, `"GRU"` or `"RNN"`.
        units: The width of the states.
        kernel: `(gates * units, features)`.
        recurrent: `(gates * units, units)`.
        bias: `(2 * gates * units,)`.
        activations: Those of the gates and of the states, in the operator's order.
        peepholes: `(3 * units,)`, or `None`.
        options: Further attributes.
    """

    kind: str
    units: int
    kernel: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray
    activations: tuple[Attribute, ...]
    peepholes: np.ndarray | None = None
    options: tuple[tuple[str, int], ...] = ()


def operator_of(cell: Any) -> Operator | None:
    """The operator that computes a cell; `None` where ONNX has none."""
    make = _OPERATORS.get(type(cell))
    return None if make is None else make(cell)


def alike(first: Operator, second: Operator) -> bool:
    """Whether one node can compute both, as its two directions."""
    return (
        (first.kind, first.units, first.options) == (second.kind, second.units, second.options)
        and first.kernel.shape == second.kernel.shape
        and (first.peepholes is None) == (second.peepholes is None)
    )


def _activations(*functions: Any) -> tuple[Attribute, ...] | None:
    """The functions as attributes; `None` where the operators lack one of them."""
    found = tuple(map(as_attribute, functions))
    return None if None in found else found  # type: ignore[return-value]


def _lstm(cell: Any, peepholes: np.ndarray | None = None) -> Operator | None:
    activations = _activations(cell.recurrent_activation, cell.activation, cell.activation)
    if activations is None:
        return None
    kernel, recurrent, bias = (_in_order(weight, "lstm") for weight in _weights(cell, 4))
    return _operator("LSTM", cell.units, kernel, recurrent, bias, activations, peepholes=peepholes)


def _peephole_lstm(cell: Any) -> Operator | None:
    parts = (cell.input_peephole, cell.output_peephole, cell.forget_peephole)
    return _lstm(cell, peepholes=np.concatenate([array(part) for part in parts]))


def _coupled_lstm(cell: Any) -> Operator | None:
    """ONNX computes the input gate and `f = 1 - i`, the cell the forget gate and `i = 1 - f`.

    Where `1 - s(x) = s(-x)`, the forget gate's weights with the opposite sign give that input gate.
    """
    activations = _activations(cell.recurrent_activation, cell.activation, cell.activation)
    symmetric = (keras.activations.sigmoid, keras.activations.hard_sigmoid)
    if activations is None or cell.recurrent_activation not in symmetric:
        return None
    kernel, recurrent, bias = (_coupled(weight) for weight in _weights(cell, 3))
    options = (("input_forget", 1),)
    return _operator("LSTM", cell.units, kernel, recurrent, bias, activations, options=options)


def _gru(cell: Any) -> Operator | None:
    activations = _activations(cell.recurrent_activation, cell.activation)
    if activations is None:
        return None
    kernel, recurrent, bias = (_in_order(weight, "gru") for weight in _weights(cell, 3))
    options = (("linear_before_reset", int(cell.reset_after)),)
    second = None
    if cell.use_bias and cell.reset_after:
        second = _in_order(array(cell.bias)[1], "gru")
    return _operator(
        "GRU", cell.units, kernel, recurrent, bias, activations, second=second, options=options
    )


def _simple_rnn(cell: Any) -> Operator | None:
    activations = _activations(cell.activation)
    if activations is None:
        return None
    kernel, recurrent, bias = _weights(cell, 1)
    return _operator("RNN", cell.units, kernel, recurrent, bias, activations)


def _esn(cell: Any) -> Operator | None:
    return _simple_rnn(cell) if cell.leaky == 1 else None


def _weights(cell: Any, gates: int) -> list[np.ndarray]:
    """Kernel, recurrent kernel and the bias beside the inputs, blocks of the gates in axis 0."""
    bias = np.zeros(gates * cell.units, "float32")
    if cell.use_bias:
        bias = array(cell.bias)
        bias = bias[0] if bias.ndim == 2 else bias
    return [array(cell.kernel).T, array(cell.recurrent_kernel).T, bias]


def _in_order(weight: np.ndarray, kind: str) -> np.ndarray:
    """The weight with its gate blocks, along axis 0, in the order of ONNX."""
    return np.ascontiguousarray(reordered(weight.T, kind, "keras", "onnx").T)


def _coupled(weight: np.ndarray) -> np.ndarray:
    f, c, o = np.split(weight, 3)
    return np.concatenate([-f, o, np.zeros_like(f), c])


def _operator(
    kind: str,
    units: int,
    kernel: np.ndarray,
    recurrent: np.ndarray,
    bias: np.ndarray,
    activations: tuple[Attribute, ...],
    second: np.ndarray | None = None,
    **more: Any,
) -> Operator:
    second = np.zeros_like(bias) if second is None else second
    biases = np.concatenate([bias, second])
    return Operator(kind, units, kernel, recurrent, biases, activations, **more)


_OPERATORS: dict[type, Callable[[Any], Operator | None]] = {
    _keras.LSTMCell: _lstm,
    _keras.GRUCell: _gru,
    _keras.SimpleRNNCell: _simple_rnn,
    cells.LSTMCell: _lstm,
    cells.GRUCell: _gru,
    cells.SimpleRNNCell: _simple_rnn,
    cells.PeepholeLSTMCell: _peephole_lstm,
    cells.CoupledLSTMCell: _coupled_lstm,
    cells.ESNCell: _esn,
}
