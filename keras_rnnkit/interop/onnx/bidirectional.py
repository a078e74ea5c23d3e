"""`Bidirectional`: one node where both directions are alike, else one for each."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np

from keras_rnnkit.interop.onnx.graph import Graph, Value
from keras_rnnkit.interop.onnx.layer_states import LayerStates
from keras_rnnkit.interop.onnx.operators import Operator, alike, operator_of
from keras_rnnkit.interop.onnx.refusing import refuse
from keras_rnnkit.interop.onnx.running import Run, Steps, cells_of, run_both
from keras_rnnkit.interop.onnx.single import (
    Result,
    check,
    check_options,
    last_states,
    result_of,
    single,
)


def bidirectional(graph: Graph, layer: Any, x: Value, states: LayerStates) -> Result:
    """A layer in both directions.

    Args:
        graph: The graph to add nodes to.
        layer: The `Bidirectional`.
        x: Its input, `(batch, time, features)`.
        states: Its states, those of the forward layer first.
    """
    if states.streaming:
        refuse(
            layer,
            "`streaming=True`",
            "the backward direction begins with the last step. Use a layer of one direction, or "
            "export without `streaming`",
        )
    check_options(layer, states)
    layers = [layer.forward_layer, layer.backward_layer]
    for part in layers:
        check(part, states)
    counts = [len(keras.tree.flatten(part.state_size)) for part in layers]
    own = states.split(dict(zip(("forward", "backward"), counts, strict=True)))
    operators = _operators(layers)
    if operators is not None:
        return _one_node(graph, layer, x, own, operators)
    # The wrapper flips what the backward layer returns, from the last step to the first.
    flip = layers[0].go_backwards
    results = [
        single(graph, part, x, of_part, flip) for part, of_part in zip(layers, own, strict=True)
    ]
    return _merged(graph, layer, results)


def _operators(layers: list[Any]) -> list[Operator] | None:
    """The operators of both directions if one node can compute them."""
    parts = [cells_of(part) for part in layers]
    if layers[0].go_backwards or any(len(cells) > 1 for cells in parts):
        return None
    first, second = (operator_of(cells[0]) for cells in parts)
    return [first, second] if first and second and alike(first, second) else None


def _one_node(
    graph: Graph, layer: Any, x: Value, states: list[LayerStates], operators: list[Operator]
) -> Result:
    layers = [layer.forward_layer, layer.backward_layer]
    first = [own.first(part, x.name) for own, part in zip(states, layers, strict=True)]
    node = run_both(graph, operators, Steps(x.name, x.mask), first)
    if layer.merge_mode == "concat" and layer.return_sequences and x.mask is None:
        last = [
            state
            for i, part in enumerate(layers)
            for state in last_states(part, x, partial(node.states, i), states[i])
        ]
        width = 2 * operators[0].units
        return Result([Value(node.concatenated(), (*x.shape[:2], width))], last)
    runs = [
        Run(partial(node.sequence, i), partial(node.last, i), partial(node.states, i))
        for i in range(2)
    ]
    results = [
        result_of(graph, part, x, run, own, flip=False)
        for part, run, own in zip(layers, runs, states, strict=True)
    ]
    return _merged(graph, layer, results)


def _merged(graph: Graph, layer: Any, results: list[Result]) -> Result:
    """The outputs of both directions, each in natural order of time, as the wrapper merges them."""
    states = [state for result in results for state in result.states]
    (forward,), (backward,) = (result.outputs for result in results)
    if layer.merge_mode is None:
        return Result([forward, backward], states)
    names, width = (forward.name, backward.name), forward.shape[-1]
    if layer.merge_mode == "concat":
        merged = graph.add("Concat", *names, axis=-1)
        width = (width or 0) + (backward.shape[-1] or 0)
    elif layer.merge_mode == "mul":
        merged = graph.add("Mul", *names)
    else:
        merged = graph.add("Add", *names)
        if layer.merge_mode == "ave":
            merged = graph.add("Mul", merged, graph.constant(np.float32(0.5)))
    return Result([replace(forward, name=merged, shape=(*forward.shape[:-1], width))], states)
