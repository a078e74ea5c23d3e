"""`StackedRNN`: its layers one after the other, with norms and residual connections."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np

import keras_rnnkit.layers as kit
from keras_rnnkit.interop.onnx.bidirectional import bidirectional
from keras_rnnkit.interop.onnx.graph import Graph, Value
from keras_rnnkit.interop.onnx.layer_states import LayerStates
from keras_rnnkit.interop.onnx.single import Result, check_options, single
from keras_rnnkit.interop.onnx.tensors import Tensor
from keras_rnnkit.interop.onnx.weights import array, cast
from keras_rnnkit.layers._states import directions, state_count


def stacked(graph: Graph, stack: Any, x: Value, states: LayerStates) -> Result:
    """A stack of recurrent layers; its states are in the order that Keras flattens them in.

    Args:
        graph: The graph to add nodes to.
        stack: The `StackedRNN`.
        x: Its input, `(batch, time, features)`.
        states: Its states, layer by layer.
    """
    check_options(stack, states)
    layers = stack.recurrent_layers
    own = states.split({layer.name: state_count(layer) for layer in layers})
    last: dict[str, list[Value]] = {}
    for i, (layer, of_layer) in enumerate(zip(layers, own, strict=True)):
        y = x if stack.norms[i] is None else _normalized(graph, stack.norms[i], x)
        convert = bidirectional if type(layer) is kit.Bidirectional else single
        result = convert(graph, layer, y, of_layer)
        output = result.outputs[0]
        last[layer.name] = result.states
        if stack.residual and i:
            output = _with_residual(graph, stack.projections[i], layer, x, output)
        x = output
    return Result([x], keras.tree.flatten(last))


def _normalized(graph: Graph, norm: Any, x: Value) -> Value:
    tensor = Tensor(graph, x.name)
    weights = (array(norm.gamma), array(norm.beta))
    y = tensor.apply("LayerNormalization", *weights, axis=-1, epsilon=norm.epsilon)
    return replace(x, name=y.name)


def _with_residual(graph: Graph, projected: Any, layer: Any, x: Value, y: Value) -> Value:
    """The output of a layer plus its input; plus that of the last valid step, if it is the last."""
    through = x.name
    if not directions(layer)[0].return_sequences:
        through = _last_valid(graph, x)
    if projected is not None:
        through = graph.add("MatMul", through, graph.constant(array(projected.kernel)))
    return replace(y, name=graph.add("Add", y.name, through))


def _last_valid(graph: Graph, x: Value) -> str:
    """The values of the last step where the mask is true; of the last step where it never is."""
    if x.mask is None:
        return graph.add("Gather", x.name, graph.constant(np.array(-1)), axis=1)
    valid = cast(graph, x.mask, "int32")
    last = graph.add("ArgMax", valid, axis=1, keepdims=1, select_last_index=1)
    return graph.add("GatherND", x.name, last, batch_dims=1)
