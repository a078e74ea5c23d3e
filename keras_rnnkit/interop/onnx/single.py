"""Recurrent layers of one direction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

import keras_rnnkit.layers as kit
from keras_rnnkit.interop.onnx.graph import Graph, Value
from keras_rnnkit.interop.onnx.layer_states import LayerStates
from keras_rnnkit.interop.onnx.packing import flipped, where
from keras_rnnkit.interop.onnx.refusing import refuse
from keras_rnnkit.interop.onnx.running import Run, Steps, run_layer
from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.running.loop import output_size

SINGLE = (
    *(keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN, keras.layers.RNN),
    *(kit.LSTM, kit.GRU, kit.SimpleRNN, kit.RNN, kit.MinGRU, kit.MinLSTM, kit.RGLRU),
)


@dataclass(frozen=True)
class Result:
    """What a layer computes.

    Attributes:
        outputs: Its outputs: one, or two of a `Bidirectional` without a `merge_mode`.
        states: Its last states, flat.
    """

    outputs: list[Value]
    states: list[Value]

    def returned(self, layer: Any) -> list[Value]:
        """What the layer returns."""
        return [*self.outputs, *(self.states if layer.return_state else [])]


def single(
    graph: Graph, layer: Any, x: Value, states: LayerStates, flip: bool | None = None
) -> Result:
    """A layer of one direction.

    Args:
        graph: The graph to add nodes to.
        layer: The layer.
        x: Its input, `(batch, time, features)`.
        states: Its states.
        flip: Whether to return a sequence from the last step to the first; by default with
            `go_backwards`.
    """
    check(layer, states)
    if states.streaming:
        return _one_step(graph, layer, x, states)
    first = states.first(layer, x.name)
    run = run_layer(graph, layer, Steps(x.name, x.mask), first, layer.go_backwards)
    flip = layer.go_backwards if flip is None else flip
    return result_of(graph, layer, x, run, states, flip)


def result_of(
    graph: Graph, layer: Any, x: Value, run: Run, states: LayerStates, flip: bool
) -> Result:
    """What a layer computes, from the run of its cells.

    Args:
        graph: The graph to add nodes to.
        layer: The layer.
        x: Its input.
        run: The run of its cells over it.
        states: The states of the layer.
        flip: Whether to return a sequence from the last step to the first.
    """
    if layer.return_sequences:
        output = run.sequence(layer.zero_output_for_mask)
        output = flipped(graph, output) if flip else output
    else:
        output = _last_output(graph, layer, x, run)
    return Result([shaped(layer, x, output)], last_states(layer, x, run.states, states))


def last_states(
    layer: Any, x: Value, last: Callable[[], list[str]], states: LayerStates
) -> list[Value]:
    """The last states of a layer, where it returns them; those that the caller carries go to it.

    Args:
        layer: The layer.
        x: Its input.
        last: Function that adds their nodes.
        states: The states of the layer.
    """
    if not layer.return_state and not states.carries:
        return []
    names = last()
    states.last(names)
    return _state_values(layer, x, names)


def check(layer: Any, states: LayerStates) -> None:
    """Refuse what a layer of one direction cannot do in a file."""
    if type(layer) not in SINGLE:
        refuse(
            layer,
            f"the class {type(layer).__module__}.{type(layer).__name__}",
            "it is not known what it computes. Use a recurrent layer of `keras_rnnkit` or of "
            "`keras.layers`",
        )
    check_options(layer, states)
    if states.streaming and layer.go_backwards:
        refuse(
            layer,
            "`go_backwards=True`",
            "`streaming=True` runs from the first step to the last. Use a layer without it, or "
            "export without `streaming`",
        )


def check_options(layer: Any, states: LayerStates) -> None:
    """Refuse options that no recurrent layer can have in a file."""
    if getattr(layer, "return_gates", False):
        refuse(
            layer,
            "`return_gates=True`",
            "the operators of ONNX do not return gates. Make the layer with `return_gates=False` "
            "and the same weights, and see its gates with `keras_rnnkit.trace`",
        )
    if layer.stateful and not states.carries:
        refuse(
            layer,
            "`stateful=True`",
            "a file keeps no states between runs. Export with `states=True` or `streaming=True`, "
            "so that the caller passes the states from run to run, or make the layer with "
            "`stateful=False`",
        )


def shaped(layer: Any, x: Value, output: str) -> Value:
    """The output of a layer with its shape, and the mask that Keras passes on."""
    width = output_size(layer.cell)
    if layer.return_sequences:
        return Value(output, (*x.shape[:2], width), mask=x.mask)
    return Value(output, (x.shape[0], width))


def _last_output(graph: Graph, layer: Any, x: Value, run: Run) -> str:
    output = run.last()
    if x.mask is None or not layer.zero_output_for_mask or isinstance(layer, Recurrent):
        return output
    # Keras' own layers: zeros where the step that they run last is masked.
    index = graph.constant(np.array(0 if layer.go_backwards else -1))
    valid = graph.add("Gather", x.mask, index, axis=1)
    return where(graph, valid, output)


def _state_values(layer: Any, x: Value, names: list[str]) -> list[Value]:
    sizes = keras.tree.flatten(layer.state_size)
    return [Value(name, (x.shape[0], size)) for name, size in zip(names, sizes, strict=True)]


def _one_step(graph: Graph, layer: Any, x: Value, states: LayerStates) -> Result:
    """A run over one step, whose states the caller carries.

    A masked step keeps the states and repeats the output of the step before, which the caller
    carries for it too.
    """
    first = states.first(layer, x.name)
    assert first is not None
    run = run_layer(graph, layer, Steps(x.name, single=True), first, reverse=False)
    last, output = run.states(), run.last()
    if x.mask is None:
        states.last(last)
    else:
        before = states.first_output(output_size(layer.cell))
        pairs = zip([*last, output], [*first, before], strict=True)
        *last, output = [graph.add("Where", x.mask, *pair) for pair in pairs]
        states.last(last, output)
        if layer.zero_output_for_mask and (
            layer.return_sequences or not isinstance(layer, Recurrent)
        ):
            output = graph.add("Where", x.mask, output, graph.constant(np.float32(0)))
    if layer.return_sequences:
        output = graph.add("Unsqueeze", output, graph.ints(1))
    return Result([shaped(layer, x, output)], _state_values(layer, x, last))
