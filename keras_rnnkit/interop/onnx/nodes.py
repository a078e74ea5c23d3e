"""One or two directions over time as one node `LSTM`, `GRU` or `RNN`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_rnnkit.interop.onnx.graph import Graph
from keras_rnnkit.interop.onnx.operators import Operator
from keras_rnnkit.interop.onnx.packing import Packing


class Node:
    """A recurrent operator over a sequence, in one direction or both.

    Args:
        graph: The graph to add nodes to.
        operators: The operator of the only direction, or those of forward and backward direction.
        x: The name of the input, `(batch, time, features)`.
        first: The first states of each direction, each `(batch, units)`; `None` for zeros.
        packing: The order of the steps, if there is a mask.
        reverse: Whether the only direction runs from the last step to the first.
    """

    def __init__(
        self,
        graph: Graph,
        operators: Sequence[Operator],
        x: str,
        first: Sequence[list[str] | None],
        packing: Packing | None = None,
        reverse: bool = False,
    ) -> None:
        self._graph, self._operators, self._first = graph, operators, first
        self._packing, self._reverse = packing, reverse
        x = x if packing is None else packing.pack(x)
        steps = graph.add("Transpose", x, perm=[1, 0, 2])
        lengths = "" if packing is None else packing.lengths
        inputs = [steps, *self._weights(), lengths, *self._first_states()]
        peepholes = [o.peepholes for o in operators if o.peepholes is not None]
        if peepholes:
            inputs.append(graph.constant(np.stack(peepholes), "P"))
        while inputs[-1] == "":
            inputs.pop()
        count = 3 if operators[0].kind == "LSTM" else 2
        found = graph.add(operators[0].kind, *inputs, outputs=count, **self._attributes())
        self._outputs, *self._last = found

    def sequence(self, direction: int = 0, zero_masked: bool = False) -> str:
        """The outputs of a direction, `(batch, time, units)`, in natural order of time."""
        graph = self._graph
        if len(self._operators) == 1:
            outputs = graph.add("Squeeze", self._outputs, graph.ints(1))
        else:
            index = graph.constant(np.array(direction, "int64"))
            outputs = graph.add("Gather", self._outputs, index, axis=1)
        outputs = graph.add("Transpose", outputs, perm=[1, 0, 2])
        if self._packing is None:
            return outputs
        return self._packing.unpack(outputs, self._reverse or direction == 1, zero_masked)

    def last(self, direction: int = 0) -> str:
        """The last output of a direction, `(batch, units)`: zeros where no step is valid."""
        hidden = self._of(self._last[0], direction)
        if self._packing is None or self._first[direction] is None:
            return hidden
        zero = self._graph.constant(np.float32(0))
        return self._graph.add("Where", self._packing.any_valid, hidden, zero)

    def states(self, direction: int = 0) -> list[str]:
        """The last states of a direction, each `(batch, units)`."""
        found = [self._of(state, direction) for state in self._last]
        if self._packing is None:
            return found
        first = self._first[direction]
        if first is None:
            return found  # zeros where no step is valid
        return [self._packing.or_first(*pair) for pair in zip(found, first, strict=True)]

    def concatenated(self) -> str:
        """The outputs of both directions concatenated, `(batch, time, 2 * units)`.

        For steps without a mask, which needs the directions apart.
        """
        graph, width = self._graph, 2 * self._operators[0].units
        outputs = graph.add("Transpose", self._outputs, perm=[0, 2, 1, 3])
        steps = graph.add("Reshape", outputs, graph.ints(0, 0, width))
        return graph.add("Transpose", steps, perm=[1, 0, 2])  # which the next layer undoes

    def _of(self, states: str, direction: int) -> str:
        graph = self._graph
        if len(self._operators) == 1:
            return graph.add("Squeeze", states, graph.ints(0))
        return graph.add("Gather", states, graph.constant(np.array(direction, "int64")), axis=0)

    def _weights(self) -> list[str]:
        parts = {"W": "kernel", "R": "recurrent", "B": "bias"}
        return [
            self._graph.constant(np.stack([getattr(o, part) for o in self._operators]), name)
            for name, part in parts.items()
        ]

    def _first_states(self) -> list[str]:
        """The first states of all directions, each `(directions, batch, units)`, or left out."""
        graph = self._graph
        count = 2 if self._operators[0].kind == "LSTM" else 1
        if all(states is None for states in self._first):
            return [""] * count
        joined = []
        for i in range(count):
            each = [
                graph.add("Unsqueeze", states[i], graph.ints(0))
                for states in self._first
                if states is not None
            ]
            joined.append(each[0] if len(each) == 1 else graph.add("Concat", *each, axis=0))
        return joined

    def _attributes(self) -> dict[str, object]:
        activations = [a for operator in self._operators for a in operator.activations]
        alphas = [a.alpha for a in activations if a.alpha is not None]
        betas = [a.beta for a in activations if a.beta is not None]
        direction = "reverse" if self._reverse else "forward"
        return {
            "hidden_size": self._operators[0].units,
            "direction": "bidirectional" if len(self._operators) == 2 else direction,
            "activations": [a.name for a in activations],
            "activation_alpha": alphas or None,
            "activation_beta": betas or None,
            **dict(self._operators[0].options),
        }
