"""Models as ONNX files. The libraries `onnx` and `onnxruntime` are imported when they are used."""

from keras_rnnkit.interop.onnx.export import export_onnx

__all__ = ["export_onnx"]
