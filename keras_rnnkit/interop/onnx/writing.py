"""A graph as a file, which is checked before it takes its place."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_rnnkit._files import replacing
from keras_rnnkit._version import __version__
from keras_rnnkit.interop.onnx.graph import IR_VERSION, OPSET, Graph
from keras_rnnkit.interop.onnx.metadata import KEY, Metadata
from keras_rnnkit.interop.onnx.quantizing import quantized
from keras_rnnkit.interop.onnx.sessions import explained

# A file of ONNX has at most 2 GB, which the graph and its weights share.
MOST_BYTES = 2**31 - 2**24
# Tensors of fewer bytes stay in the graph, where shape inference reads them.
_SMALL = 1024


def write(
    graph: Graph,
    metadata: Metadata,
    target: Path,
    *,
    quantize: bool = False,
    overwrite: bool = True,
) -> None:
    """Write a graph, checked by `onnx.checker` and shape inference.

    Args:
        graph: The graph of a model.
        metadata: What its file says of it.
        target: The file.
        quantize: Whether weights are stored in eight bits.
        overwrite: Whether to replace a file that another process creates meanwhile.

    Raises:
        FileExistsError: If there is such a file, and not `overwrite`.
        ValueError: If weights of more than 2 GB are to be quantized.
    """
    target = Path(os.path.realpath(target))  # large weights are stored beside what a link leads to
    weights = graph.used_constants()
    large = graph_bytes(weights) > MOST_BYTES
    if large and quantize:
        raise ValueError(
            "`quantize` needs a model whose weights take less than 2 GB, the most that one file of "
            f"ONNX can have. Received: quantize='int8', bytes={graph_bytes(weights)}"
        )
    weights_file = _weights_file(target, weights) if large else None
    with (
        _new_weights(weights_file, weights) as tensor,
        replacing(target, overwrite=overwrite) as temporary,
    ):
        model = _model(graph.proto(tensor=tensor), metadata, quantize)
        temporary.write_bytes(model.SerializeToString())
        _check(temporary)
        if not large and importlib.util.find_spec("onnxruntime"):
            _check_runs(temporary)
    _remove_old_weights(target, keep=weights_file)


def graph_bytes(weights: dict[str, np.ndarray]) -> int:
    """The bytes that the weights of a graph take."""
    return sum(array.nbytes for array in weights.values())


def _model(proto: Any, metadata: Metadata, quantize: bool) -> Any:
    import onnx

    model = onnx.helper.make_model(
        proto,
        producer_name="keras-rnnkit",
        producer_version=__version__,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.helper.set_model_props(model, {KEY: metadata.to_json()})
    return quantized(model) if quantize else model


def _check(path: Path) -> None:
    """Check a file as `onnx.checker` does, by types and shapes too.

    Raises:
        ValueError: If an operator does not take its inputs. The message has the name of the node,
            which begins with that of the layer.
    """
    import onnx

    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ValueError(
            "`model` has a call that no operator of ONNX computes. Cast its inputs to float32 or "
            f"int32. Received: {error}"
        ) from error


def _check_runs(path: Path) -> None:
    """Load a file in ONNX Runtime, whose operators do not take every dtype of ONNX.

    Raises:
        ValueError: If an operator does not take its inputs.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its errors are raised, and not printed too
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    expected = (
        "`model` must have calls that ONNX Runtime computes. Cast their inputs to float32 or int32"
    )
    with explained(expected, f"path={str(path)!r}"):
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@contextlib.contextmanager
def _new_weights(path: Path | None, weights: dict[str, np.ndarray]) -> Iterator[Any]:
    """Write the large weights into a file of their own, whose name depends on their numbers.

    So the old file of the graph keeps its own weights until the new one takes its place. If that
    fails, the new weights are removed.

    Yields:
        What makes the tensor of a name and an array; `None` for tensors in the graph.
    """
    if path is None:
        yield None
        return
    existed = path.exists()
    try:
        places = _write_weights(path, weights)
        yield lambda name, array: _tensor(name, array, path, places)
    except BaseException:
        if not existed:
            path.unlink(missing_ok=True)
        raise


def _weights_file(target: Path, weights: dict[str, np.ndarray]) -> Path:
    digest = hashlib.sha256()
    for name, array in weights.items():
        digest.update(f"{name}{array.shape}{array.dtype};".encode())
        digest.update(array.reshape(-1).view("uint8").data)
    return target.with_name(f"{target.stem}.{digest.hexdigest()[:16]}.weights")


def _write_weights(path: Path, weights: dict[str, np.ndarray]) -> dict[str, int]:
    """Write the large weights one after the other; return where each begins."""
    places = {}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        for name, array in weights.items():
            if array.nbytes >= _SMALL:
                places[name] = file.tell()
                file.write(array.data)
                file.write(bytes(-file.tell() % 64))
    return places


def _tensor(name: str, array: np.ndarray, file: Path, places: dict[str, int]) -> Any:
    """A tensor that is stored in another file, or in the graph if it is small."""
    import onnx

    if name not in places:
        return onnx.numpy_helper.from_array(array, name)
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    tensor = onnx.TensorProto(name=name, data_type=kind, dims=array.shape)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entries = {"location": file.name, "offset": places[name], "length": array.nbytes}
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def _remove_old_weights(target: Path, keep: Path | None) -> None:
    """Remove the weights of a file of this name that has been replaced."""
    ours = re.compile(rf"{re.escape(target.stem)}\.[0-9a-f]{{16}}\.weights")
    for file in list(target.parent.iterdir()):
        if ours.fullmatch(file.name) and file != keep:
            file.unlink(missing_ok=True)
