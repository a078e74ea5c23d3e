"""Tries a model on a few steps: in chunks it must compute what it computes of whole rows."""

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

_MOST_STEPS = 8  # of the rows that the probe runs
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

    A few steps of the first rows are predicted, unless it is known of all layers that they treat
    each step separately. Nothing is refused where the predictions of the same rows differ by
    themselves, or where the model is built for one number of steps.
    """
    time = min(chunks.time // 2 * 2, _MOST_STEPS)
    if not time or _has_fixed_time(model) or not any(map(_unknown, _operations(model))):
        return
    x = tree.map_structure(_with_noise, chunks.first_rows(time))
    variables = model.non_trainable_variables
    before = [np.array(ops.convert_to_numpy(variable)) for variable in variables]
    try:
        difference = _difference(model, x, time)
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


def _difference(model: Any, x: Any, time: int) -> str:
    """How the outputs of two chunks differ from those of whole rows; empty if they do not."""
    whole, half = _outputs(model, x, slice(0, time)), time // 2
    reset_states(model)
    parts = [_run(model, x, steps) for steps in (slice(0, half), slice(half, time))]
    for output, *of_chunks in zip(whole, *parts, strict=True):
        lengths = [len(one[0]) if one.ndim > 1 else 0 for one in (output, *of_chunks)]
        if lengths != [time, half, half]:
            return f"of {time} steps an output has {lengths[0]}, and of {half} steps {lengths[1]}"
    joined = [np.concatenate(of_output, axis=1) for of_output in zip(*parts, strict=True)]
    found = _largest(whole, joined)
    if found <= _TOLERANCE.get(model.compute_dtype, 1e-3):
        return ""
    if _largest(whole, _outputs(model, x, slice(0, time))) > 0:
        return ""  # it draws random numbers
    return f"of the first {time} steps its outputs in two chunks differ by up to {found:.2g}"


def _outputs(model: Any, x: Any, steps: slice) -> list[np.ndarray]:
    reset_states(model)
    return _run(model, x, steps)


def _run(model: Any, x: Any, steps: slice) -> list[np.ndarray]:
    outputs = model(tree.map_structure(lambda array: array[:, steps], x), training=False)
    return [
        np.asarray(ops.convert_to_numpy(ops.stop_gradient(one)), "float64")
        for one in tree.flatten(outputs)
    ]


def _largest(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    """The largest difference, relative to values above one."""
    return max(
        float(np.max(np.abs(a - b) / (1 + np.abs(a)), initial=0))
        for a, b in zip(some, others, strict=True)
    )


def _with_noise(array: np.ndarray) -> np.ndarray:
    """Floats that are not all the same, as they might be at the start of a row."""
    if array.dtype.kind != "f":
        return array
    noise = np.random.default_rng(0).standard_normal(array.shape)
    return array + noise.astype(array.dtype)


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
