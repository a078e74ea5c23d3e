"""Where the first states of a layer come from, and where its last states go."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_rnnkit import cells
from keras_rnnkit.cells.zoneout import state_names
from keras_rnnkit.interop.onnx.graph import Graph
from keras_rnnkit.interop.onnx.refusing import refuse
from keras_rnnkit.interop.onnx.streaming import CarriedStates
from keras_rnnkit.interop.onnx.weights import cast


class LayerStates:
    """The states of a layer: given by the model, carried by the caller, learned, or zeros.

    Args:
        graph: The graph to add nodes to.
        name: The name of the layer in the names of carried states.
        carried: The inputs and outputs of the graph for states, if it has some.
        given: The names of the tensors `(batch, size)` that the model passes, flat.
        learned: The vectors `(size,)` that every row starts from, flat.
    """

    def __init__(
        self,
        graph: Graph,
        name: str,
        carried: CarriedStates | None,
        given: list[str] | None = None,
        learned: list[np.ndarray] | None = None,
    ) -> None:
        self._graph, self._name = graph, name
        self._carried, self._given, self._learned = carried, given, learned
        self._taken: list[tuple[str, int]] = []

    @property
    def streaming(self) -> bool:
        """Whether the graph computes one step."""
        return self._carried is not None and self._carried.streaming

    @property
    def carries(self) -> bool:
        """Whether the caller carries the states."""
        return self._carried is not None and self._given is None

    def split(self, parts: dict[str, int]) -> list[LayerStates]:
        """Those of the parts of the layer, from their names and their numbers of states."""
        found, start = [], 0
        for name, count in parts.items():
            own = slice(start, start + count)
            given = None if self._given is None else self._given[own]
            learned = None if self._learned is None else self._learned[own]
            name = f"{self._name}/{name}"
            found.append(LayerStates(self._graph, name, self._carried, given, learned))
            start += count
        return found

    def with_learned(self, learned: list[np.ndarray]) -> LayerStates:
        """The same for a layer whose rows start from these vectors."""
        return LayerStates(self._graph, self._name, self._carried, self._given, learned)

    def first(self, layer: Any, x: str) -> list[str] | None:
        """The first states, each `(batch, size)`; `None` for zeros.

        Args:
            layer: The recurrent layer, of one direction.
            x: The name of its input, whose first axis is the batch.
        """
        if self._given is not None:
            if self.streaming:
                refuse(
                    layer,
                    "`initial_state`",
                    "`streaming=True` carries the states from step to step. Leave it out of the "
                    "model, or export without `streaming`",
                )
            return self._given
        learned = None if self._learned is None else self._from_learned(x)
        if self._carried is None:
            return learned
        taken = [self._take(name, size) for name, size in _named_sizes(layer)]
        if learned is None:
            return taken
        started = cast(self._graph, self._take("started", 1), "bool")
        return [
            self._graph.add("Where", started, *pair) for pair in zip(taken, learned, strict=True)
        ]

    def first_output(self, size: int) -> str:
        """The output before the step, `(batch, size)`, which a masked step repeats."""
        return self._take("output", size)

    def last(self, states: list[str], output: str | None = None) -> None:
        """Pass the last states to the caller, if it carries them.

        Args:
            states: Those of the layer.
            output: The output that `first_output` takes in the next step.
        """
        if not self.carries or self._carried is None:
            return
        values = list(states)
        if self._learned is not None:
            values.append(self._ones(states[0]))
        values += [] if output is None else [output]
        for (taken, size), value in zip(self._taken, values, strict=True):
            self._carried.give(taken, value, size)

    def _take(self, name: str, size: int) -> str:
        assert self._carried is not None
        taken = self._carried.take(f"{self._name}/{name}", size)
        self._taken.append((taken, size))
        return taken

    def _from_learned(self, x: str) -> list[str]:
        assert self._learned is not None
        return [self._rows(state[None], x) for state in self._learned]

    def _ones(self, like: str) -> str:
        return self._rows(np.ones((1, 1), "float32"), like)

    def _rows(self, row: np.ndarray, like: str) -> str:
        """A constant row `(1, size)`, for as many rows as a tensor has."""
        batch = self._graph.add("Shape", like, start=0, end=1)
        shape = self._graph.add("Concat", batch, self._graph.ints(1), axis=0)
        return self._graph.add("Expand", self._graph.constant(row), shape)


def _named_sizes(layer: Any) -> list[tuple[str, int]]:
    """The names and sizes of a layer's states; in a stack of cells by the cell's place."""
    cell = layer.cell
    if not isinstance(cell, keras.layers.StackedRNNCells):
        return _of_cell(cell)
    return [
        (f"cell_{i}/{name}", size)
        for i, part in enumerate(cell.cells)
        for name, size in _of_cell(part)
    ]


def _of_cell(cell: Any) -> list[tuple[str, int]]:
    """The names and sizes of a cell's states; those of Keras' cells as the kit names them."""
    inner = cell
    while isinstance(inner, cells.Zoneout):
        inner = inner.cell
    names = _OF_KERAS.get(type(inner)) or state_names(inner)
    return list(zip(names, keras.tree.flatten(cell.state_size), strict=True))


_OF_KERAS = {
    keras.layers.GRUCell: cells.GRUCell.state_names,
    keras.layers.LSTMCell: cells.LSTMCell.state_names,
    keras.layers.SimpleRNNCell: cells.SimpleRNNCell.state_names,
}
