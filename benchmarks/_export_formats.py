"""How each format of `model.export` is written, loaded again and run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

# The backends for which Keras 3.15 has an exporter of a format.
NEEDS = {
    "SavedModel": ("tensorflow", "jax"),
    "ONNX": ("tensorflow", "jax", "torch"),
    "LiteRT": ("tensorflow", "torch"),
    "OpenVINO": ("tensorflow", "jax", "torch"),
    "torch": ("torch",),
}


def saved_model(model: Any, folder: Path, x: Any) -> Any:
    """TensorFlow's SavedModel."""
    import tensorflow

    model.export(folder / "model", format="tf_saved_model", verbose=False)
    loaded = tensorflow.saved_model.load(str(folder / "model"))  # which holds the variables
    return loaded.serve(x).numpy()


def onnx(model: Any, folder: Path, x: Any) -> Any:
    """ONNX, in onnxruntime."""
    import onnxruntime

    path = folder / "model.onnx"
    model.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def litert(model: Any, folder: Path, x: Any) -> Any:
    """LiteRT, formerly TensorFlow Lite, without the operators of TensorFlow."""
    import keras
    from ai_edge_litert.interpreter import Interpreter

    path = folder / "model.tflite"
    options: dict[str, Any] = {"input_signature": [keras.InputSpec(shape=x.shape, dtype="float32")]}
    if keras.config.backend() == "tensorflow":
        import tensorflow

        builtins = tensorflow.lite.OpsSet.TFLITE_BUILTINS
        options["target_spec"] = {"supported_ops": [builtins]}
    model.export(path, format="litert", verbose=False, **options)
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def openvino(model: Any, folder: Path, x: Any) -> Any:
    """OpenVINO."""
    import openvino as library

    path = str(folder / "model.xml")  # Keras takes no Path here
    model.export(path, format="openvino", verbose=False)
    compiled = library.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(x)[compiled.output(0)]


def torch_program(model: Any, folder: Path, x: Any) -> Any:
    """A program of `torch.export`."""
    import torch

    path = folder / "model.pt2"
    batch = {0: torch.export.Dim("batch")}
    model.export(path, format="torch", verbose=False, dynamic_shapes=batch)
    return torch.export.load(path).module()(torch.tensor(x)).detach().numpy()


FORMATS: dict[str, Callable[[Any, Path, Any], Any]] = {
    "SavedModel": saved_model,
    "ONNX": onnx,
    "LiteRT": litert,
    "OpenVINO": openvino,
    "torch": torch_program,
}
