"""Layers that normalize: by what training has stored, or over axes of each row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_rnnkit.interop.onnx.elementwise import number
from keras_rnnkit.interop.onnx.graph import Graph, Value
from keras_rnnkit.interop.onnx.shapes import axes_of
from keras_rnnkit.interop.onnx.weights import array

_layers = keras.layers


def _along(weight: np.ndarray, axes: list[int], rank: int) -> np.ndarray:
    """Weights of some axes in a shape that fits a tensor of this rank."""
    sizes = dict(zip(axes, weight.shape, strict=True))
    return weight.reshape([sizes.get(axis, 1) for axis in range(rank)])


def _batch(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x, mean = inputs[0], array(layer.moving_mean)
    factor = 1 / np.sqrt(array(layer.moving_variance, "float64") + layer.epsilon)
    if layer.scale:
        factor = factor * array(layer.gamma)
    shift = -mean * factor + (array(layer.beta) if layer.center else 0)
    rank = len(x.shape)
    axes = axes_of(layer.axis, rank)
    scale, offset = (
        graph.constant(_along(part.astype("float32"), axes, rank), hint)
        for part, hint in ((factor, "scale"), (shift, "offset"))
    )
    return [Value(graph.add("Add", graph.add("Mul", x.name, scale), offset), x.shape)]


def _layer(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x = inputs[0]
    axes = axes_of(layer.axis, len(x.shape))
    gamma, beta = (None if w is None else array(w) for w in (layer.gamma, layer.beta))
    if getattr(layer, "rms_scaling", False):
        return [Value(_by_variance(graph, x, axes, layer.epsilon, gamma), x.shape)]
    if axes == list(range(axes[0], len(x.shape))) and None not in (x.shape[a] for a in axes):
        return [Value(_as_operator(graph, x, axes, layer.epsilon, gamma, beta), x.shape)]
    mean = graph.add("ReduceMean", x.name, graph.ints(*axes), keepdims=1)
    centred = graph.add("Sub", x.name, mean)
    name = _scaled(graph, centred, centred, axes, layer.epsilon)
    return [Value(_affine(graph, name, axes, len(x.shape), gamma, beta), x.shape)]


def _as_operator(
    graph: Graph, x: Value, axes: list[int], epsilon: float, gamma: Any, beta: Any
) -> str:
    sizes = [x.shape[axis] for axis in axes]
    scale = graph.constant(np.ones(sizes, "float32") if gamma is None else gamma, "gamma")
    shift = [] if beta is None else [graph.constant(beta, "beta")]
    return graph.add(
        "LayerNormalization", x.name, scale, *shift, axis=axes[0], epsilon=float(epsilon)
    )


def _by_variance(graph: Graph, x: Value, axes: list[int], epsilon: float, gamma: Any) -> str:
    """`LayerNormalization(rms_scaling=True)` of Keras: no mean is subtracted."""
    mean = graph.add("ReduceMean", x.name, graph.ints(*axes), keepdims=1)
    name = _scaled(graph, x.name, graph.add("Sub", x.name, mean), axes, epsilon)
    return _affine(graph, name, axes, len(x.shape), gamma, None)


def _rms(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x = inputs[0]
    axes = axes_of(layer.axis, len(x.shape))
    name = _scaled(graph, x.name, x.name, axes, layer.epsilon)
    scale = graph.constant(array(layer.scale), "scale")  # Keras aligns it with the last axes
    return [Value(graph.add("Mul", name, scale), x.shape)]


def _scaled(graph: Graph, x: str, spread: str, axes: list[int], epsilon: float) -> str:
    """A tensor by the root of the mean square of another one."""
    square = graph.add("Mul", spread, spread)
    mean = graph.add("ReduceMean", square, graph.ints(*axes), keepdims=1)
    return graph.add("Div", x, graph.add("Sqrt", graph.add("Add", mean, number(graph, epsilon))))


def _affine(graph: Graph, name: str, axes: list[int], rank: int, gamma: Any, beta: Any) -> str:
    for op, weight in (("Mul", gamma), ("Add", beta)):
        if weight is not None:
            name = graph.add(op, name, graph.constant(_along(weight, axes, rank)))
    return name


def unit(graph: Graph, x: Value, axis: Any) -> str:
    """A tensor whose vectors along an axis have length 1."""
    axes = graph.ints(*axes_of(axis, len(x.shape)))
    length = graph.add("ReduceL2", x.name, axes, keepdims=1)
    return graph.add("Div", x.name, graph.add("Max", length, number(graph, 1e-12)))


def _unit(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    return [Value(unit(graph, inputs[0], layer.axis), inputs[0].shape)]


CONVERTERS: dict[type, Callable[..., list[Value]]] = {
    _layers.BatchNormalization: _batch,
    _layers.LayerNormalization: _layer,
    _layers.RMSNormalization: _rms,
    _layers.UnitNormalization: _unit,
}
