"""Functions of one tensor, element by element or along an axis: activations and `keras.ops`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_rnnkit.interop.onnx.graph import Graph
from keras_rnnkit.interop.onnx.unsupported import Unsupported

# Takes the graph and the name of a float tensor, returns the name of the result.
Function = Callable[[Graph, str], str]


def activated(graph: Graph, activation: Any, x: str) -> str:
    """The activation of a layer on a tensor of at least two axes.

    Raises:
        Unsupported: If it is not one of `keras.activations` that is known here.
    """
    if activation is None or activation is keras.activations.linear:
        return x
    found = _ACTIVATIONS.get(activation) if callable(activation) else None
    if found is None:
        name = getattr(activation, "__name__", repr(activation))
        raise Unsupported(
            f"its activation {name!r} is not supported. Supported are those of `keras.activations` "
            "except `glu`, `sparsemax` and `threshold`"
        )
    return found(graph, x)


def number(graph: Graph, value: float) -> str:
    """The name of a float constant without axes."""
    return graph.constant(np.float32(value), "number")


def operator(op: str, **attributes: Any) -> Function:
    """The function that one operator of ONNX computes."""
    return lambda graph, x: graph.add(op, x, **attributes)


def clipped(low: float | None, high: float | None) -> Function:
    """The function that clips to a range."""

    def function(graph: Graph, x: str) -> str:
        ends = ["" if end is None else number(graph, end) for end in (low, high)]
        return graph.add("Clip", x, *ends)

    return function


def gelu(approximate: bool) -> Function:
    """`keras.ops.gelu`, exact or by `tanh`."""

    def function(graph: Graph, x: str) -> str:
        if approximate:
            cube = graph.add("Mul", x, graph.add("Mul", x, x))
            inner = graph.add("Add", x, graph.add("Mul", cube, number(graph, 0.044715)))
            scaled = graph.add("Mul", inner, number(graph, np.sqrt(2 / np.pi)))
            curve = graph.add("Tanh", scaled)
        else:
            curve = graph.add("Erf", graph.add("Mul", x, number(graph, np.sqrt(0.5))))
        half = graph.add("Mul", x, number(graph, 0.5))
        return graph.add("Mul", half, graph.add("Add", curve, number(graph, 1)))

    return function


def relu(negative_slope: float, max_value: float | None, threshold: float) -> Function:
    """`keras.activations.relu` with its options."""

    def function(graph: Graph, x: str) -> str:
        if not threshold:
            above = graph.add("Relu", x)
        else:
            condition = graph.add("Greater", x, number(graph, threshold))
            above = graph.add("Where", condition, x, number(graph, 0))
        if max_value is not None:  # with a negative threshold, values below zero become zero
            above = graph.add("Clip", above, number(graph, 0), number(graph, max_value))
        if not negative_slope:
            return above
        shifted = graph.add("Sub", x, number(graph, threshold))
        below = graph.add("Min", shifted, number(graph, 0))
        return graph.add("Add", above, graph.add("Mul", below, number(graph, negative_slope)))

    return function


def squareplus(b: float) -> Function:
    """`keras.ops.squareplus`."""

    def function(graph: Graph, x: str) -> str:
        root = graph.add("Sqrt", graph.add("Add", graph.add("Mul", x, x), number(graph, b)))
        return graph.add("Mul", graph.add("Add", x, root), number(graph, 0.5))

    return function


def times(other: Function) -> Function:
    """The product of a tensor and a function of it."""
    return lambda graph, x: graph.add("Mul", x, other(graph, x))


def _log_sigmoid(graph: Graph, x: str) -> str:
    return graph.add("Neg", graph.add("Softplus", graph.add("Neg", x)))


def _tanh_shrink(graph: Graph, x: str) -> str:
    return graph.add("Sub", x, graph.add("Tanh", x))


def _mish(graph: Graph, x: str) -> str:
    return graph.add("Mul", x, graph.add("Tanh", graph.add("Softplus", x)))


def _sparse_plus(graph: Graph, x: str) -> str:
    one = number(graph, 1)
    root = graph.add("Add", graph.add("Clip", x, number(graph, -1), one), one)
    curve = graph.add("Mul", graph.add("Mul", root, root), number(graph, 0.25))
    return graph.add("Where", graph.add("Less", x, one), curve, x)


def _sparse_sigmoid(graph: Graph, x: str) -> str:
    half = number(graph, 0.5)
    line = graph.add("Add", graph.add("Mul", x, half), half)
    return graph.add("Clip", line, number(graph, 0), number(graph, 1))


def _tan(graph: Graph, x: str) -> str:
    return graph.add("Div", graph.add("Sin", x), graph.add("Cos", x))


def log_of(base: float) -> Function:
    """The logarithm to a base."""
    return lambda graph, x: graph.add("Div", graph.add("Log", x), number(graph, np.log(base)))


def shrink(threshold: float, soft: bool) -> Function:
    """`keras.ops.hard_shrink` or `soft_shrink`."""
    return operator("Shrink", lambd=float(threshold), bias=float(threshold) if soft else 0.0)


hard_sigmoid = operator("HardSigmoid", alpha=1 / 6, beta=0.5)

# Functions without options, by the names of their classes in `keras.ops`.
PLAIN: dict[str, Function] = {
    **{name: operator(name) for name in ("Ceil", "Cos", "Erf", "Exp", "Floor", "Log", "Relu")},
    **{name: operator(name) for name in ("Round", "Sigmoid", "Sign", "Sin", "Softplus")},
    **{name: operator(name) for name in ("Softsign", "Sqrt", "Tanh", "Reciprocal", "Selu")},
    **{f"Arc{name}": operator(f"A{name}") for name in ("cos", "cosh", "sin", "sinh")},
    **{f"Arc{name}": operator(f"A{name}") for name in ("tan", "tanh")},
    "Abs": operator("Abs"),
    "Absolute": operator("Abs"),
    "Cosh": operator("Cosh"),
    "Expm1": lambda graph, x: graph.add("Sub", graph.add("Exp", x), number(graph, 1)),
    "HardSigmoid": hard_sigmoid,
    "HardSilu": times(hard_sigmoid),
    "HardTanh": clipped(-1, 1),
    "Log10": log_of(10),
    "Log1p": lambda graph, x: graph.add("Log", graph.add("Add", x, number(graph, 1))),
    "Log2": log_of(2),
    "LogSigmoid": _log_sigmoid,
    "Mish": _mish,
    "Negative": operator("Neg"),
    "Relu6": clipped(0, 6),
    "Rsqrt": lambda graph, x: graph.add("Reciprocal", graph.add("Sqrt", x)),
    "Silu": times(operator("Sigmoid")),
    "Sinh": operator("Sinh"),
    "SparsePlus": _sparse_plus,
    "SparseSigmoid": _sparse_sigmoid,
    "Square": lambda graph, x: graph.add("Mul", x, x),
    "Tan": _tan,
    "TanhShrink": _tanh_shrink,
}

_of = keras.activations
_ACTIVATIONS: dict[Any, Function] = {
    _of.celu: operator("Celu", alpha=1.0),
    _of.elu: operator("Elu", alpha=1.0),
    _of.exponential: PLAIN["Exp"],
    _of.gelu: gelu(approximate=False),
    _of.hard_shrink: shrink(0.5, soft=False),
    _of.hard_sigmoid: hard_sigmoid,
    _of.hard_silu: PLAIN["HardSilu"],
    _of.hard_tanh: PLAIN["HardTanh"],
    _of.leaky_relu: operator("LeakyRelu", alpha=0.2),
    _of.log_sigmoid: _log_sigmoid,
    _of.log_softmax: operator("LogSoftmax", axis=-1),
    _of.mish: _mish,
    _of.relu: PLAIN["Relu"],
    _of.relu6: PLAIN["Relu6"],
    _of.selu: PLAIN["Selu"],
    _of.sigmoid: PLAIN["Sigmoid"],
    _of.silu: PLAIN["Silu"],
    _of.soft_shrink: shrink(0.5, soft=True),
    _of.softmax: operator("Softmax", axis=-1),
    _of.softplus: PLAIN["Softplus"],
    _of.softsign: PLAIN["Softsign"],
    _of.sparse_plus: _sparse_plus,
    _of.sparse_sigmoid: _sparse_sigmoid,
    _of.squareplus: squareplus(4),
    _of.tanh: PLAIN["Tanh"],
    _of.tanh_shrink: _tanh_shrink,
}
