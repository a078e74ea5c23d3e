"""Models and weights for other libraries and from them."""

from keras_rnnkit.interop.onnx import export_onnx

__all__ = ["export_onnx"]
