"""Weights of eight bits, by the dynamic quantization of ONNX Runtime."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_rnnkit.interop.onnx.extras import require

# The operators for which ONNX Runtime has products of integers on a CPU, and the tables of
# embeddings. It has none for `GRU` and `RNN`. Those of a `Gemm` are a `MatMul` to it.
_OPERATORS = ("LSTM", "MatMul", "Gather")


def quantized(model: Any) -> Any:
    """A copy of a model with weights of eight bits.

    The weights of `LSTM`, `MatMul` and `Gemm` nodes and the tables of `Gather` nodes are stored as
    int8. Each column of a product has a scale of its own. The other factor of a product is rounded
    to eight bits when it is computed. All other weights, those of `GRU` and `RNN` nodes among them,
    stay float32.

    Args:
        model: An `onnx.ModelProto` whose weights are in it.

    Raises:
        ImportError: If onnxruntime is not installed.
    """
    onnx = require("onnx")
    quantization = require("onnxruntime.quantization")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    # Without this entry, it advises to run a shape inference, which has been done.
    copy.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    with tempfile.TemporaryDirectory() as folder, _untouched_logging():
        target = Path(folder) / "quantized.onnx"
        quantization.quantize_dynamic(
            copy,
            target,
            op_types_to_quantize=list(_OPERATORS),
            nodes_to_exclude=_with_shared_weights(model),
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
        )
        found = onnx.load(target)
    del found.metadata_props[:]
    found.metadata_props.extend(model.metadata_props)
    return found


def _with_shared_weights(model: Any) -> list[str]:
    """The LSTM nodes whose weights another input has too: they would be transposed twice."""
    nodes = model.graph.node
    uses = Counter(name for node in nodes for name in node.input)
    return [
        node.name
        for node in nodes
        if node.op_type == "LSTM" and any(uses[name] > 1 for name in node.input[1:3])
    ]


@contextlib.contextmanager
def _untouched_logging() -> Iterator[None]:
    """Keep the functions of `logging` from installing a handler where there is none."""
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
