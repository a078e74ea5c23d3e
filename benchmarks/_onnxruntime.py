"""The measured models in onnxruntime: one LSTM or GRU node with a model's own weights."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 9
# Keras packs an LSTM's gates as i, f, c, o and ONNX as i, o, f, c; both pack a GRU's as z, r, h.
ORDER = {"LSTM": (0, 3, 1, 2), "GRU": (0, 1, 2)}


def predictor(layer: str, model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """A function with the numbers of a model of one recurrent layer and a `Dense`.

    Args:
        layer: "LSTM" or "GRU".
        model: Its weights are the kernel, the recurrent kernel and the bias of the layer, and the
            kernel and the bias of the `Dense`.
    """
    session = onnxruntime.InferenceSession(
        onnx_model(layer, *model.get_weights()).SerializeToString(),
        providers=["CPUExecutionProvider"],
    )
    return lambda x: session.run(None, {"x": x})[0]


def onnx_model(layer: str, kernel: Any, recurrent: Any, bias: Any, dense: Any, offset: Any) -> Any:
    """The model, batch first, with weights as Keras has them."""
    input_bias, recurrent_bias = bias if layer == "GRU" else (bias, np.zeros_like(bias))
    biases = [_packed(layer, row[None]).ravel() for row in (input_bias, recurrent_bias)]
    weights = {
        "W": _packed(layer, kernel)[None],
        "R": _packed(layer, recurrent)[None],
        "B": np.concatenate(biases)[None],
        "dense": dense,
        "offset": offset,
        "first": np.array([0]),
    }
    options = {"linear_before_reset": 1} if layer == "GRU" else {}
    nodes = [
        helper.make_node("Transpose", ["x"], ["time_first"], perm=[1, 0, 2]),
        helper.make_node(
            layer, ["time_first", "W", "R", "B"], ["", "h"], hidden_size=len(recurrent), **options
        ),
        helper.make_node("Squeeze", ["h", "first"], ["last"]),
        helper.make_node("Gemm", ["last", "dense", "offset"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        layer,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "time", len(kernel)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def _packed(layer: str, weight: np.ndarray) -> np.ndarray:
    """The gates of a weight `(rows, gates * units)` in ONNX' order, `(gates * units, rows)`."""
    gates = np.split(weight, len(ORDER[layer]), axis=-1)
    return np.ascontiguousarray(np.concatenate([gates[i] for i in ORDER[layer]], axis=-1).T)
