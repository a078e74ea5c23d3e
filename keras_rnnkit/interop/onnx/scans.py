"""Cells that are no operators of ONNX, over time: a `Scan` of their equations."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_rnnkit.interop.onnx.equations import Equations
from keras_rnnkit.interop.onnx.graph import Graph, Value
from keras_rnnkit.interop.onnx.packing import where
from keras_rnnkit.interop.onnx.tensors import Tensor
from keras_rnnkit.running.loop import output_size


class Scan:
    """A cell over a sequence, with its mask inside the loop.

    Args:
        graph: The graph to add nodes to.
        cell: The cell.
        equations: Its equations.
        x: The name of the input, `(batch, time, features)`.
        first: The first states, each `(batch, size)`; `None` for zeros.
        mask: The name of a boolean tensor `(batch, time)`, or `None`.
        reverse: Whether it runs from the last step to the first.
    """

    def __init__(
        self,
        graph: Graph,
        cell: Any,
        equations: Equations,
        x: str,
        first: list[str] | None,
        mask: str | None = None,
        reverse: bool = False,
    ) -> None:
        self._graph, self._mask = graph, mask
        sizes = [*keras.tree.flatten(cell.state_size), *([output_size(cell)] if mask else [])]
        zeros = [zero_state(graph, x, size) for size in sizes[len(first or []) :]]
        steps = graph.add("Transpose", x, perm=[1, 0, 2])
        projected = equations.project(cell, Tensor(graph, steps)).name
        scanned = [projected, *([_steps_of(graph, mask)] if mask else [])]
        names = graph.add(
            "Scan",
            *(first or []),
            *zeros,
            *scanned,
            outputs=len(sizes) + 1,
            body=_body(graph.body(), cell, equations, sizes, mask is not None),
            num_scan_inputs=len(scanned),
            scan_input_directions=[int(reverse)] * len(scanned),
            scan_output_directions=[int(reverse)],
        )
        *self._carried, self._outputs = names
        self._count = len(keras.tree.flatten(cell.state_size))

    def sequence(self, zero_masked: bool = False) -> str:
        """The outputs, `(batch, time, width)`, in natural order of time."""
        outputs = self._graph.add("Transpose", self._outputs, perm=[1, 0, 2])
        if self._mask is None or not zero_masked:
            return outputs
        return where(self._graph, self._mask, outputs)

    def last(self) -> str:
        """The last output, `(batch, width)`: of the cells of the kit, the first state.

        With a mask, zeros where no step is valid.
        """
        return self._carried[0 if self._mask is None else -1]

    def states(self) -> list[str]:
        """The last states, each `(batch, size)`."""
        return list(self._carried[: self._count])


def zero_state(graph: Graph, x: str, size: int) -> str:
    """Zeros `(batch, size)`, for as many rows as a tensor has."""
    batch = graph.add("Shape", x, start=0, end=1)
    shape = graph.add("Concat", batch, graph.ints(size), axis=0)
    return graph.add("Expand", graph.constant(np.zeros((1, 1), "float32")), shape)


def _body(body: Graph, cell: Any, equations: Equations, sizes: list[int], masked: bool) -> Graph:
    """The graph of one step: states and the previous output in, the new ones and the output out."""
    carried = [body.input("state", "float32", (None, size)) for size in sizes]
    x = body.input("projected", "float32", (None, None))
    states = [Tensor(body, value.name) for value in carried]
    old = states[:-1] if masked else states
    output, new = equations.step(cell, Tensor(body, x.name), old)
    if masked:
        valid = Tensor(body, body.input("valid", "bool", (None, 1)).name)
        new, output = keep_masked(valid, [*new, output], states)
    for tensor, size in zip(new, sizes, strict=True):
        body.output(Value(tensor.name, (None, size)), "new_state")
    body.output(Value(output.name, (None, output_size(cell))), "output")
    return body


def keep_masked(valid: Tensor, new: list[Tensor], old: list[Tensor]) -> tuple[list[Tensor], Tensor]:
    """The new states and output where a step is valid, else the old ones; the output is the last.

    Args:
        valid: Booleans `(batch, 1)`.
        new: The states after the step, then its output.
        old: The states before it, then the output before it.
    """
    kept = [valid.apply("Where", *pair) for pair in zip(new, old, strict=True)]
    return kept, kept[-1]


def _steps_of(graph: Graph, mask: str) -> str:
    """A mask `(batch, time)` as `(time, batch, 1)`."""
    steps = graph.add("Transpose", mask, perm=[1, 0])
    return graph.add("Unsqueeze", steps, graph.ints(-1))
