"""The nodes of a graph: their attributes, the tensors that they take, and unused outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

# Operators whose outputs are all optional: ONNX Runtime does not write those that have no name.
_RECURRENT = ("LSTM", "GRU", "RNN")


def attribute(value: Any) -> Any:
    """An attribute as ONNX takes it: an array is a tensor, a graph is a body."""
    if hasattr(value, "proto"):
        return value.proto("body")
    if isinstance(value, np.ndarray):
        import onnx

        return onnx.numpy_helper.from_array(value)
    return value


def names_in(node: Any) -> set[str]:
    """The names of the tensors that a node takes, in its body too."""
    names = set(node.input)
    for given in node.attribute:
        for inner in given.g.node:
            names |= names_in(inner)
        names.update(value.name for value in given.g.output)
    return names


def without_unused(node: Any, needed: set[str]) -> Any:
    """A node whose outputs have names only where they are needed, if its operator allows it."""
    if node.op_type not in _RECURRENT or needed.issuperset(node.output):
        return node
    import onnx

    names = [name if name in needed else "" for name in node.output]
    while not names[-1]:
        names.pop()
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    del copy.output[:]
    copy.output.extend(names)
    return copy
