"""Records: traces as NumPy arrays, and where they come from, which a bare trace does not say."""

import functools
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_rnnkit._checks import is_integer
from keras_rnnkit.cells import Zoneout


class Origin(NamedTuple):
    """What is to be known about a record beside its arrays.

    `initial_states` are the states before the first step in the order of running, arrays
    `(batch, size)`, in the order of the cell. `backward` says that time runs from the last index of
    the arrays to the first. `zoneout` are the rates at which `Zoneout` keeps each state, or `None`.
    `options` are the plain values in the config of the cell, such as the names of its activations.
    """

    cell: str  # the name of the cell's class, such as "LSTMCell"
    initial_states: tuple[Any, ...]
    backward: bool
    zoneout: tuple[float, ...] | None
    options: dict[str, Any]


def record_of(cell: Any, backward: bool, trace: Any, initial_states: Any) -> Any:
    """The record of a recurrent layer.

    Args:
        cell: Its cell.
        backward: Whether it runs backward in the input's time, in which the record is.
        trace: What it reported, arrays or tensors `(batch, time, ...)` in the order of running.
        initial_states: The states that it started from, arrays in the structure of the cell.

    Returns:
        A trace of the same type with the attribute `origin`; for a stack of cells, a tuple of them.
    """
    if isinstance(cell, keras.layers.StackedRNNCells):
        parts = zip(cell.cells, trace, initial_states, strict=True)
        return tuple(record_of(part, backward, *of) for part, *of in parts)
    if backward:
        axis = len(trace.mask.shape) - 1  # the last one of the mask, which has an outer time or not
        flip = np.flip if isinstance(trace.mask, np.ndarray) else ops.flip
        trace = type(trace)(*(flip(array, axis) for array in trace))
    states = initial_states if isinstance(initial_states, list | tuple) else [initial_states]
    inner = cell
    while isinstance(inner, Zoneout):
        inner = inner.cell
    zoneout = None if inner is cell else _rates(cell)
    origin = Origin(type(inner).__name__, tuple(states), backward, zoneout, _options(inner))
    return with_origin(trace, origin)


def at_outer_step(record: Any, name: str, step: int) -> Any:
    """A record of a layer in `TimeDistributed` at one outer step; `None` for one of another layer.

    Raises:
        ValueError: If there is no such step.
    """
    if isinstance(record, dict):
        parts = {key: at_outer_step(part, name, step) for key, part in record.items()}
        return parts if None not in parts.values() else None
    origin = getattr(record, "origin", None)
    if origin is None:  # of both directions, or of a stack of cells
        made = [at_outer_step(part, name, step) for part in record]
        if None in made:
            return None
        return type(record)(*made) if hasattr(record, "_fields") else tuple(made)
    if np.ndim(record.mask) < 3:
        return None
    steps = record.mask.shape[1]
    if not is_integer(step) or not -steps <= step < steps:
        raise ValueError(
            f"`step` must be an integer from {-steps} to {steps - 1}, one of the outer steps of "
            f"'{name}'. Received: step={step!r}"
        )
    bare: Any = type(record).__base__  # the trace type, without an origin
    states = tuple(state[:, step] for state in origin.initial_states)
    trace = bare(*(array[:, step] for array in record))
    return with_origin(trace, origin._replace(initial_states=states))


def with_origin(trace: Any, origin: Origin) -> Any:
    """The trace as a record, which is an instance of the trace's type with an `origin`."""
    kind: Any = type(trace)
    record = _record_type(kind)(*trace)
    record.origin = origin
    return record


def origin_of(record: Any, argument: str = "trace") -> Origin:
    """Where a record comes from.

    Raises:
        ValueError: For a trace without an origin, from `return_gates` or `layer.trace`.
        TypeError: For anything else.
    """
    origin = getattr(record, "origin", None)
    if isinstance(origin, Origin):
        return origin
    received = f"Received: {argument}={type(record).__name__}"
    if hasattr(record, "_fields") or isinstance(record, dict):
        raise ValueError(
            f"`{argument}` must be a record of `keras_rnnkit.trace`, one of a single direction and "
            "a single layer. A trace from `return_gates` or `layer.trace` does not hold the cell, "
            f"the states before the first step and the direction. {received}"
        )
    raise TypeError(f"`{argument}` must be a record of `keras_rnnkit.trace`. {received}")


@functools.cache
def _record_type(kind: Any) -> Any:
    return type(kind.__name__, (kind,), {"origin": None, "__module__": kind.__module__})


def _rates(cell: Any) -> tuple[float, ...]:
    """The rates of one `Zoneout`, or of several around each other as one."""
    kept = np.ones(len(cell.rates))
    while isinstance(cell, Zoneout):
        kept *= 1 - np.asarray(cell.rates)
        cell = cell.cell
    return tuple(1 - kept)


def _options(cell: Any) -> dict[str, Any]:
    """The config of a cell, as far as it consists of plain values."""
    config = cell.get_config() if hasattr(cell, "get_config") else {}
    plain = (bool, int, float, str, type(None))
    return {name: value for name, value in config.items() if isinstance(value, plain)}
