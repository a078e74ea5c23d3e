"""Recurrent states as inputs and outputs of a graph."""

from __future__ import annotations

from typing import Any

from keras_rnnkit.interop.onnx.graph import Graph, Value


class CarriedStates:
    """The states that a graph takes as inputs and returns as outputs.

    All of them start as zeros. Their names are the layer's name and the state's, `lstm/hidden`;
    the output is `lstm/hidden/last`.

    Args:
        graph: The graph of the model.
        streaming: Whether a run of the graph computes one step, with `(batch, 1, ...)` inputs.
    """

    def __init__(self, graph: Graph, streaming: bool = False) -> None:
        self._graph = graph
        self.streaming = streaming
        self.entries: list[dict[str, Any]] = []

    def take(self, name: str, size: int) -> str:
        """The value before the run: a new input `(batch, size)`."""
        return self._graph.input(name, "float32", (None, size)).name

    def give(self, taken: str, value: str, size: int) -> None:
        """Make the value after the run an output.

        Args:
            taken: What `take` returned.
            value: The name of the tensor `(batch, size)`.
            size: Its width.
        """
        output = self._graph.output(Value(value, (None, size)), f"{taken}/last")
        entry = {"input": taken, "output": output.name, "shape": [None, size]}
        self.entries.append(entry)
