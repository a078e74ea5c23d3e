"""`export_onnx`: a Keras model as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_rnnkit._checks import PathLike, check_choice, check_file
from keras_rnnkit.interop.onnx.building import built
from keras_rnnkit.interop.onnx.exportable import check_exportable
from keras_rnnkit.interop.onnx.extras import require
from keras_rnnkit.interop.onnx.writing import write


def export_onnx(
    model: Any,
    path: PathLike,
    *,
    streaming: bool = False,
    states: bool = False,
    dtype: str | None = None,
    quantize: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a model as an ONNX file, with one `LSTM`, `GRU` or `RNN` node for each recurrent layer.

    The file is the same from every backend. It takes batches of any size and, where the model does,
    sequences of any length. It computes what `model.predict` computes, masks included, in float32.
    `OnnxModel` runs it in Python; every other program with ONNX Runtime does too.

    Args:
        model: A built Sequential or functional model. Models in it, several inputs and outputs, and
            layers that are called more than once are supported.
        path: The file, which ends in `.onnx`. Weights of more than 2 GB are stored in a second
            file in the same folder, because ONNX allows no more in one.
        streaming: Whether a run of the file computes one time step: the inputs are
            `(batch, 1, ...)`, and the states of the recurrent layers are inputs and outputs. The
            model must be one that `stream` takes.
        states: Whether the states of the recurrent layers are inputs, such as `lstm/hidden`, and
            outputs, `lstm/hidden/last`. Inputs of zeros start a sequence. Masked steps at the
            beginning of a run have outputs of zeros, as in Keras with `initial_state`.
        dtype: `"float32"` to export a model of another float dtype, whose numbers are then
            rounded; `None` to refuse such a model.
        quantize: `"int8"` to store the weights of LSTM layers, of `Dense` layers and of embeddings
            in eight bits, in about a quarter of the space. ONNX Runtime rounds the inputs of their
            products to eight bits too. The outputs change a little. GRU and SimpleRNN layers, and
            LSTM layers that are called more than once, stay in float32. Such a file runs in ONNX
            Runtime only.
        overwrite: Whether an existing file is replaced.

    Returns:
        The path of the file.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If the model is not built, not a Sequential or functional model, or of another
            dtype; for a layer that cannot be exported, with its name and its place in the model;
            for a call that ONNX Runtime does not compute, if it is installed; and for other values
            of the arguments. No file is written.
        FileExistsError: If the file exists and `overwrite` is false.
        OSError: If the file cannot be written.
        ImportError: If `onnx` is not installed.

    Example:

    >>> import pathlib, tempfile
    >>> import keras, keras_rnnkit as kit
    >>> model = keras.Sequential([keras.Input((None, 3)), kit.LSTM(4), keras.layers.Dense(1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kit.export_onnx(model, pathlib.Path(folder, "model.onnx")).name
    'model.onnx'
    """
    target = check_file(path, "path", ".onnx", overwrite)
    if dtype is not None:
        check_choice(dtype, "dtype", ("float32",))
    if quantize is not None:
        check_choice(quantize, "quantize", ("int8",))
        require("onnxruntime")
    require("onnx")
    check_exportable(model, streaming, dtype)
    graph, metadata = built(model, streaming, states or streaming)
    write(graph, metadata, target, quantize=quantize is not None, overwrite=overwrite)
    return target
