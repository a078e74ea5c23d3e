"""Layers that merge several tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

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


def _extreme(op: str) -> Callable[..., list[Value]]:
    """`Maximum` or `Minimum`: where a step of one input is masked, the other one alone counts."""

    def convert(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
        inputs = common(graph, inputs)
        rank = max(len(value.shape) for value in inputs)
        first, *others = inputs
        name, valid = _of_rank(graph, first, rank), _valid(graph, first, rank)
        for value in others:
            other, own = _of_rank(graph, value, rank), _valid(graph, value, rank)
            other = graph.add("Where", own, other, name) if own else other
            name = graph.add("Where", valid, name, other) if valid else name
            valid = graph.add("Or", valid, own) if valid and own else None
            name = graph.add(op, name, other)
        shape = layer.compute_output_shape([value.shape for value in inputs])
        return [Value(name, tuple(shape), inputs[0].dtype)]

    return convert


def _multiply(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    """Masked steps count as 1, and where all inputs are masked, the product is 0."""
    inputs = common(graph, inputs)
    rank = max(len(value.shape) for value in inputs)
    one, zero = (graph.constant(np.asarray(n, inputs[0].dtype)) for n in (1, 0))
    masks = [_valid(graph, value, rank) for value in inputs]
    names = [
        graph.add("Where", mask, _of_rank(graph, value, rank), one)
        if mask
        else _of_rank(graph, value, rank)
        for value, mask in zip(inputs, masks, strict=True)
    ]
    name = functools.reduce(functools.partial(graph.add, "Mul"), names)
    known = [mask for mask in masks if mask]
    if len(known) == len(masks):
        some = functools.reduce(functools.partial(graph.add, "Or"), known)
        name = graph.add("Where", some, name, zero)
    shape = layer.compute_output_shape([value.shape for value in inputs])
    return [Value(name, tuple(shape), inputs[0].dtype)]


def _valid(graph: Graph, value: Value, rank: int) -> str | None:
    """The mask of a value with an axis of features; none for one that gets new axes."""
    if value.mask is None or len(value.shape) < rank:
        return None
    return graph.add("Unsqueeze", value.mask, graph.ints(-1))


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
    _layers.Maximum: _extreme("Max"),
    _layers.Minimum: _extreme("Min"),
    _layers.Multiply: _multiply,
    _layers.Subtract: _merge("Sub"),
}
