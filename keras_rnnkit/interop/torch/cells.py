"""The cells that `torch.nn` has, and their weights."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_rnnkit import cells as kit_cells
from keras_rnnkit.interop.gate_blocks import CellWeights
from keras_rnnkit.interop.torch.refusals import REPLACED, refuse

CELLS = {
    kit_cells.LSTMCell: "lstm",
    kit_cells.ProjectedLSTMCell: "lstm",
    kit_cells.GRUCell: "gru",
    kit_cells.SimpleRNNCell: "simple_rnn",
    keras.layers.LSTMCell: "lstm",
    keras.layers.GRUCell: "gru",
    keras.layers.SimpleRNNCell: "simple_rnn",
}
ACTIVATIONS = {"lstm": ("tanh",), "gru": ("tanh",), "simple_rnn": ("tanh", "relu")}


def kind_of(cell: Any) -> str:
    """`"lstm"`, `"gru"` or `"simple_rnn"`."""
    return CELLS[type(cell)]


def check_cell(layer: Any) -> None:
    """Refuse a layer of one direction whose cell computes what no module of `torch.nn` does."""
    cell = layer.cell
    if type(cell) not in CELLS:
        refuse(
            layer,
            "torch.nn has LSTM (with `proj_size`), GRU and a simple RNN, and no layer for other "
            "cells. For a list of cells, use a `StackedRNN`.",
            cell=type(cell).__name__,
        )
    _check_activations(layer, kind_of(cell))
    if kind_of(cell) == "gru" and not cell.reset_after:
        refuse(
            layer,
            "torch.nn.GRU applies the reset gate after the product with the state, and no weights "
            "make the two equal. Train the layer with `reset_after=True`, the default.",
            reset_after=False,
        )
    if not cell.built:
        refuse(
            layer,
            "The layer must be built, as its weights are copied. Call it on data, or call its "
            "`build` with the shape of its input.",
            built=False,
        )


def check_recurrent_dropout(layer: Any) -> None:
    """Refuse dropout of the state or of its kernel, which `torch.nn` does not have."""
    for name in ("recurrent_dropout", "recurrent_weight_dropout"):
        rate = getattr(layer.cell, name, 0.0)
        if rate:
            refuse(layer, f"torch.nn has no `{name}`. {REPLACED}", **{name: rate})


def _check_activations(layer: Any, kind: str) -> None:
    activation = activation_name(layer.cell.activation)
    if activation not in ACTIVATIONS[kind]:
        refuse(
            layer,
            f"The activation in torch.nn is {' or '.join(ACTIVATIONS[kind])}. Train the layer with "
            "it; with another activation, the same weights give other outputs.",
            activation=activation,
        )
    if kind == "simple_rnn":
        return
    activation = activation_name(layer.cell.recurrent_activation)
    if activation != "sigmoid":
        refuse(
            layer,
            "The activation of the gates in torch.nn is sigmoid. Train the layer with it; with "
            "another activation, the same weights give other outputs.",
            recurrent_activation=activation,
        )


def activation_name(activation: Any) -> str:
    """`"tanh"` for that activation of Keras, and so on; of another function its own name."""
    for name in ("tanh", "relu", "sigmoid"):
        if activation is keras.activations.get(name):
            return name
    return f"{getattr(activation, '__module__', '')}.{getattr(activation, '__name__', activation)}"


def weights_of(cell: Any) -> CellWeights:
    """The weights of a cell as arrays, of `bfloat16` ones as float32."""
    names = ["kernel", "recurrent_kernel"] + ["bias"] * cell.use_bias
    names += ["projection_kernel"] * hasattr(cell, "projection_kernel")
    return CellWeights(**{name: _array(getattr(cell, name)) for name in names})


def _array(weight: Any) -> np.ndarray:
    array = np.asarray(ops.convert_to_numpy(weight))
    return array.astype("float32") if array.dtype.name == "bfloat16" else array
