"""Models as ONNX files. The libraries `onnx` and `onnxruntime` are imported when they are used."""

from keras_rnnkit.interop.onnx.export import export_onnx
from keras_rnnkit.interop.onnx.model import OnnxModel
from keras_rnnkit.interop.onnx.streams import OnnxStream

__all__ = ["OnnxModel", "OnnxStream", "export_onnx"]
