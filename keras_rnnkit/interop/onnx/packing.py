"""Masks of recurrent operators: the valid steps of each row are moved to its front and back.

An operator of ONNX takes lengths, not masks. With the valid steps at the front (in their order),
the length of a row is the number of its valid steps, for any mask. The outputs are put back: a
masked step repeats the output of the valid step before it in running order, and is zero where there
is none.
"""

from __future__ import annotations

import numpy as np

from keras_rnnkit.interop.onnx.graph import Graph
from keras_rnnkit.interop.onnx.weights import cast


class Packing:
    """The order of the steps of one mask.

    Layers with the same mask share its nodes, because `Graph.add` makes equal nodes once.

    Args:
        graph: The graph to add nodes to.
        mask: The name of a boolean tensor `(batch, time)`.
    """

    def __init__(self, graph: Graph, mask: str) -> None:
        self._graph, self._mask = graph, mask
        add = graph.add
        self._valid = cast(graph, mask, "int64")
        # The number of valid steps up to each step, `(batch, time)`, and in each row, `(batch, 1)`.
        self._count = add("CumSum", self._valid, graph.constant(np.array(1, "int64")))
        self._total = add("ReduceSum", self._valid, graph.ints(1), keepdims=1)
        self.lengths = cast(graph, add("Squeeze", self._total, graph.ints(1)), "int32")
        self.any_valid = add("Greater", self._total, graph.ints(0))
        self._order: str | None = None

    def pack(self, x: str) -> str:
        """A tensor `(batch, time, width)` with the valid steps of each row at its front."""
        add, graph = self._graph.add, self._graph
        if self._order is None:
            after_all = graph.constant(np.array(np.iinfo("int64").max))
            place = add("Where", self._mask, self._count, after_all)
            time = add("Shape", self._mask, start=1, end=2)
            _, order = add("TopK", place, time, outputs=2, axis=1, largest=0)
            self._order = add("Unsqueeze", order, graph.ints(-1))
        return add("GatherND", x, self._order, batch_dims=1)

    def unpack(self, outputs: str, reverse: bool, zero_masked: bool) -> str:
        """Outputs `(batch, time, width)` of packed steps, put back to where the steps were.

        Args:
            outputs: What the operator computes from packed steps.
            reverse: Whether it runs from the last step to the first.
            zero_masked: Whether masked steps are zeros instead of repeated outputs.
        """
        add, graph = self._graph.add, self._graph
        if reverse:  # the first valid step that is not before this one
            before = add("Sub", self._count, self._valid)
            has_output = add("Less", before, self._total)
            last = add("Sub", self._total, graph.ints(1))
            place = add("Max", add("Min", before, last), graph.ints(0))
        else:  # the last valid step that is not after this one
            has_output = add("Greater", self._count, graph.ints(0))
            place = add("Max", add("Sub", self._count, graph.ints(1)), graph.ints(0))
        place = add("Unsqueeze", place, graph.ints(-1))
        gathered = add("GatherND", outputs, place, batch_dims=1)
        shown = self._mask if zero_masked else has_output
        return where(graph, shown, gathered)

    def or_first(self, state: str, first: str) -> str:
        """The last state `(batch, size)`, or the first one where no step of a row is valid."""
        return self._graph.add("Where", self.any_valid, state, first)


def where(graph: Graph, condition: str, x: str) -> str:
    """The tensor `(batch, time, width)` where a condition `(batch, time)` is true, else zeros."""
    condition = graph.add("Unsqueeze", condition, graph.ints(-1))
    return graph.add("Where", condition, x, graph.constant(np.float32(0)))


def flipped(graph: Graph, x: str) -> str:
    """A tensor `(batch, time, ...)` with the time axis reversed."""
    ends = (graph.ints(-1), graph.ints(np.iinfo("int64").min), graph.ints(1), graph.ints(-1))
    return graph.add("Slice", x, *ends)
