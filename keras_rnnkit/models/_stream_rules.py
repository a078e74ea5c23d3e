"""Which layers and operations of Keras treat every step of a sequence by itself."""

import inspect
from collections.abc import Callable
from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.running.options import is_activation_of_keras

_layers = keras.layers

# Elementwise layers, for inputs of any rank.
ELEMENTWISE = (
    _layers.ActivityRegularization,
    _layers.AlphaDropout,
    _layers.Dropout,
    _layers.ELU,
    _layers.Embedding,
    _layers.GaussianDropout,
    _layers.GaussianNoise,
    _layers.Identity,
    _layers.LeakyReLU,
    _layers.ReLU,
    _layers.Rescaling,
    _layers.SpatialDropout1D,
)

# Layers that merge tensors element by element.
MERGES = (
    _layers.Add,
    _layers.Average,
    _layers.Maximum,
    _layers.Minimum,
    _layers.Multiply,
    _layers.Subtract,
)

# Layers that combine the features of a step.
OVER_FEATURES = (
    _layers.Activation,
    _layers.BatchNormalization,
    _layers.Concatenate,
    _layers.Dense,
    _layers.EinsumDense,
    _layers.LayerNormalization,
    _layers.Masking,
    _layers.Normalization,
    _layers.RMSNormalization,
    _layers.Softmax,
    _layers.TimeDistributed,
)

# Operations of `keras.ops` by the names of their classes, which are not public.
_ELEMENTWISE = {
    *("Absolute", "Add", "Cast", "Divide", "Equal", "Exp", "Gelu", "Log", "LogicalAnd"),
    *("LogicalNot", "LogicalOr", "Maximum", "Minimum", "Multiply", "Negative", "NotEqual"),
    *("OnesLike", "Power", "Relu", "Sigmoid", "Silu", "Sqrt", "Square", "Subtract", "Tanh"),
    *("TrueDivide", "ZerosLike"),
}
_OVER_AXES = {"All", "Any", "Concatenate", "ExpandDims", "Max", "Mean", "Min", "Sum"}


def why_not_stepwise(operation: Any, shapes: list[Any], arguments: list[Any]) -> str | None:
    """Why an operation may not treat every step by itself; `None` if it does.

    Args:
        operation: A layer, or an operation of `keras.ops`.
        shapes: The shapes of its inputs, `(batch, time, ...)`.
        arguments: Its other arguments, mostly constants.
    """
    ranks = [len(shape) for shape in shapes]
    if not isinstance(operation, _layers.Layer):
        return _of_operation(operation, ranks, arguments)
    if not own_code_is_known(operation):
        return f"its class {type(operation).__name__} has a `call` of its own"
    if not isinstance(operation, (*ELEMENTWISE, *MERGES, *OVER_FEATURES)):
        return "it may look at several steps"
    if isinstance(operation, MERGES):
        return _of_ranks(ranks)
    if isinstance(operation, _layers.Rescaling):
        return _of_constants([operation.scale, operation.offset], ranks)
    if not isinstance(operation, OVER_FEATURES):
        return None
    if isinstance(operation, _layers.Normalization) and not operation.axis:
        return None  # one mean and variance for every number
    if min(ranks) < 3:
        return (
            f"its input of shape {shapes[0]} has no axis of features, so that it would look over "
            "time. Every input of the model needs an axis of time: (batch, time, features), or "
            "(batch, time) for integer tokens"
        )
    return _of_layer(operation, ranks[0])


def own_code_is_known(operation: Any) -> bool:
    """Whether the `call` of its class is defined by Keras or by the kit."""
    owner = next(kind for kind in type(operation).__mro__ if "call" in vars(kind))
    return owner.__module__.partition(".")[0] in ("keras", "keras_rnnkit")


def _of_operation(operation: Any, ranks: list[int], arguments: list[Any]) -> str | None:
    name = type(operation).__name__
    if type(operation).__module__.partition(".")[0] == "keras":
        if name in _ELEMENTWISE:
            return _of_ranks(ranks) or _of_constants(arguments, ranks)
        if name in _OVER_AXES and operation.axis is not None:
            # A new axis is counted in the rank of the result.
            rank = ranks[0] + (name == "ExpandDims")
            if not _meets_time(operation.axis, rank):
                return None
    return "it is an operation that may look at several steps"


def _of_layer(layer: Any, rank: int) -> str | None:
    """The same for a layer over the features."""
    if _meets_time(getattr(layer, "axis", -1), rank):
        return "its `axis` is that of time"
    if isinstance(layer, _layers.TimeDistributed):
        stateful = any(getattr(part, "stateful", False) for part in layers_in(layer.layer))
        return "a layer in it carries states from step to step" if stateful else None
    if isinstance(layer, _layers.EinsumDense) and _mixes(layer.equation, layer.bias_axes, rank):
        return f"its equation {layer.equation!r} looks at several steps, or has weights for each"
    activation = getattr(layer, "activation", None)
    if activation is None or is_activation_of_keras(activation) or _by_steps(activation, rank):
        return None
    return f"its activation {activation!r} looks at several steps"


def _meets_time(axes: Any, rank: int) -> bool:
    """Whether one of the axes is the time axis or the batch axis."""
    return any(axis % rank < 2 for axis in tree.flatten(axes))


def _of_ranks(ranks: list[int]) -> str | None:
    same = len(set(ranks)) == 1
    return None if same else "the numbers of axes of its inputs differ, so that it joins steps"


def _of_constants(constants: list[Any], ranks: list[int]) -> str | None:
    """Why constants may combine steps: one has a time axis."""
    for constant in constants:
        if constant is None or isinstance(constant, str | bool | int | float):
            continue
        shape = tuple(ops.shape(constant if hasattr(constant, "shape") else _tensor(constant)))
        place = len(shape) - (max(ranks) - 1)
        if place >= 0 and shape[place] != 1:
            return f"its constant of shape {shape} has an axis of time"
    return None


def _tensor(value: Any) -> Any:
    return ops.convert_to_tensor(value)


def _labels(equation: str, rank: int) -> list[str]:
    """The letters of inputs, kernel and outputs; digits where the equation leaves axes open."""
    inputs, kernel, outputs = equation.replace(" ", "").replace("->", ",").split(",")
    open_axes = "0123456789"[: rank - len(inputs.replace("...", ""))]
    return [labels.replace("...", open_axes) for labels in (inputs, kernel, outputs)]


def _mixes(equation: str, bias_axes: str | None, rank: int) -> bool:
    """Whether an equation `inputs,kernel->outputs` does not leave the steps as they are."""
    inputs, kernel, outputs = _labels(equation, rank)
    time = inputs[1]
    return outputs[1:2] != time or time in kernel + (bias_axes or "")


def output_spec(operation: Any, args: Any, kwargs: Any) -> Any:
    """The output of an operation; for an `EinsumDense`, for any number of steps."""
    if not isinstance(operation, _layers.EinsumDense):
        return operation.compute_output_spec(*args, **kwargs)
    x = tree.flatten((args, kwargs))[0]
    inputs, kernel, outputs = _labels(operation.equation, len(x.shape))
    pairs = [*zip(kernel, operation.kernel.shape, strict=True), *zip(inputs, x.shape, strict=True)]
    sizes = dict(pairs)
    return keras.KerasTensor([sizes[label] for label in outputs], dtype=operation.compute_dtype)


def _by_steps(activation: Callable[[Any], Any], rank: int) -> bool:
    """Whether an unknown function gives the same numbers step by step as for three steps."""
    shape = (2, 3, *(4,) * (rank - 2))
    x = keras.random.normal(shape, seed=0)
    whole = ops.convert_to_numpy(activation(x))
    steps = [ops.convert_to_numpy(activation(x[:, t : t + 1])) for t in range(3)]
    same = whole.shape[1:2] == (3,) and all(step.shape[1:2] == (1,) for step in steps)
    return same and all(abs(whole[:, t] - step[:, 0]).max() < 1e-4 for t, step in enumerate(steps))


def call_arguments(operation: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments of a call of an operation, by name."""
    bound = inspect.signature(operation.call).bind_partial(*args, **kwargs).arguments
    rest = bound.pop("kwargs", {})
    return {**bound, **rest}
