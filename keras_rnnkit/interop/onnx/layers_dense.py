"""Layers that treat every vector by itself: embeddings, products, activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import keras_rnnkit.layers as kit
from keras_rnnkit.interop.onnx.elementwise import Function, activated, operator, relu
from keras_rnnkit.interop.onnx.graph import Graph, Value
from keras_rnnkit.interop.onnx.unsupported import Unsupported
from keras_rnnkit.interop.onnx.weights import array, as_value

_layers = keras.layers


def _embedding(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    ids = inputs[0]
    if ids.dtype not in ("int32", "int64"):
        ids = as_value(graph, ids, "int32")
    table = graph.constant(array(layer.embeddings), "embeddings")
    return [Value(graph.add("Gather", table, ids.name), (*ids.shape, layer.output_dim))]


def _dense(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x = inputs[0]
    name = graph.add("MatMul", x.name, graph.constant(array(layer.kernel), "kernel"))
    if layer.bias is not None:
        name = graph.add("Add", name, graph.constant(array(layer.bias), "bias"))
    name = activated(graph, layer.activation, name)
    return [Value(name, (*x.shape[:-1], layer.units))]


def _einsum_dense(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x, kernel = inputs[0], graph.constant(array(layer.kernel), "kernel")
    name = graph.add("Einsum", x.name, kernel, equation=layer.equation)
    if layer.bias is not None:
        name = graph.add("Add", name, graph.constant(array(layer.bias), "bias"))
    name = activated(graph, layer.activation, name)
    shape = keras.KerasTensor(x.shape)
    return [Value(name, tuple(layer.compute_output_spec(shape).shape))]


def _activation(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x = inputs[0]
    return [Value(activated(graph, layer.activation, x.name), x.shape)]


def _same(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    """What a layer does that has an effect in training only."""
    return inputs


def _function(make: Callable[[Any], Function]) -> Callable[..., list[Value]]:
    """The converter of a layer that is a function with the layer's options."""

    def convert(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
        return [Value(make(layer)(graph, inputs[0].name), inputs[0].shape)]

    return convert


def _prelu(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    slopes = graph.constant(array(layer.alpha), "alpha")
    return [Value(graph.add("PRelu", inputs[0].name, slopes), inputs[0].shape)]


def _softmax(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x, axis = inputs[0], layer.axis
    if not isinstance(axis, int):
        if len(axis) != 1:
            raise Unsupported(f"its `axis={axis}` are several axes. Use one axis")
        axis = axis[0]
    name = x.name
    if x.mask is not None:
        name = graph.add("Where", x.mask, name, graph.constant(np.float32(-3e38)))
    name = graph.add("Softmax", name, axis=axis)
    if x.mask is not None:
        name = graph.add("Where", x.mask, name, graph.constant(np.float32(0)))
    return [Value(name, x.shape)]


def _masking(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x = inputs[0]
    value = graph.constant(array(layer.mask_value, x.dtype))
    other = graph.add("Not", graph.add("Equal", x.name, value))
    steps = _any_feature(graph, other, x)
    kept = graph.add("Unsqueeze", steps, graph.ints(-1))
    zero = graph.constant(np.zeros((), x.dtype))
    return [Value(graph.add("Where", kept, x.name, zero), x.shape, x.dtype, steps)]


def _any_feature(graph: Graph, condition: str, x: Value) -> str:
    numbers = as_value(graph, Value(condition, x.shape, "bool"), "int32").name
    found = graph.add("ReduceMax", numbers, graph.ints(-1), keepdims=0)
    return as_value(graph, Value(found, x.shape[:-1], "int32"), "bool").name


def _rescaling(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x = inputs[0]
    scaled = graph.add("Mul", x.name, graph.constant(np.float32(layer.scale)))
    return [Value(graph.add("Add", scaled, graph.constant(np.float32(layer.offset))), x.shape)]


def _normalization(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x = inputs[0]
    mean = graph.constant(array(layer.mean), "mean")
    root = np.maximum(np.sqrt(array(layer.variance)), keras.config.epsilon())
    deviation = graph.constant(root.astype("float32"), "deviation")
    if layer.invert:
        return [Value(graph.add("Add", graph.add("Mul", x.name, deviation), mean), x.shape)]
    return [Value(graph.add("Div", graph.add("Sub", x.name, mean), deviation), x.shape)]


# Layers that take integers and booleans as they are.
KEEPS_DTYPE: tuple[type, ...] = (_layers.Embedding, _layers.Masking, _layers.Identity)

_TRAINING_ONLY = (
    *(_layers.ActivityRegularization, _layers.AlphaDropout, _layers.Dropout),
    *(_layers.GaussianDropout, _layers.GaussianNoise, _layers.Identity),
    *(_layers.SpatialDropout1D, _layers.SpatialDropout2D, _layers.SpatialDropout3D),
)

CONVERTERS: dict[type, Callable[..., list[Value]]] = {
    _layers.Embedding: _embedding,
    kit.Embedding: _embedding,
    _layers.Dense: _dense,
    _layers.EinsumDense: _einsum_dense,
    _layers.Activation: _activation,
    **dict.fromkeys(_TRAINING_ONLY, _same),
    _layers.ELU: _function(lambda layer: operator("Elu", alpha=float(layer.alpha))),
    _layers.LeakyReLU: _function(
        lambda layer: operator("LeakyRelu", alpha=float(layer.negative_slope))
    ),
    _layers.PReLU: _prelu,
    _layers.ReLU: _function(
        lambda layer: relu(layer.negative_slope, layer.max_value, layer.threshold)
    ),
    _layers.Softmax: _softmax,
    _layers.Masking: _masking,
    _layers.Rescaling: _rescaling,
    _layers.Normalization: _normalization,
}
