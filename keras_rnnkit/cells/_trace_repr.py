"""How a trace prints: a line a field, with its shape, its dtype and the range of its values."""

from typing import Any

import keras
import numpy as np
from keras import ops

# What the backends raise where a value cannot be read: JAX while it traces (a TypeError),
# TensorFlow in a graph (NotImplementedError, AttributeError), torch while it transforms.
_UNREADABLE = (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError)


def trace_repr(trace: Any) -> str:
    """The `__repr__` of every trace type.

    Ranges and means are over the valid steps. Where tensors have no values (symbolic
    tensors, or inside a compiled function), only shapes and dtypes are printed.
    """
    mask = _values(getattr(trace, "mask", None))
    names = trace._fields
    described = {name: _described(name, getattr(trace, name), mask) for name in names}
    cells = [line for line in described.values() if isinstance(line, tuple)]
    widths = [max((len(cell[i]) for cell in cells), default=0) for i in range(2)]
    width = max(len(name) for name in names)
    lines = []
    for name, line in described.items():
        if isinstance(line, tuple):
            shape, dtype, values = line
            text = f"{name:<{width}}  {shape:<{widths[0]}}  {dtype:<{widths[1]}}  {values}"
        else:
            text = f"{name}={line}".replace("\n", "\n  ")
        lines.append(f"  {text}".rstrip())
    return "\n".join([f"{type(trace).__name__}(", *lines, ")"])


def _described(name: str, value: Any, mask: np.ndarray | None) -> tuple[str, str, str] | str:
    """Shape, dtype and values of a tensor; the `repr` of anything else."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return repr(value)
    dtype = getattr(value.dtype, "name", None) or str(value.dtype).rpartition(".")[-1]
    return _shape(value), dtype, _range(name, value, mask)


def _shape(value: Any) -> str:
    # TensorFlow's shape of unknown rank has no length.
    return "?" if getattr(value.shape, "rank", 0) is None else str(tuple(value.shape))


def _range(name: str, value: Any, mask: np.ndarray | None) -> str:
    array = _values(value)
    if array is None or not array.size:
        return ""
    if array.dtype == bool:
        return f"{array.sum()} of {array.size} steps valid" if name == "mask" else ""
    valid = array[mask] if mask is not None and array.shape[:2] == mask.shape else array
    if not valid.size:
        return "every step is masked"
    finite = valid[np.isfinite(valid)]
    strange = f", {valid.size - finite.size} not finite" if finite.size < valid.size else ""
    if not finite.size:
        return strange[2:]
    return f"{finite.min():.3g} .. {finite.max():.3g}, mean {finite.mean():.3g}{strange}"


def _values(value: Any) -> np.ndarray | None:
    """The values as booleans or float64, or None where there are none to read."""
    if value is None or keras.utils.is_keras_tensor(value):
        return None
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return None
    try:
        array = np.asarray(ops.convert_to_numpy(value))
    except _UNREADABLE:
        return None
    return array if array.dtype == bool else array.astype("float64")
