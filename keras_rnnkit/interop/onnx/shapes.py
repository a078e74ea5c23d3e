"""Shapes that are known at run time only, and axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keras_rnnkit.interop.onnx.graph import Graph, Value


def axes_of(axis: int | Sequence[int], rank: int) -> list[int]:
    """An axis or several, from 0."""
    axes = [axis] if isinstance(axis, int) else list(axis)
    return [int(a) % rank for a in axes]


def reshaped(graph: Graph, value: Value, shape: Sequence[int | None]) -> Value:
    """A value in another shape with the same batch axis; one axis may be unknown."""
    name = graph.add("Reshape", value.name, graph.ints(0, *(-1 if n is None else n for n in shape)))
    return Value(name, (value.shape[0], *shape), value.dtype)


def flat(graph: Graph, value: Value) -> Value:
    """A value with its axes after the batch axis as one."""
    rest = value.shape[1:]
    return reshaped(graph, value, [None if None in rest else math.prod(n for n in rest if n)])


def transposed(graph: Graph, value: Value, axes: Sequence[int]) -> Value:
    """A value with its axes in another order, without its mask."""
    name = graph.add("Transpose", value.name, perm=list(axes))
    return Value(name, tuple(value.shape[axis] for axis in axes), value.dtype)


def as_rows(graph: Graph, value: Value) -> Value:
    """The steps of all rows as rows of one batch: `(batch * time, ...)`."""
    rest = graph.add("Shape", value.name, start=2)
    shape = graph.add("Concat", graph.ints(-1), rest, axis=0)
    name = graph.add("Reshape", value.name, shape)
    return Value(name, (None, *value.shape[2:]), value.dtype)


def as_steps(graph: Graph, rows: Value, like: Value) -> Value:
    """The rows of one batch as the steps of a value `(batch, time, ...)`."""
    ends = graph.add("Shape", like.name, start=0, end=2), graph.add("Shape", rows.name, start=1)
    name = graph.add("Reshape", rows.name, graph.add("Concat", *ends, axis=0))
    return Value(name, (*like.shape[:2], *rows.shape[1:]), rows.dtype)


def broadcast_like(graph: Graph, name: str, like: Value) -> str:
    """A tensor with one number, or one for each column, in the shape of a value."""
    return graph.add("Expand", name, graph.add("Shape", like.name))
