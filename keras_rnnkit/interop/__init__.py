"""Models and weights for other libraries and from them."""

from keras_rnnkit.interop.onnx import OnnxModel, OnnxStream, export_onnx

__all__ = ["OnnxModel", "OnnxStream", "export_onnx"]
