"""Weights, constants and dtypes, as they are in the file."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_rnnkit.interop.onnx.graph import Graph, Value


def array(weight: Any, dtype: str = "float32") -> np.ndarray:
    """A variable or tensor as a NumPy array."""
    return np.asarray(keras.ops.convert_to_numpy(weight)).astype(dtype, copy=False)


def dtype_of(tensor: Any) -> str:
    """The dtype of a Keras tensor in the file, where every float has 32 bits."""
    name = keras.utils.standardize_dtype(tensor.dtype)
    return "float32" if "float" in name else name


def as_value(graph: Graph, x: Any, dtype: str | None = None) -> Value:
    """A value in a dtype; a number, an array or a tensor becomes a constant.

    Args:
        graph: The graph.
        x: A `Value`, or what becomes a constant.
        dtype: The dtype; `None` for the one that it has.
    """
    if not isinstance(x, Value):
        raw = np.asarray(keras.ops.convert_to_numpy(x) if hasattr(x, "dtype") else x)
        dtype = dtype or ("float32" if raw.dtype.kind == "f" else str(raw.dtype))
        return Value(graph.constant(raw.astype(dtype)), raw.shape, dtype)
    if dtype is None or x.dtype == dtype:
        return x
    return Value(cast(graph, x.name, dtype), x.shape, dtype, x.mask)


def cast(graph: Graph, name: str, dtype: str) -> str:
    """A tensor in another dtype."""
    import onnx

    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return graph.add("Cast", name, to=int(kind))
