"""What can be exported: built models whose graph Keras knows, in float32."""

from __future__ import annotations

from typing import Any

import keras

from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.models._stored import check_model
from keras_rnnkit.models._stream_check import checked
from keras_rnnkit.models._stream_graph import is_graph, nodes_of
from keras_rnnkit.running.names import name_of

_OTHER_FLOATS = ("bfloat16", "float16", "float64")


def check_exportable(model: Any, streaming: bool, dtype: str | None) -> None:
    """Refuse a model that cannot be exported as a whole.

    Args:
        model: The model.
        streaming: Whether it is exported to run step by step.
        dtype: `"float32"` if it may have other dtypes, else `None`.

    Raises:
        TypeError: If it is not a Keras model.
        ValueError: If it is not built, no Sequential or functional model, quantized, or of another
            dtype, or cannot run step by step.
    """
    check_model(model)
    if not is_graph(model) or not getattr(model, "inputs", None):
        raise ValueError(_not_a_graph(model))
    for layer in layers_in(model):
        if getattr(layer, "quantization_mode", None):
            raise ValueError(
                f"{name_of(layer)} is quantized by Keras, which cannot be exported to ONNX. Export "
                'the model as it was before, with `quantize="int8"`. '
                f"Received: quantization_mode='{layer.quantization_mode}'"
            )
    if dtype is None:
        _check_float32(model)
    if streaming:
        checked(model, ())


def _check_float32(model: Any) -> None:
    for layer in layers_in(model):
        for dtype in (layer.compute_dtype, layer.variable_dtype):
            _check_dtype(layer, dtype)
        if is_graph(layer) and not isinstance(layer, keras.Sequential):
            for node in nodes_of(layer):
                if not isinstance(node.operation, keras.layers.Layer):
                    _check_dtype(node.operation, node.outputs[0].dtype)


def _check_dtype(operation: Any, dtype: str) -> None:
    if dtype in _OTHER_FLOATS:
        raise ValueError(
            "`model` must be of dtype float32, because the file computes in float32, but "
            f'{name_of(operation)} has {dtype}. Pass `dtype="float32"` to `export_onnx`, which '
            f"then writes rounded numbers. Received: dtype={dtype!r}"
        )


def _not_a_graph(model: Any) -> str:
    received = f"Received: model={name_of(model)}"
    if isinstance(model, keras.Model):
        return (
            "`model` must be a Sequential or functional model, whose layers Keras can list in the "
            f"order of their calls. A class with a `call` of its own cannot be exported. {received}"
        )
    return (
        "`model` must be a model, and this is a layer. Put it into one: "
        f"`keras.Sequential([keras.Input((None, features)), layer])`. {received}"
    )
