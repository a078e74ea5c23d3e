"""Layers along the time axis: convolutions, pooling, padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_rnnkit.interop.onnx.elementwise import activated, number
from keras_rnnkit.interop.onnx.graph import Graph, Value
from keras_rnnkit.interop.onnx.shapes import broadcast_like, transposed
from keras_rnnkit.interop.onnx.unsupported import Unsupported
from keras_rnnkit.interop.onnx.weights import array, cast

_layers = keras.layers


def _channels_first(graph: Graph, layer: Any, x: Value) -> Value:
    return x if layer.data_format == "channels_first" else transposed(graph, x, (0, 2, 1))


def _as_layer(graph: Graph, layer: Any, x: Value, name: str) -> Value:
    """The output of an operator that has channels first, as the layer has it."""
    if layer.data_format != "channels_first":
        name = graph.add("Transpose", name, perm=[0, 2, 1])
    return Value(name, tuple(layer.compute_output_shape(x.shape)))


def _padding(layer: Any, size: int) -> dict[str, Any]:
    """The attributes for the padding of windows over `size` steps."""
    if layer.padding == "valid":
        return {}
    if layer.padding == "causal":
        return {"pads": [size - 1, 0]}
    if layer.strides[0] == 1:
        return {"pads": [(size - 1) // 2, size // 2]}
    return {"auto_pad": "SAME_UPPER"}


def _conv(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    kernel = graph.constant(array(layer.kernel).transpose(2, 1, 0), "kernel")
    bias = graph.constant(array(layer.bias), "bias") if layer.use_bias else ""
    size = (layer.kernel_size[0] - 1) * layer.dilation_rate[0] + 1
    name = graph.add(
        "Conv",
        _channels_first(graph, layer, inputs[0]).name,
        kernel,
        *([bias] if bias else []),
        strides=list(layer.strides),
        dilations=list(layer.dilation_rate),
        group=layer.groups,
        **_padding(layer, size),
    )
    output = _as_layer(graph, layer, inputs[0], name)
    name = activated(graph, layer.activation, output.name)
    return [Value(name, output.shape)]


def _pool(op: str) -> Callable[..., list[Value]]:
    def convert(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
        x, size, stride = inputs[0], layer.pool_size[0], layer.strides[0]
        steps = _channels_first(graph, layer, x).name
        windows: dict[str, Any] = {"kernel_shape": [size], "strides": [stride]}
        repeats = op == "AveragePool" and _repeats_ends(layer)
        if layer.padding == "valid" or (size >= stride and not repeats):
            name = graph.add(op, steps, **windows, **_padding(layer, size))
            return [_as_layer(graph, layer, x, name)]
        pads, even = _pads(graph, steps, size, stride)
        name = graph.add(op, graph.add("Pad", steps, pads, mode="edge"), **windows)
        if op == "AveragePool":  # without the padding in the means
            ones = broadcast_like(graph, number(graph, 1), Value(steps, x.shape))
            sums, counts = (
                graph.add(op, graph.add("Pad", part, pads), **windows) for part in (steps, ones)
            )
            mean = graph.add("Div", sums, counts)
            name = graph.add("Where", even, mean, name) if repeats else mean
        return [_as_layer(graph, layer, x, name)]

    return convert


def _repeats_ends(layer: Any) -> bool:
    """Whether averages may count repeated first and last steps.

    Keras does so on PyTorch where the padding on the right is longer than that on the left.
    """
    uneven = layer.strides[0] > 1 or layer.pool_size[0] % 2 == 0
    return bool(uneven and keras.config.backend() == "torch")


def _pads(graph: Graph, x: str, size: int, stride: int) -> tuple[str, str]:
    """The `pads` of `Pad` for windows over all steps, and whether they are the same on both sides.

    Windows that are shorter than their stride may leave out the last steps, and need no padding
    then. `auto_pad` of ONNX Runtime fails there.
    """
    ints = graph.ints
    length = graph.add("Shape", x, start=2)
    windows = graph.add("Div", graph.add("Sub", length, ints(1)), ints(stride))
    needed = graph.add("Add", graph.add("Mul", windows, ints(stride)), ints(size))
    total = graph.add("Max", graph.add("Sub", needed, length), ints(0))
    left = graph.add("Div", total, ints(2))
    right = graph.add("Sub", total, left)
    pads = graph.add("Concat", ints(0, 0), left, ints(0, 0), right, axis=0)
    return pads, graph.add("Equal", left, right)


def _global_max(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    axis = graph.ints(1 if layer.data_format == "channels_last" else 2)
    name = graph.add("ReduceMax", inputs[0].name, axis, keepdims=int(layer.keepdims))
    return [Value(name, tuple(layer.compute_output_shape(inputs[0].shape)))]


def _global_average(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x, keepdims = inputs[0], int(layer.keepdims)
    time = 1 if layer.data_format == "channels_last" else 2
    axis, shape = graph.ints(time), tuple(layer.compute_output_shape(x.shape))
    if x.mask is None:
        return [Value(graph.add("ReduceMean", x.name, axis, keepdims=keepdims), shape)]
    valid = graph.add("Unsqueeze", x.mask, graph.ints(3 - time))
    kept = graph.add("Where", valid, x.name, graph.constant(np.float32(0)))
    total = graph.add("ReduceSum", kept, axis, keepdims=keepdims)
    count = graph.add("ReduceSum", cast(graph, valid, "float32"), axis, keepdims=keepdims)
    return [Value(graph.add("Div", total, count), shape)]


def _zero_padding(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x, (left, right) = inputs[0], layer.padding
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        pads = graph.ints(0, 0, left, 0, 0, right)
    else:
        pads = graph.ints(0, left, 0, 0, right, 0)
    return [Value(graph.add("Pad", x.name, pads), tuple(layer.compute_output_shape(x.shape)))]


def _cropping(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x, (left, right) = inputs[0], layer.cropping
    end = -right if right else np.iinfo("int64").max
    name = graph.add("Slice", x.name, graph.ints(left), graph.ints(end), graph.ints(1))
    return [Value(name, tuple(layer.compute_output_shape(x.shape)))]


def _up_sampling(graph: Graph, layer: Any, inputs: list[Value]) -> list[Value]:
    x, size = inputs[0], int(layer.size)
    if x.shape[2] is None:
        raise Unsupported("the number of features of its input must be known")
    apart = graph.add("Unsqueeze", x.name, graph.ints(2))
    repeated = graph.add("Tile", apart, graph.ints(1, 1, size, 1))
    name = graph.add("Reshape", repeated, graph.ints(0, -1, x.shape[2]))
    return [Value(name, tuple(layer.compute_output_shape(x.shape)))]


CONVERTERS: dict[type, Callable[..., list[Value]]] = {
    _layers.Conv1D: _conv,
    _layers.MaxPooling1D: _pool("MaxPool"),
    _layers.AveragePooling1D: _pool("AveragePool"),
    _layers.GlobalMaxPooling1D: _global_max,
    _layers.GlobalAveragePooling1D: _global_average,
    _layers.ZeroPadding1D: _zero_padding,
    _layers.Cropping1D: _cropping,
    _layers.UpSampling1D: _up_sampling,
}
