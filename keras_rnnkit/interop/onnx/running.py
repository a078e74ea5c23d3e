"""A cell, or a chain of cells, over time: as nodes where ONNX has the operator, else as scans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras

from keras_rnnkit.cells import Zoneout
from keras_rnnkit.interop.onnx.equations import Equations, equations_of
from keras_rnnkit.interop.onnx.graph import Graph
from keras_rnnkit.interop.onnx.nodes import Node
from keras_rnnkit.interop.onnx.operators import Operator, operator_of
from keras_rnnkit.interop.onnx.packing import Packing
from keras_rnnkit.interop.onnx.refusing import refuse
from keras_rnnkit.interop.onnx.scans import Scan
from keras_rnnkit.interop.onnx.tensors import Tensor


@dataclass(frozen=True)
class Run:
    """What a cell over time gives.

    Attributes:
        sequence: Function that adds the nodes of the outputs `(batch, time, width)`, in natural
            order of time; its argument is whether masked steps are zeros.
        last: Function that adds those of the last output, `(batch, width)`.
        states: Function that adds those of the last states.
    """

    sequence: Callable[[bool], str]
    last: Callable[[], str]
    states: Callable[[], list[str]]


@dataclass(frozen=True)
class Steps:
    """The input of a layer.

    Attributes:
        x: The name of the tensor, `(batch, time, features)`.
        mask: The name of the boolean tensor `(batch, time)`, or `None`.
        single: Whether there is one step, and no mask.
    """

    x: str
    mask: str | None = None
    single: bool = False


def cells_of(layer: Any) -> list[Any]:
    """The cells of a layer in the order in which a step runs through them."""
    return _flat(layer.cell)


def _flat(cell: Any) -> list[Any]:
    if type(cell) is keras.layers.StackedRNNCells:
        return [part for inner in cell.cells for part in _flat(inner)]
    if type(cell) is Zoneout and not any(cell.rates):
        return [cell.cell]
    return [cell]


def run_layer(
    graph: Graph, layer: Any, steps: Steps, first: list[str] | None, reverse: bool
) -> Run:
    """The cells of a layer over time.

    A stack of cells runs cell by cell, each over the whole sequence.

    Args:
        graph: The graph to add nodes to.
        layer: The recurrent layer, of one direction.
        steps: Its input.
        first: Its first states, flat; `None` for zeros.
        reverse: Whether it runs from the last step to the first.
    """
    runs: list[Run] = []
    for cell in cells_of(layer):
        count = len(keras.tree.flatten(cell.state_size))
        own, first = (None, None) if first is None else (first[:count], first[count:])
        if runs:
            steps = replace(steps, x=runs[-1].sequence(False))
        runs.append(_run_cell(graph, layer, cell, steps, own, reverse))
    states = [run.states for run in runs]
    return Run(runs[-1].sequence, runs[-1].last, lambda: [s for of in states for s in of()])


def run_both(graph: Graph, operators: list[Operator], steps: Steps, first: Any) -> Node:
    """Two directions as one node.

    Args:
        graph: The graph to add nodes to.
        operators: The operators of both directions, which are alike.
        steps: Their input.
        first: The first states of each direction, or `None`.
    """
    return Node(graph, operators, steps.x, first, _packing(graph, steps))


def _run_cell(
    graph: Graph, layer: Any, cell: Any, steps: Steps, first: list[str] | None, reverse: bool
) -> Run:
    operator = operator_of(cell)
    if operator is not None:
        node = Node(graph, [operator], steps.x, [first], _packing(graph, steps), reverse)
        return Run(lambda zeros: node.sequence(0, zeros), node.last, node.states)
    equations = _equations(layer, cell)
    if steps.single and first is not None:
        return _run_step(graph, cell, equations, steps.x, first)
    scan = Scan(graph, cell, equations, steps.x, first, steps.mask, reverse)
    return Run(scan.sequence, scan.last, scan.states)


def _run_step(graph: Graph, cell: Any, equations: Equations, x: str, first: list[str]) -> Run:
    """A sequence of one step, without a loop."""
    projected = equations.project(cell, Tensor(graph, graph.add("Squeeze", x, graph.ints(1))))
    output, new = equations.step(cell, projected, [Tensor(graph, state) for state in first])
    return Run(
        lambda zeros: graph.add("Unsqueeze", output.name, graph.ints(1)),
        lambda: output.name,
        lambda: [state.name for state in new],
    )


def _packing(graph: Graph, steps: Steps) -> Packing | None:
    return None if steps.mask is None else Packing(graph, steps.mask)


def _equations(layer: Any, cell: Any) -> Equations:
    """The equations of a cell, or an error for an unknown one."""
    found = equations_of(cell)
    if found is None:
        inner = cell.cell if type(cell) is Zoneout else cell
        refuse(
            layer,
            f"the cell {type(inner).__module__}.{type(inner).__name__}",
            "the equations are known of the cells of `keras_rnnkit` and of `keras.layers` alone. "
            'Use one of these, or `model.export(path, format="onnx")` of Keras',
        )
    return found
