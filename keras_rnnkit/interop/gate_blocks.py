"""The layout of recurrent weights in Keras, PyTorch and ONNX: gate order, transposes and biases.

Every weight of a recurrent layer holds one block for each gate. Keras has them along the last axis
of `(rows, gates * units)`, PyTorch and ONNX along the rows of `(gates * units, columns)`, which is
the transpose. All code that moves weights between these layouts uses this file.

PyTorch and ONNX add two biases, one to the product of the inputs and one to that of the state. An
LSTM and a simple RNN of Keras have one, the sum. A GRU of Keras with `reset_after=True` has both,
as the two rows of its bias, because the reset gate multiplies one of them and not the other.
"""

from typing import NamedTuple

import numpy as np

ORDERS: dict[str, dict[str, tuple[str, ...]]] = {
    "lstm": {
        "keras": ("input", "forget", "candidate", "output"),
        "torch": ("input", "forget", "candidate", "output"),
        "onnx": ("input", "output", "forget", "candidate"),
    },
    "gru": {
        "keras": ("update", "reset", "candidate"),
        "torch": ("reset", "update", "candidate"),
        "onnx": ("update", "reset", "candidate"),
    },
    "simple_rnn": {
        "keras": ("candidate",),
        "torch": ("candidate",),
        "onnx": ("candidate",),
    },
}


class CellWeights(NamedTuple):
    """The weights of a Keras cell.

    `kernel` is `(features, gates * units)` and `recurrent_kernel` `(width, gates * units)`. `bias`
    is `(gates * units,)`, `(2, gates * units)` for a GRU, or `None`. `projection_kernel` is
    `(units, projection)`, or `None`.
    """

    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray | None = None
    projection_kernel: np.ndarray | None = None


def gate_count(kind: str) -> int:
    """The number of gate blocks: 4 for `"lstm"`, 3 for `"gru"`, 1 for `"simple_rnn"`."""
    return len(ORDERS[kind]["keras"])


def reordered(weight: np.ndarray, kind: str, source: str, target: str) -> np.ndarray:
    """The weight with its gate blocks, along the last axis, in the order of another library.

    Args:
        weight: Array `(..., gates * units)`.
        kind: `"lstm"`, `"gru"` or `"simple_rnn"`.
        source: The library whose order the blocks have: `"keras"`, `"torch"` or `"onnx"`.
        target: The library whose order they get.
    """
    before, after = ORDERS[kind][source], ORDERS[kind][target]
    blocks = np.split(weight, len(before), axis=-1)
    return np.concatenate([blocks[before.index(gate)] for gate in after], axis=-1)


def to_torch_layout(kind: str, weights: CellWeights) -> dict[str, np.ndarray]:
    """The parameters of one direction of one layer of `torch.nn`, by name without its ending.

    The bias of an LSTM or a simple RNN becomes `bias_ih`, and `bias_hh` is zero.
    """

    def rows(weight: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(reordered(weight, kind, "keras", "torch").T)

    parts = {"weight_ih": rows(weights.kernel), "weight_hh": rows(weights.recurrent_kernel)}
    if weights.bias is not None:
        pair = weights.bias if kind == "gru" else (weights.bias, np.zeros_like(weights.bias))
        parts["bias_ih"], parts["bias_hh"] = (rows(bias) for bias in pair)
    if weights.projection_kernel is not None:
        parts["weight_hr"] = np.ascontiguousarray(weights.projection_kernel.T)
    return parts


def from_torch_layout(kind: str, parts: dict[str, np.ndarray]) -> CellWeights:
    """The weights of a Keras cell from the parameters that `to_torch_layout` describes.

    The two biases of an LSTM or a simple RNN are added.
    """

    def columns(weight: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(reordered(weight.T, kind, "torch", "keras"))

    bias = None
    if "bias_ih" in parts:
        pair = [columns(parts[name]) for name in ("bias_ih", "bias_hh")]
        bias = np.stack(pair) if kind == "gru" else pair[0] + pair[1]
    projection = np.ascontiguousarray(parts["weight_hr"].T) if "weight_hr" in parts else None
    return CellWeights(columns(parts["weight_ih"]), columns(parts["weight_hh"]), bias, projection)
