"""The functions of `keras.ops` that move numbers and do not change them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_rnnkit.interop.onnx.graph import Graph, Value
from keras_rnnkit.interop.onnx.shapes import axes_of, broadcast_like
from keras_rnnkit.interop.onnx.unsupported import Unsupported
from keras_rnnkit.interop.onnx.weights import as_value, dtype_of

if TYPE_CHECKING:
    from keras_rnnkit.interop.onnx.walking import Call

_LONGEST = int(np.iinfo("int64").max)


def _value(name: str, spec: Any) -> Value:
    return Value(name, tuple(spec.shape), dtype_of(spec))


def _one(convert: Callable[[Graph, Call, Value], str]) -> Callable[[Graph, Call], list[Value]]:
    """The converter of an operation with one tensor and one output of the same dtype."""

    def whole(graph: Graph, call: Call) -> list[Value]:
        x = as_value(graph, next(iter(call.arguments.values())), dtype_of(call.outputs[0]))
        return [_value(convert(graph, call, x), call.outputs[0])]

    return whole


def _get_item(graph: Graph, call: Call, x: Value) -> str:
    key = call.arguments["key"]
    parts = list(key) if isinstance(key, tuple | list) else [key]
    if not all(part is None or part is Ellipsis or _is_plain(part) for part in parts):
        raise Unsupported(f"the index {key!r} is not supported. Use integers and slices")
    slices, indices, new = _sorted_out(parts, len(x.shape))
    name = _sliced(graph, x.name, slices)
    for axis, index in reversed(indices):
        name = graph.add("Gather", name, graph.constant(np.int64(index)), axis=axis)
    return graph.add("Unsqueeze", name, graph.ints(*new)) if new else name


def _is_plain(part: Any) -> bool:
    if isinstance(part, slice):
        ends = (part.start, part.stop, part.step)
        return all(end is None or isinstance(end, int | np.integer) for end in ends)
    return isinstance(part, int | np.integer) and not isinstance(part, bool)


def _sorted_out(
    parts: list[Any], rank: int
) -> tuple[list[tuple[int, slice]], list[tuple[int, int]], list[int]]:
    """Slices and indices by the axis of the tensor, and the new axes of the result."""
    taken = sum(part is not None and part is not Ellipsis for part in parts)
    if Ellipsis not in parts:
        parts = [*parts, Ellipsis]
    slices, indices, new = [], [], []
    axis = place = 0
    for part in parts:
        if part is None:
            new.append(place)
            place += 1
        elif part is Ellipsis:
            axis, place = axis + rank - taken, place + rank - taken
        elif isinstance(part, slice):
            if part != slice(None):
                slices.append((axis, part))
            axis, place = axis + 1, place + 1
        else:
            indices.append((axis, int(part)))
            axis += 1
    return slices, indices, new


def _sliced(graph: Graph, name: str, slices: list[tuple[int, slice]]) -> str:
    if not slices:
        return name
    steps = [1 if part.step is None else int(part.step) for _, part in slices]
    ends = [_ends(part, step) for (_, part), step in zip(slices, steps, strict=True)]
    starts, stops = zip(*ends, strict=True)
    axes = [axis for axis, _ in slices]
    return graph.add("Slice", name, *(graph.ints(*v) for v in (starts, stops, axes, steps)))


def _ends(part: slice, step: int) -> tuple[int, int]:
    first, last = (0, _LONGEST) if step > 0 else (_LONGEST, -_LONGEST)
    return (
        first if part.start is None else int(part.start),
        last if part.stop is None else int(part.stop),
    )


def _reshape(graph: Graph, call: Call, x: Value) -> str:
    shape = call.operation.newshape
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if not all(isinstance(n, int | np.integer) for n in shape):
        raise Unsupported(f"the shape {shape} is not known. Use -1 for the axis that is not known")
    return graph.add("Reshape", x.name, graph.ints(*shape), allowzero=1)


def _transpose(graph: Graph, call: Call, x: Value) -> str:
    axes = call.operation.axes
    rank = len(x.shape)
    return graph.add("Transpose", x.name, perm=axes_of(axes or range(rank)[::-1], rank))


def _swap_axes(graph: Graph, call: Call, x: Value) -> str:
    rank = len(x.shape)
    axes = list(range(rank))
    a, b = axes_of([call.operation.axis1, call.operation.axis2], rank)
    axes[a], axes[b] = b, a
    return graph.add("Transpose", x.name, perm=axes)


def _move_axis(graph: Graph, call: Call, x: Value) -> str:
    rank = len(x.shape)
    sources = axes_of(call.operation.source, rank)
    places = axes_of(call.operation.destination, rank)
    order = [axis for axis in range(rank) if axis not in sources]
    for place, source in sorted(zip(places, sources, strict=True)):
        order.insert(place, source)
    return graph.add("Transpose", x.name, perm=order)


def _expand_dims(graph: Graph, call: Call, x: Value) -> str:
    axis = call.operation.axis
    count = 1 if isinstance(axis, int) else len(axis)
    return graph.add("Unsqueeze", x.name, graph.ints(*axes_of(axis, len(x.shape) + count)))


def _squeeze(graph: Graph, call: Call, x: Value) -> str:
    axis = call.operation.axis
    if axis is None:
        axis = [i for i, n in enumerate(x.shape) if n == 1]
    return graph.add("Squeeze", x.name, graph.ints(*axes_of(axis, len(x.shape))))


def _flip(graph: Graph, call: Call, x: Value) -> str:
    axis = call.operation.axis
    axes = axes_of(range(len(x.shape)) if axis is None else axis, len(x.shape))
    return _sliced(graph, x.name, [(axis, slice(None, None, -1)) for axis in axes])


def _tile(graph: Graph, call: Call, x: Value) -> str:
    repeats = call.operation.repeats
    repeats = [repeats] if isinstance(repeats, int) else list(repeats)
    if len(repeats) > len(x.shape):
        raise Unsupported("`repeats` has more entries than the tensor has axes")
    ones = [1] * (len(x.shape) - len(repeats))
    return graph.add("Tile", x.name, graph.ints(*ones, *repeats))


def _cumulative_sum(graph: Graph, call: Call, x: Value) -> str:
    if call.operation.axis is None:
        raise Unsupported("it needs an `axis`")
    return graph.add("CumSum", x.name, graph.constant(np.int64(call.operation.axis)))


def _same(graph: Graph, call: Call, x: Value) -> str:
    return x.name


def _filled(number: Any) -> Callable[[Graph, Call, Value], str]:
    def convert(graph: Graph, call: Call, x: Value) -> str:
        return broadcast_like(graph, graph.constant(np.asarray(number, x.dtype)), x)

    return convert


def _concatenate(graph: Graph, call: Call) -> list[Value]:
    dtype = dtype_of(call.outputs[0])
    parts = [as_value(graph, x, dtype).name for x in call.arguments["xs"]]
    return [_value(graph.add("Concat", *parts, axis=call.operation.axis), call.outputs[0])]


def _stack(graph: Graph, call: Call) -> list[Value]:
    spec = call.outputs[0]
    axis = axes_of(call.operation.axis, len(spec.shape))[0]
    parts = [
        graph.add("Unsqueeze", as_value(graph, x, dtype_of(spec)).name, graph.ints(axis))
        for x in next(iter(call.arguments.values()))
    ]
    return [_value(graph.add("Concat", *parts, axis=axis), spec)]


def _take(graph: Graph, call: Call) -> list[Value]:
    if call.operation.axis is None:
        raise Unsupported("it needs an `axis`")
    x, ids = (as_value(graph, x) for x in list(call.arguments.values())[:2])
    if ids.dtype not in ("int32", "int64"):
        ids = as_value(graph, ids, "int32")
    name = graph.add("Gather", x.name, ids.name, axis=int(call.operation.axis))
    return [_value(name, call.outputs[0])]


def _split(graph: Graph, call: Call) -> list[Value]:
    x = as_value(graph, next(iter(call.arguments.values())))
    axis, length = call.operation.axis, x.shape[call.operation.axis]
    sizes = [spec.shape[axis] for spec in call.outputs]
    if length is None or None in sizes:
        raise Unsupported("the length of the axis that it splits must be known")
    names = graph.add("Split", x.name, graph.ints(*sizes), outputs=len(sizes), axis=axis)
    names = (names,) if isinstance(names, str) else names
    return [_value(name, spec) for name, spec in zip(names, call.outputs, strict=True)]


SHAPES: dict[str, Callable[[Graph, Call], list[Value]]] = {
    **{name: _one(_same) for name in ("Cast", "Copy", "IdentityOp", "StopGradient")},
    "Concatenate": _concatenate,
    "Cumsum": _one(_cumulative_sum),
    "ExpandDims": _one(_expand_dims),
    "Flip": _one(_flip),
    "GetItem": _one(_get_item),
    "Moveaxis": _one(_move_axis),
    "OnesLike": _one(_filled(1)),
    "Reshape": _one(_reshape),
    "Split": _split,
    "Squeeze": _one(_squeeze),
    "Stack": _stack,
    "Swapaxes": _one(_swap_axes),
    "Take": _take,
    "Tile": _one(_tile),
    "Transpose": _one(_transpose),
    "ZerosLike": _one(_filled(0)),
}
