"""The functions of `keras.ops` in functional models, by the names of their classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_rnnkit.interop.onnx import elementwise
from keras_rnnkit.interop.onnx.elementwise import Function, operator
from keras_rnnkit.interop.onnx.graph import Graph, Value
from keras_rnnkit.interop.onnx.operations_shape import SHAPES
from keras_rnnkit.interop.onnx.shapes import axes_of
from keras_rnnkit.interop.onnx.unsupported import Unsupported
from keras_rnnkit.interop.onnx.weights import as_value, cast, dtype_of

if TYPE_CHECKING:
    from keras_rnnkit.interop.onnx.walking import Call


def convert_operation(graph: Graph, call: Call) -> list[Value]:
    """The values of the outputs of an operation.

    Raises:
        Unsupported: If the operation is not known.
    """
    kind = type(call.operation).__name__
    if kind in SHAPES:
        return SHAPES[kind](graph, call)
    if kind in _CONVERTERS:
        name = _CONVERTERS[kind](graph, call)
    elif kind in elementwise.PLAIN:
        name = elementwise.PLAIN[kind](graph, _only(graph, call))
    elif kind in _WITH_OPTIONS:
        name = _WITH_OPTIONS[kind](call.operation)(graph, _only(graph, call))
    else:
        raise Unsupported(f"`keras.ops` of the class {kind} are not supported")
    spec = call.outputs[0]
    return [Value(name, tuple(spec.shape), dtype_of(spec))]


def _only(graph: Graph, call: Call) -> str:
    """The name of the only argument, in the dtype of the output."""
    if getattr(call.operation, "decimals", 0):
        raise Unsupported("it rounds to decimals. Multiply before it, and divide after it")
    (x,) = call.arguments.values()
    return as_value(graph, x, dtype_of(call.outputs[0])).name


def _arithmetic(op: str) -> Callable[[Graph, Call], str]:
    def convert(graph: Graph, call: Call) -> str:
        dtype = dtype_of(call.outputs[0])
        pair = [as_value(graph, x, dtype) for x in list(call.arguments.values())[:2]]
        return graph.add(op, *(value.name for value in pair))

    return convert


def _comparison(op: str, negated: bool = False) -> Callable[[Graph, Call], str]:
    def convert(graph: Graph, call: Call) -> str:
        raw = list(call.arguments.values())[:2]
        pair = [as_value(graph, x) for x in raw]
        dtypes = {value.dtype for value in pair}
        dtype = "float32" if "float32" in dtypes else "int64"
        name = graph.add(op, *(as_value(graph, x, dtype).name for x in raw))
        return graph.add("Not", name) if negated else name

    return convert


def _logical(op: str) -> Callable[[Graph, Call], str]:
    def convert(graph: Graph, call: Call) -> str:
        values = [as_value(graph, x, "bool") for x in call.arguments.values()]
        return graph.add(op, *(value.name for value in values))

    return convert


def _reduction(op: str, by: str | None = None) -> Callable[[Graph, Call], str]:
    """A reduction over axes.

    Args:
        op: The operator.
        by: The dtype to compute in; `None` for that of the output.
    """

    def convert(graph: Graph, call: Call) -> str:
        x, operation, dtype = call.arguments["x"], call.operation, dtype_of(call.outputs[0])
        if getattr(operation, "initial", None) is not None:
            raise Unsupported("the argument `initial` is not supported. Use `ops.maximum` after it")
        value = as_value(graph, x, "bool") if dtype == "bool" else x
        value = as_value(graph, value, by or dtype)
        keepdims = int(getattr(operation, "keepdims", False))
        axes = _axes(graph, operation.axis, x)
        name = graph.add(op, value.name, *axes, keepdims=keepdims)
        return name if dtype == value.dtype else cast(graph, name, dtype)

    return convert


def _axes(graph: Graph, axis: Any, x: Value) -> list[str]:
    return [] if axis is None else [graph.ints(*axes_of(axis, len(x.shape)))]


def _variance(graph: Graph, call: Call) -> str:
    x, keepdims = as_value(graph, call.arguments["x"], "float32"), call.operation.keepdims
    axes = _axes(graph, call.operation.axis, x)
    centred = graph.add("Sub", x.name, graph.add("ReduceMean", x.name, *axes, keepdims=1))
    square = graph.add("Mul", centred, centred)
    return graph.add("ReduceMean", square, *axes, keepdims=int(keepdims))


def _deviation(graph: Graph, call: Call) -> str:
    return graph.add("Sqrt", _variance(graph, call))


def _arg(op: str) -> Callable[[Graph, Call], str]:
    def convert(graph: Graph, call: Call) -> str:
        if call.operation.axis is None:
            raise Unsupported("it needs an `axis`")
        keepdims = int(getattr(call.operation, "keepdims", False))
        x = as_value(graph, call.arguments["x"])
        name = graph.add(op, x.name, axis=int(call.operation.axis), keepdims=keepdims)
        return cast(graph, name, dtype_of(call.outputs[0]))

    return convert


def _where(graph: Graph, call: Call) -> str:
    dtype = dtype_of(call.outputs[0])
    condition, *parts = call.arguments.values()
    if len(parts) != 2 or any(part is None for part in parts):
        raise Unsupported("`where` needs both values")
    pair = [as_value(graph, part, dtype).name for part in parts]
    return graph.add("Where", as_value(graph, condition, "bool").name, *pair)


def _clip(graph: Graph, call: Call) -> str:
    dtype = dtype_of(call.outputs[0])
    ends = [call.operation.x_min, call.operation.x_max]
    names = [graph.constant(np.asarray(end, dtype)) for end in ends]
    return graph.add("Clip", as_value(graph, call.arguments["x"], dtype).name, *names)


def _floor_divide(graph: Graph, call: Call) -> str:
    if dtype_of(call.outputs[0]) != "float32":
        raise Unsupported("it divides integers. Cast them to floats before it")
    return graph.add("Floor", _arithmetic("Div")(graph, call))


def _einsum(graph: Graph, call: Call) -> str:
    dtype = dtype_of(call.outputs[0])
    names = [as_value(graph, x, dtype).name for x in call.arguments["operands"]]
    return graph.add("Einsum", *names, equation=call.operation.subscripts)


def _softmax(op: str) -> Callable[[Any], Function]:
    def make(operation: Any) -> Function:
        if not isinstance(operation.axis, int):
            raise Unsupported(f"`axis={operation.axis}` is not supported. Use one axis")
        return operator(op, axis=operation.axis)

    return make


# Functions of one tensor with options, which are attributes of the operation.
_WITH_OPTIONS: dict[str, Callable[[Any], Function]] = {
    "Celu": lambda of: operator("Celu", alpha=float(of.alpha)),
    "Elu": lambda of: operator("Elu", alpha=float(of.alpha)),
    "Gelu": lambda of: elementwise.gelu(of.approximate),
    "HardShrink": lambda of: elementwise.shrink(of.threshold, soft=False),
    "LeakyRelu": lambda of: operator("LeakyRelu", alpha=float(of.negative_slope)),
    "LogSoftmax": _softmax("LogSoftmax"),
    "ReLU": lambda of: elementwise.relu(of.negative_slope, of.max_value, of.threshold),
    "SoftShrink": lambda of: elementwise.shrink(of.threshold, soft=True),
    "Softmax": _softmax("Softmax"),
    "Squareplus": lambda of: elementwise.squareplus(of.b),
}

_CONVERTERS: dict[str, Callable[[Graph, Call], str]] = {
    "Add": _arithmetic("Add"),
    "All": _reduction("ReduceMin", by="int32"),
    "Any": _reduction("ReduceMax", by="int32"),
    "Argmax": _arg("ArgMax"),
    "Argmin": _arg("ArgMin"),
    "Clip": _clip,
    "Divide": _arithmetic("Div"),
    "Einsum": _einsum,
    "Equal": _comparison("Equal"),
    "FloorDivide": _floor_divide,
    "Greater": _comparison("Greater"),
    "GreaterEqual": _comparison("GreaterOrEqual"),
    "Less": _comparison("Less"),
    "LessEqual": _comparison("LessOrEqual"),
    "LogicalAnd": _logical("And"),
    "LogicalNot": _logical("Not"),
    "LogicalOr": _logical("Or"),
    "LogicalXor": _logical("Xor"),
    "Logsumexp": _reduction("ReduceLogSumExp"),
    "Matmul": _arithmetic("MatMul"),
    "Max": _reduction("ReduceMax"),
    "Maximum": _arithmetic("Max"),
    "Mean": _reduction("ReduceMean"),
    "Min": _reduction("ReduceMin"),
    "Minimum": _arithmetic("Min"),
    "Multiply": _arithmetic("Mul"),
    "NotEqual": _comparison("Equal", negated=True),
    "Power": _arithmetic("Pow"),
    "Prod": _reduction("ReduceProd"),
    "Std": _deviation,
    "Subtract": _arithmetic("Sub"),
    "Sum": _reduction("ReduceSum"),
    "TrueDivide": _arithmetic("Div"),
    "Var": _variance,
    "Where": _where,
}
