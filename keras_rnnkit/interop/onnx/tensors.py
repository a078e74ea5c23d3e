"""Arithmetic on the tensors of a graph, so that equations read as they are written."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_rnnkit.interop.onnx.graph import Graph


class Tensor:
    """A tensor of a graph; arithmetic with it adds nodes.

    Args:
        graph: The graph to add nodes to.
        name: The name of the tensor.
    """

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph = graph
        self.name = name

    def apply(self, op: str, *others: Any, **attributes: Any) -> Tensor:
        """The result of an operator, with this tensor as its first input.

        Args:
            op: The operator of ONNX.
            *others: Its other inputs: tensors, names of tensors, or numbers and arrays of float32.
            **attributes: Its attributes.
        """
        names = [_name(self.graph, other) for other in others]
        return Tensor(self.graph, self.graph.add(op, self.name, *names, **attributes))

    def split(self, parts: int) -> list[Tensor]:
        """Equal parts of the last axis."""
        if parts == 1:
            return [self]
        names = self.graph.add("Split", self.name, outputs=parts, axis=-1, num_outputs=parts)
        return [Tensor(self.graph, name) for name in names]

    def __add__(self, other: Any) -> Tensor:
        return self.apply("Add", other)

    def __sub__(self, other: Any) -> Tensor:
        return self.apply("Sub", other)

    def __rsub__(self, other: Any) -> Tensor:
        return Tensor(self.graph, self.graph.add("Sub", _name(self.graph, other), self.name))

    def __mul__(self, other: Any) -> Tensor:
        return self.apply("Mul", other)

    def __truediv__(self, other: Any) -> Tensor:
        return self.apply("Div", other)

    def __matmul__(self, other: Any) -> Tensor:
        return self.apply("MatMul", other)

    __radd__ = __add__
    __rmul__ = __mul__


def _name(graph: Graph, value: Any) -> str:
    if isinstance(value, Tensor):
        return value.name
    return value if isinstance(value, str) else graph.constant(np.asarray(value, "float32"))
