"""Tries a model on two chunks: in them it must compute what it computes of whole rows."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_rnnkit.layers import Embedding, StackedRNN
from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.models._chunks import Chunks
from keras_rnnkit.models.reset import reset_states
from keras_rnnkit.running.names import name_of

_TOLERANCE = {"float16": 2e-2, "bfloat16": 1e-1}  # of values around one; else 1e-3
_layers = keras.layers
# Their parts are looked at by themselves, or belong to one step.
_WHOLE = (Recurrent, StackedRNN, _layers.TimeDistributed)
_TREAT_EACH_STEP = {
    _layers.Activation,
    _layers.ActivityRegularization,
    _layers.Add,
    _layers.Average,
    _layers.Dense,
    _layers.Dropout,
    _layers.ELU,
    _layers.Embedding,
    Embedding,
    _layers.GaussianDropout,
    _layers.GaussianNoise,
    _layers.InputLayer,
    _layers.LeakyReLU,
    _layers.Masking,
    _layers.Maximum,
    _layers.Minimum,
    _layers.Multiply,
    _layers.ReLU,
    _layers.Rescaling,
    _layers.SpatialDropout1D,
    _layers.Subtract,
}


def check_agrees(model: Any, chunks: Chunks) -> None:
    """Refuse a model whose predictions in chunks are not those of whole rows.

    The first two chunks are predicted, at once and one after the other, unless it is known of all
    layers that they treat each step separately. Nothing is refused where predictions of the same
    steps differ by themselves, or where the model takes one number of steps alone.
    """
    if chunks.in_row == 1 or _has_fixed_time(model) or not any(map(_unknown, _operations(model))):
        return
    variables = model.non_trainable_variables
    before = [np.array(ops.convert_to_numpy(variable)) for variable in variables]
    try:
        difference = _difference(model, chunks)
    finally:
        reset_states(model)
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
    if difference:
        raise ValueError(
            f"{name_of(model)} cannot be trained in chunks: {difference}. A layer combines several "
            "steps, is called several times, or starts from other states than its own. Train on "
            "whole sequences by `fit`, in bounded memory with `recompute=True` in the layers. "
            f"Received: model={model.name!r}"
        )


def _difference(model: Any, chunks: Chunks) -> str:
    """How the outputs of two chunks differ from those of whole rows; empty if they do not."""
    inputs, first, time = chunks.first_two()
    whole = slice(0, time)
    try:
        outputs = _outputs(model, inputs, whole)
    except Exception:  # noqa: BLE001  whatever a model raises that takes no more than one chunk
        return ""
    reset_states(model)
    parts = [_run(model, inputs, steps) for steps in (slice(0, first), slice(first, time))]
    wanted, found = [time, first, time - first], []
    for number, of_output in enumerate(zip(outputs, *parts, strict=True)):
        lengths = [one.shape[1] if one.ndim > 1 else 0 for one in of_output]
        if lengths == wanted:
            found.append(number)
        elif len(outputs) == chunks.targets:
            return f"of {time} steps an output has {lengths[0]}, and of {first} steps {lengths[1]}"
    joined = {n: np.concatenate([part[n] for part in parts], axis=1) for n in found}
    largest = max((_largest(outputs[n], joined[n]) for n in found), default=0.0)
    if largest <= _TOLERANCE.get(model.compute_dtype, 1e-3):
        return ""
    again = _outputs(model, inputs, whole)
    if any(_largest(outputs[n], again[n]) > 0 for n in found):
        return ""  # it draws random numbers
    return f"of the first {time} steps its outputs in two chunks differ by up to {largest:.2g}"


def _outputs(model: Any, x: Any, steps: slice) -> list[np.ndarray]:
    reset_states(model)
    return _run(model, x, steps)


def _run(model: Any, x: Any, steps: slice) -> list[np.ndarray]:
    outputs = model(tree.map_structure(lambda array: array[:, steps], x), training=False)
    return [
        np.asarray(ops.convert_to_numpy(ops.stop_gradient(one)), "float64")
        for one in tree.flatten(outputs)
    ]


def _largest(some: np.ndarray, others: np.ndarray) -> float:
    """The largest difference, relative to values above one, of those that are finite in both."""
    finite = np.isfinite(some) & np.isfinite(others)
    a, b = some[finite], others[finite]
    return float(np.max(np.abs(a - b) / (1 + np.abs(a)), initial=0))


def _has_fixed_time(model: Any) -> bool:
    specs = tree.flatten(getattr(model, "inputs", None) or [])
    return any(len(spec.shape) > 1 and spec.shape[1] is not None for spec in specs)


def _operations(model: Any) -> Iterator[Any]:
    """The layers, and the operations of `keras.ops` in functional models."""
    inside = {
        id(part)
        for layer in layers_in(model)
        if isinstance(layer, _WHOLE)
        for part in layers_in(layer)
        if part is not layer
    }
    for layer in layers_in(model):
        if id(layer) not in inside:
            yield layer
            for nodes in getattr(layer, "_nodes_by_depth", {}).values():
                yield from (node.operation for node in nodes)


def _unknown(operation: Any) -> bool:
    """Whether it could combine steps."""
    functional = isinstance(operation, keras.Model) and hasattr(operation, "_nodes_by_depth")
    container = functional or type(operation) is keras.Sequential
    known = container or isinstance(operation, _WHOLE) or type(operation) in _TREAT_EACH_STEP
    return not known
