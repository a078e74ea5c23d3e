"""`OnnxModel`: a trained model that ONNX Runtime runs."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

import keras

from keras_rnnkit._checks import as_path, check_integer
from keras_rnnkit._files import open_regular
from keras_rnnkit.interop.onnx.fingerprint import fingerprint
from keras_rnnkit.interop.onnx.graphs import RunnableGraph, open_graph
from keras_rnnkit.interop.onnx.streams import OnnxStream

# From this number of rows on, a look at the weights takes little time beside the prediction.
_ROWS_WITHOUT_A_CHECK = 1000


class OnnxModel:
    """A trained model in ONNX Runtime, which predicts on a CPU in a fraction of the time of Keras.

    It is made from a file, of `export_onnx` or of any other program, or from a Keras model, which
    it exports. It has the weights that the model had then: if the model is trained further, make
    another one. Any number of threads may call it at the same time.

    Args:
        path_or_model: The path of an `.onnx` file, or a built Keras model that `export_onnx` takes.
        threads: The number of threads that one operator uses, `intra_op_num_threads` of ONNX
            Runtime; `None` for one on each core.
        providers: The execution providers as ONNX Runtime names them, such as
            `["CUDAExecutionProvider", "CPUExecutionProvider"]`; `None` for the CPU.

    Raises:
        ValueError: If the file is not complete, or not one that ONNX Runtime can run; if the model
            has a layer that `export_onnx` does not know; for other `threads` or `providers`.
        FileNotFoundError: If there is no file.
        ImportError: If `onnxruntime` is not installed.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([keras.Input((None, 3)), kit.LSTM(4), keras.layers.Dense(1)])
    >>> fast = kit.OnnxModel(model)
    >>> x = np.ones((2, 5, 3), "float32")
    >>> bool(np.allclose(fast.predict(x), model.predict(x, verbose=0), atol=1e-5))
    True
    """

    def __init__(
        self, path_or_model: Any, *, threads: int | None = None, providers: Any = None
    ) -> None:
        self._settings: dict[str, Any] = {"threads": threads, "providers": providers}
        self._lock = threading.Lock()
        self._live: RunnableGraph | None = None
        self._model: Any = None
        if isinstance(path_or_model, keras.layers.Layer):
            self._model = path_or_model
            self._graph = _exported(path_or_model, self._settings, streaming=False)
            return
        path = as_path(path_or_model, "path_or_model")
        try:
            open_regular(path).close()
        except ValueError as error:
            raise ValueError(
                f"`path_or_model` must be an ONNX file, but it is {error}. "
                f"Received: path_or_model={str(path)!r}"
            ) from error
        self._graph = open_graph(path, **self._settings)

    def __repr__(self) -> str:
        inputs, outputs = (
            "; ".join(map(str, ports.values()))
            for ports in (self._graph.inputs, self._graph.outputs)
        )
        return f"<OnnxModel inputs=[{inputs}], outputs=[{outputs}]>"

    def predict(self, x: Any, batch_size: int | None = 32) -> Any:
        """The outputs of the model for each row of `x`.

        Args:
            x: The input `(rows, ...)`; for several inputs, a structure as the model takes it, or a
                dict by their names. Values are converted to the dtypes of the model: whole numbers
                to integers, any numbers to floats.
            batch_size: The rows of one run; `None` for 32.

        Returns:
            The outputs as NumPy arrays, in the structure that the model returns. For no rows, the
            outputs have none.

        Raises:
            ValueError: For other inputs than those of the model, naming the input; and for the
                file of a streaming model.
            RuntimeError: In a call of more than 1,000 rows, if this was made from a Keras model
                whose weights have changed since.
        """
        if self._graph.metadata.streaming:
            raise ValueError(
                "`predict` needs a file of the whole model, and this one computes a single step. "
                "Call `stream()`, or export the model with `streaming=False`. "
                "Received: streaming=True"
            )
        size = check_integer(batch_size, "batch_size", least=1, optional=True) or 32
        feeds = self._graph.feeds(x)
        rows = len(next(iter(feeds.values())))
        if rows > _ROWS_WITHOUT_A_CHECK:
            self._check_current(f"rows={rows}")
        return self._graph.packed(self._graph.run_batches(feeds, rows, size))

    def stream(self) -> OnnxStream:
        """A stream, which runs the model on one time step after the other.

        Any number of streams run at the same time, each with states of its own.

        Returns:
            An `OnnxStream`. A model from memory is exported once more, with `streaming=True`.

        Raises:
            ValueError: If this was made from a file that has no states, or from a model that needs
                later steps to compute a step.
            RuntimeError: If this was made from a Keras model whose weights have changed since.
        """
        if self._graph.metadata.streaming:
            return OnnxStream(self._graph)
        if self._model is None:
            raise ValueError(
                "`stream` needs a file with the states of the model. Write it with "
                "`export_onnx(model, path, streaming=True)`. Received: streaming=False"
            )
        with self._lock:
            if self._live is None:
                self._check_current("streaming=False")
                self._live = _exported(self._model, self._settings, streaming=True)
            return OnnxStream(self._live)

    def is_current(self, model: Any = None) -> bool:
        """Whether a Keras model has the weights that this one has.

        Args:
            model: The Keras model; by default the one that this was made from.

        Raises:
            ValueError: If this was made from a file and no model is given, or from a file that has
                no fingerprint of its weights, as those of other programs.
            TypeError: If `model` is not a Keras model.
        """
        model = self._model if model is None else model
        if model is None:
            raise ValueError(
                "`model` must be a Keras model: this OnnxModel was made from a file, and does not "
                "know another one. Received: model=None"
            )
        if not isinstance(model, keras.layers.Layer):
            raise TypeError(f"`model` must be a Keras model. Received: model={model!r}")
        if self._graph.metadata.fingerprint is None:
            raise ValueError(
                "`is_current` needs a file that `export_onnx` wrote, with the fingerprint of the "
                "weights. Received: fingerprint=None"
            )
        return fingerprint(model) == self._graph.metadata.fingerprint

    def _check_current(self, received: str) -> None:
        if self._model is not None and not self.is_current():
            raise RuntimeError(
                "The weights of the model have changed since this OnnxModel was made from it. Make "
                f"another one, `keras_rnnkit.OnnxModel(model)`. Received: {received}"
            )


def _exported(model: Any, settings: dict[str, Any], *, streaming: bool) -> RunnableGraph:
    """The graph of a Keras model."""
    from keras_rnnkit.interop.onnx.export import export_onnx

    # On Windows, a file of weights that is still mapped cannot be removed.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(model, path, streaming=streaming)
        return open_graph(path, **settings)
