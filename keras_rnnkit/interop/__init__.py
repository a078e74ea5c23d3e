"""Models and weights for other libraries and from them."""

from keras_rnnkit.interop.onnx import OnnxModel, OnnxStream, export_onnx

__all__ = ["OnnxModel", "OnnxStream", "export_onnx"]
from keras_rnnkit.interop.onnx import export_onnx
from keras_rnnkit.interop.torch import from_torch, to_torch

__all__ = ["export_onnx", "from_torch", "to_torch"]
from keras_rnnkit.interop.keras import load_keras2, to_keras
from keras_rnnkit.interop.onnx import export_onnx

__all__ = ["export_onnx", "load_keras2", "to_keras"]
