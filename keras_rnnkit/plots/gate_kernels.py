"""The blocks of a layer's kernels, by gate: of the kit's cells and of those of `keras.layers`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

_NAMES = ("kernel", "recurrent_kernel")
# The order of the blocks in the kernels of Keras.
_KERAS = (
    (keras.layers.LSTMCell, ("input", "forget", "candidate", "output")),
    (keras.layers.GRUCell, ("update", "reset", "candidate")),
    (keras.layers.SimpleRNNCell, ("candidate",)),
)


def read_kernels(layer: Any) -> dict[str, dict[str, np.ndarray]]:
    """`{"kernel": {gate: (features, units)}, "recurrent_kernel": {gate: (size, units)}}`.

    A minimal cell has no recurrent kernel.
    """
    cell = _cell_of(layer)
    units = getattr(cell, "units", 0)
    kernels = {}
    for name in _NAMES if units else ():
        kernel = getattr(cell, name, None)
        if kernel is not None and len(kernel.shape) == 2 and kernel.shape[1] % units == 0:
            kernels[name] = _to_numpy(kernel)
    if not kernels:
        raise ValueError(_complaint(layer, cell))
    for name, kernel in kernels.items():
        if not np.isfinite(kernel).all():
            raise ValueError(
                f"`layer` must have finite weights: the training diverged. "
                f"Received: layer.{name}={kernel[~np.isfinite(kernel)][0]} at some places"
            )
    return {name: _split(cell, kernel, units) for name, kernel in kernels.items()}


def _to_numpy(kernel: Any) -> np.ndarray:
    value = getattr(kernel, "value", kernel)
    return np.asarray(keras.ops.convert_to_numpy(value), dtype="float64")


def _cell_of(layer: Any) -> Any:
    """The cell in a layer, within wrappers such as `Zoneout`."""
    while getattr(layer, "cell", None) is not None:
        layer = layer.cell
    return layer


def _split(cell: Any, kernel: np.ndarray, units: int) -> dict[str, np.ndarray]:
    count = kernel.shape[1] // units
    return dict(zip(_gate_names(cell, count), np.split(kernel, count, axis=1), strict=True))


def _gate_names(cell: Any, count: int) -> tuple[str, ...]:
    """The names of the blocks in their order; numbers, where the cell does not name so many."""
    gates: tuple[str, ...] = getattr(getattr(cell, "gates_type", None), "_fields", ())
    coupled = tuple(name for name in gates if name != "input")  # it is one minus the forget gate
    own = [gates, coupled] if gates else [names for kind, names in _KERAS if isinstance(cell, kind)]
    numbers = tuple(f"block {index}" for index in range(count))
    return next((names for names in own if len(names) == count), numbers)


def _complaint(layer: Any, cell: Any) -> str:
    expected = (
        "`layer` must be a built recurrent layer with one cell, or a cell, with a `kernel` that "
        "has a block of `units` columns for each gate."
    )
    if hasattr(layer, "forward_layer"):
        advice = " Draw one direction: layer.forward_layer or layer.backward_layer."
    elif getattr(cell, "cells", None):
        advice = " Draw one of its cells: layer.cell.cells[0]."
    elif isinstance(cell, keras.layers.Layer) and not cell.built:
        advice = " Build it: call the layer, or the model, on data."
    else:
        advice = ""
    return f"{expected}{advice} Received: layer={layer!r}"
