"""The converters of recurrent layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

import keras_rnnkit.layers as kit
from keras_rnnkit.interop.onnx.bidirectional import bidirectional
from keras_rnnkit.interop.onnx.graph import Graph, Value
from keras_rnnkit.interop.onnx.layer_states import LayerStates
from keras_rnnkit.interop.onnx.single import SINGLE, Result, single
from keras_rnnkit.interop.onnx.stacked import stacked
from keras_rnnkit.interop.onnx.streaming import CarriedStates
from keras_rnnkit.interop.onnx.weights import array
from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.layers._states import split_states
from keras_rnnkit.running.names import name_of, states_in_order


def convert(
    graph: Graph,
    layer: Any,
    inputs: list[Value],
    initial_state: Any = None,
    states: CarriedStates | None = None,
) -> list[Value]:
    """The nodes of a call of a recurrent layer.

    Args:
        graph: The graph to add nodes to.
        layer: A layer of a class in `CONVERTERS`.
        inputs: Its input, `(batch, time, features)`, with the mask that Keras passes to the layer.
        initial_state: The states that the model passes to the layer, `Value`s in any structure
            that the layer takes.
        states: The states that the graph takes and returns, if it does.

    Returns:
        What the layer returns, flat, in the order of `keras.tree.flatten`.

    Raises:
        ValueError: For what a file cannot do. The message names the layer and says what can.
    """
    given = None
    if initial_state is not None:
        given = [value.name for value in _in_order(layer, initial_state)]
    own = LayerStates(graph, layer.name, states, given)
    inner = layer.layer if isinstance(layer, kit.LearnedInitialState) else layer
    return _CONVERT[type(layer)](graph, layer, inputs[0], own).returned(inner)


def _learned(graph: Graph, layer: Any, x: Value, states: LayerStates) -> Result:
    """`LearnedInitialState`: the layer in it, whose first states are constants."""
    learned = [array(state) for state in layer.learned_states]
    converter = _CONVERT.get(type(layer.layer), single)  # which refuses an unknown class
    return converter(graph, layer.layer, x, states.with_learned(learned))


def _in_order(layer: Any, states: Any) -> list[Value]:
    """The states that a model passes to a layer, flat and in the layer's order."""
    if isinstance(layer, kit.LearnedInitialState):
        return _in_order(layer.layer, states)
    if isinstance(layer, kit.StackedRNN):
        parts = split_states(name_of(layer), states, layer.recurrent_layers)
        return [value for part in parts for value in part]
    if isinstance(layer, Recurrent | kit.Bidirectional):
        flat = states_in_order(name_of(layer), layer, states, "initial_state")
        return keras.tree.flatten(flat)
    return keras.tree.flatten(states)


_CONVERT: dict[type, Callable[[Graph, Any, Value, LayerStates], Result]] = {
    **dict.fromkeys(SINGLE, single),
    keras.layers.Bidirectional: bidirectional,
    kit.Bidirectional: bidirectional,
    kit.StackedRNN: stacked,
    kit.LearnedInitialState: _learned,
}

CONVERTERS: dict[type, Callable[..., list[Value]]] = dict.fromkeys(_CONVERT, convert)
