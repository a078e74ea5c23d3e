"""The graph of a model, with its inputs and outputs, and what a file says of them."""

from __future__ import annotations

from typing import Any

import keras
from keras import tree

from keras_rnnkit.interop.onnx import (
    layers_dense,
    layers_merge,
    layers_norm,
    layers_shape,
    layers_time,
)
from keras_rnnkit.interop.onnx.fingerprint import fingerprint
from keras_rnnkit.interop.onnx.graph import Graph, Value
from keras_rnnkit.interop.onnx.metadata import Metadata, State
from keras_rnnkit.interop.onnx.operations import convert_operation
from keras_rnnkit.interop.onnx.recurrent import CONVERTERS as RECURRENT
from keras_rnnkit.interop.onnx.streaming import CarriedStates
from keras_rnnkit.interop.onnx.walking import Walk
from keras_rnnkit.interop.onnx.weights import dtype_of
from keras_rnnkit.models._stream_check import checked

_LAYERS = {
    **layers_dense.CONVERTERS,
    **layers_merge.CONVERTERS,
    **layers_norm.CONVERTERS,
    **layers_shape.CONVERTERS,
    **layers_time.CONVERTERS,
}
_KEEPS_DTYPE = (
    *layers_dense.KEEPS_DTYPE,
    *layers_merge.KEEPS_DTYPE,
    *layers_shape.KEEPS_DTYPE,
)


def built(model: Any, streaming: bool, states: bool) -> tuple[Graph, Metadata]:
    """The graph of a model, and the metadata of its file.

    Args:
        model: A model that can be exported.
        streaming: Whether a run computes one time step.
        states: Whether the states of recurrent layers are inputs and outputs.

    Raises:
        ValueError: For a layer that cannot be exported.
    """
    graph = Graph()
    inputs = [_input(graph, x, streaming) for x in model.inputs]
    carried = CarriedStates(graph, streaming) if states else None
    walk = Walk(
        graph,
        layers=_LAYERS,
        wrappers=layers_shape.WRAPPERS,
        recurrent=RECURRENT,
        operation=convert_operation,
        keeps_dtype=_KEEPS_DTYPE,
        options={"states": carried},
    )
    found = walk.model(model, inputs)
    outputs = [
        graph.output(value, name)
        for value, name in zip(found, _output_names(model, found), strict=True)
    ]
    graph.put_first(outputs)
    metadata = Metadata(
        inputs=_structured(model, "input", inputs),
        outputs=_structured(model, "output", outputs),
        states=tuple(
            State(entry["input"], entry["output"], tuple(entry["shape"]))
            for entry in (carried.entries if carried else [])
        ),
        streaming=streaming,
        steps=tuple(checked(model, ()).with_time or ()) if streaming else (),
        fingerprint=fingerprint(model),
    )
    return graph, metadata


def _input(graph: Graph, x: Any, streaming: bool) -> Value:
    shape = (x.shape[0], 1, *x.shape[2:]) if streaming else tuple(x.shape)
    return graph.input(x.name, dtype_of(x), shape)


def _output_names(model: Any, outputs: list[Value]) -> list[str]:
    """The names of the layers that make the outputs."""
    names = getattr(model, "output_names", None)
    if names is None and isinstance(model, keras.Sequential):
        names = [model.layers[-1].name]
    if names is None or len(names) != len(outputs):
        return [f"output_{i}" for i in range(len(outputs))]
    return list(names)


def _structured(model: Any, which: str, values: list[Value]) -> Any:
    """The names of inputs or outputs in the structure that the model has for them."""
    names = [value.name for value in values]
    if isinstance(model, keras.Sequential):
        return names[0] if len(names) == 1 else names
    return tree.pack_sequence_as(getattr(model, which), names)
