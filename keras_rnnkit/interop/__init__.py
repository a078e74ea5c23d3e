"""Models and weights for other libraries and from them."""

from keras_rnnkit.interop.keras import load_keras2, to_keras
from keras_rnnkit.interop.onnx import OnnxModel, OnnxStream, export_onnx
from keras_rnnkit.interop.torch import from_torch, to_torch

__all__ = [
    "OnnxModel",
    "OnnxStream",
    "export_onnx",
    "from_torch",
    "load_keras2",
    "to_keras",
    "to_torch",
]
