"""The fused path on PyTorch: whole sequences in its own kernel, where a rule lets it serve."""

from typing import Any

import keras
from keras import ops

from keras_rnnkit.cells import GRUCell, LSTMCell
from keras_rnnkit.layers._loop import Carry


def can_fuse(layer: Any, sequences: Any, mask: Any, record: bool) -> bool:
    """Whether PyTorch's kernel computes what the layer is asked for.

    It wants a CPU, no mask, no gates to show, the default activations, a bias, no recurrent
    dropout and at most one input dropout mask for all gates.
    """
    cell = layer.cell
    return (
        keras.config.backend() == "torch"
        and (type(cell) is LSTMCell or (type(cell) is GRUCell and cell.reset_after))
        and sequences.device.type == "cpu"
        and mask is None
        and not (record or layer.unroll)
        and cell.activation is keras.activations.tanh
        and cell.recurrent_activation is keras.activations.sigmoid
        and cell.use_bias
        and not cell.recurrent_dropout
        and cell.implementation == 2
        and cell.compute_dtype in ("float32", "float64")
    )


def run_fused(cell: Any, sequences: Any, states: Any, training: bool) -> tuple[Carry, Carry]:
    """The last carry, and the outputs of every step, as the loop returns them."""
    from keras_rnnkit.kernels import torch

    if training and cell.dropout:
        sequences = sequences * cell.get_dropout_mask(sequences[:, 0])[:, None]
    kernel = torch.lstm if type(cell) is LSTMCell else torch.gru
    weights = (cell.kernel, cell.recurrent_kernel, cell.bias)
    tensors = [ops.convert_to_tensor(w, dtype=cell.compute_dtype) for w in weights]
    x = ops.convert_to_tensor(sequences, dtype=cell.compute_dtype)
    outputs, last = kernel(x, states, *tensors)
    return Carry(outputs[:, -1], last, ()), Carry(outputs, (), ())
