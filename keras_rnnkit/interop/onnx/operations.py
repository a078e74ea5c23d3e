"""The functions of `keras.ops` in functional models, by the names of their classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
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


# What arithmetic with booleans is in ONNX, whose arithmetic takes numbers only.
_OF_BOOLEANS = {"Add": "Or", "Max": "Or", "Min": "And", "Mul": "And"}


def _arithmetic(op: str) -> Callable[[Graph, Call], str]:
    def convert(graph: Graph, call: Call) -> str:
        dtype = dtype_of(call.outputs[0])
        if dtype == "bool" and op not in _OF_BOOLEANS:
            raise Unsupported("its inputs are booleans. Cast them to numbers before it")
        pair = [as_value(graph, x, dtype) for x in list(call.arguments.values())[:2]]
        used = _OF_BOOLEANS[op] if dtype == "bool" else op
        return graph.add(used, *(value.name for value in pair))

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


def _reduction(op: str) -> Callable[[Graph, Call], str]:
    """A reduction over axes, of booleans as integers."""

    def convert(graph: Graph, call: Call) -> str:
        x, operation, dtype = call.arguments["x"], call.operation, dtype_of(call.outputs[0])
        if getattr(operation, "initial", None) is not None:
            raise Unsupported("the argument `initial` is not supported. Use `ops.maximum` after it")
        value = as_value(graph, x, "bool") if dtype == "bool" else x
        value = as_value(graph, value, "int32" if dtype == "bool" else dtype)
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
        x = as_value(graph, x, "int32") if x.dtype == "bool" else x
        name = graph.add(op, x.name, axis=int(call.operation.axis), keepdims=keepdims)
        return cast(graph, name, dtype_of(call.outputs[0]))

    return convert


def _where(graph: Graph, call: Call) -> str:
    dtype = dtype_of(call.outputs[0])
    condition, *parts = call.arguments.values()
    if len(parts) != 2 or any(part is None for part in parts):
        raise Unsupported("`where` needs both values")
    used = "int32" if dtype == "bool" else dtype  # ONNX Runtime selects no booleans
    pair = [as_value(graph, part, used).name for part in parts]
    name = graph.add("Where", as_value(graph, condition, "bool").name, *pair)
    return name if used == dtype else cast(graph, name, dtype)


def _clip(graph: Graph, call: Call) -> str:
    """By `Max` and `Min`, because `Clip` of ONNX takes the same limits for all numbers."""
    dtype = dtype_of(call.outputs[0])
    name = as_value(graph, call.arguments["x"], dtype).name
    for op, limit in (("Max", call.operation.x_min), ("Min", call.operation.x_max)):
        if limit is not None:
            name = graph.add(op, name, as_value(graph, limit, dtype).name)
    return name


def _floor_divide(graph: Graph, call: Call) -> str:
    """TensorFlow rounds the quotient down; NumPy, JAX and PyTorch take the exact one, 1 // 0.1 = 9.

    The exact one is that of the numerator without the remainder.
    """
    if dtype_of(call.outputs[0]) != "float32":
        raise Unsupported("it divides integers. Cast them to floats before it")
    a, b = (as_value(graph, x, "float32").name for x in list(call.arguments.values())[:2])
    if keras.config.backend() == "tensorflow":
        return graph.add("Floor", graph.add("Div", a, b))
    zero, one = (graph.constant(np.float32(n)) for n in (0, 1))
    rest = graph.add("Mod", a, b, fmod=1)  # with the sign of a
    quotient = graph.add("Round", graph.add("Div", graph.add("Sub", a, rest), b))
    negative = graph.add("Less", graph.add("Mul", rest, b), zero)
    exact = graph.add("Where", negative, graph.add("Sub", quotient, one), quotient)
    return graph.add("Where", graph.add("Equal", b, zero), graph.add("Div", a, b), exact)


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
    "All": _reduction("ReduceMin"),
    "Any": _reduction("ReduceMax"),
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
