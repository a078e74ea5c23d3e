"""Layers that merge several tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_rnnkit.interop.onnx.elementwise import number
from keras_rnnkit.interop.onnx.graph import Graph, Value
from keras_rnnkit.interop.onnx.shapes import axes_of
from keras_rnnkit.interop.onnx.unsupported import Unsupported
from keras_rnnkit.interop.onnx.weights import as_value

_layers = keras.layers


def common(graph: Graph, inputs: list[Value]) -> list[Value]:
    """The values in one dtype: that of all, or float32 if one of them is."""
    dtypes = {value.dtype for value in inputs}
    if len(dtypes) == 1:
        return inputs
    dtype = "float32" if "float32" in dtypes else "int64"
    return [as_value(graph, value, dtype) for value in inputs]


def _merge(op: str, mean: bool = False) -> Callable[..., list[Value]]:
    def convert(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
        inputs = common(graph, inputs)
        rank = max(len(value.shape) for value in inputs)
        name, *others = (_of_rank(graph, value, rank) for value in inputs)
        for other in others:
            name = graph.add(op, name, other)
        if mean:
            if inputs[0].dtype != "float32":
                raise Unsupported("its inputs are integers. Cast them to floats before it")
            name = graph.add("Div", name, number(graph, len(inputs)))
        shape = layer.compute_output_shape([value.shape for value in inputs])
        return [Value(name, tuple(shape), inputs[0].dtype)]

    return convert


def _of_rank(graph: Graph, value: Value, rank: int) -> str:
    """A tensor with new axes after the batch axis, as Keras broadcasts it."""
    new = rank - len(value.shape)
    if not new:
        return value.name
    return graph.add("Unsqueeze", value.name, graph.ints(*range(1, 1 + new)))


def _concatenate(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    inputs = common(graph, inputs)
    shape = layer.compute_output_shape([value.shape for value in inputs])
    name = graph.add("Concat", *(value.name for value in inputs), axis=layer.axis)
    return [Value(name, tuple(shape), inputs[0].dtype)]


def _dot(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    if layer.normalize:
        raise Unsupported("`normalize=True` is not supported. Use `UnitNormalization` before it")
    first, second = inputs
    axes = [layer.axes] * 2 if isinstance(layer.axes, int) else list(layer.axes)
    left, right = (
        axes_of(axis, len(value.shape))[0] for axis, value in zip(axes, inputs, strict=True)
    )
    a = "b" + "cdef"[: len(first.shape) - 1]
    b = "b" + "ghij"[: len(second.shape) - 1]
    b = b.replace(b[right], a[left])
    kept = "".join(letter for letter in a + b[1:] if letter != a[left])
    name = graph.add("Einsum", first.name, second.name, equation=f"{a},{b}->{kept}")
    if len(kept) == 1:
        name = graph.add("Unsqueeze", name, graph.ints(1))
    return [Value(name, tuple(layer.compute_output_shape([first.shape, second.shape])))]


KEEPS_DTYPE: tuple[type, ...] = (
    *(_layers.Add, _layers.Concatenate, _layers.Maximum, _layers.Minimum),
    *(_layers.Multiply, _layers.Subtract),
)

CONVERTERS: dict[type, Callable[..., list[Value]]] = {
    _layers.Add: _merge("Add"),
    _layers.Average: _merge("Add", mean=True),
    _layers.Concatenate: _concatenate,
    _layers.Dot: _dot,
    _layers.Maximum: _merge("Max"),
    _layers.Minimum: _merge("Min"),
    _layers.Multiply: _merge("Mul"),
    _layers.Subtract: _merge("Sub"),
}
