"""Layers that change the shape alone, and `TimeDistributed`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras

import keras_rnnkit.layers as kit
from keras_rnnkit.interop.onnx.graph import Graph, Value
from keras_rnnkit.interop.onnx.shapes import as_rows, as_steps, flat, reshaped, transposed
from keras_rnnkit.interop.onnx.unsupported import Unsupported

_layers = keras.layers


def _flatten(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x = inputs[0]
    if layer.data_format == "channels_first" and len(x.shape) > 1:
        x = transposed(graph, x, (0, *range(2, len(x.shape)), 1))
    return [flat(graph, x)]


def _permute(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    return [transposed(graph, inputs[0], (0, *layer.dims))]


def _repeat_vector(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x = inputs[0]
    step = graph.add("Unsqueeze", x.name, graph.ints(1))
    name = graph.add("Tile", step, graph.ints(1, layer.n, 1))
    return [Value(name, (x.shape[0], layer.n, x.shape[1]), x.dtype)]


def _reshape(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x = inputs[0]
    shape = tuple(layer.compute_output_shape(x.shape))[1:]
    if sum(n is None for n in shape) > 1:
        raise Unsupported(f"its `target_shape={layer.target_shape}` leaves several axes unknown")
    return [reshaped(graph, x, shape)]


def _time_distributed(walk: Any, layer: Any, x: Value) -> list[Value]:
    """The layer in it, with the steps of all rows as rows of one batch."""
    graph, inner = walk.graph, layer.layer
    mask, takes = walk.masks.of(x), walk.takes_mask(inner)
    rows = as_rows(graph, replace(x, mask=None))
    if mask is not None and takes:
        rows = replace(rows, mask=_mask_of_rows(walk, layer, mask, rows).name)
    with walk.without_states():
        outputs = walk.call(inner, (rows,), {}, [])
    of_kit = type(layer) is kit.TimeDistributed
    return [
        replace(
            as_steps(graph, output, x),
            mask=_mask_after(walk, output, x, mask) if of_kit else None,
        )
        for output in outputs
    ]


def _mask_of_rows(walk: Any, layer: Any, mask: Value, rows: Value) -> Value:
    """The mask of the inner layer, with an entry for each part of a step."""
    if len(mask.shape) > 2:
        return walk.masks.known(as_rows(walk.graph, mask))
    if type(layer) is not kit.TimeDistributed:
        raise Unsupported(
            "it gives its layer a mask with one entry for each step. "
            "Use `keras_rnnkit.TimeDistributed`"
        )
    graph = walk.graph
    flat_mask = graph.add("Reshape", mask.name, graph.ints(-1, 1))
    shape = graph.add("Shape", rows.name, start=0, end=2)
    return walk.masks.known(Value(graph.add("Expand", flat_mask, shape), rows.shape[:2], "bool"))


def _mask_after(walk: Any, output: Value, x: Value, mask: Value | None) -> str | None:
    """The mask that the kit's wrapper passes on: that of the inner outputs, or that of steps."""
    graph, inner = walk.graph, walk.masks.of(output)
    if inner is None:
        return None if mask is None else walk.masks.of_steps(mask).name
    steps = as_steps(graph, inner, x)
    if mask is not None and len(mask.shape) == 2:
        axes = graph.ints(*range(2, len(steps.shape)))
        both = graph.add("And", steps.name, graph.add("Unsqueeze", mask.name, axes))
        steps = Value(both, steps.shape, "bool")
    return walk.masks.known(steps).name


KEEPS_DTYPE: tuple[type, ...] = (
    *(_layers.Flatten, _layers.Permute, _layers.RepeatVector, _layers.Reshape),
)

CONVERTERS: dict[type, Callable[..., list[Value]]] = {
    _layers.Flatten: _flatten,
    _layers.Permute: _permute,
    _layers.RepeatVector: _repeat_vector,
    _layers.Reshape: _reshape,
}

WRAPPERS: dict[type, Callable[..., list[Value]]] = {
    _layers.TimeDistributed: _time_distributed,
    kit.TimeDistributed: _time_distributed,
}
