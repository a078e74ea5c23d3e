"""Traces with an origin: the cell, the initial states and the direction that they come from.

A trace from `keras_rnnkit.trace` has an origin. One from `return_gates` or `layer.trace` has none.
"""

import functools
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops, tree

from keras_rnnkit._checks import is_integer
from keras_rnnkit.cells import Zoneout


class Origin(NamedTuple):
    """What is to be known about a trace beside its arrays.

    `initial_states` are the states before the first step in running order, arrays
    `(batch, size)`, in the order of the cell. `backward` says that time runs from the last index of
    the arrays to the first. `zoneout` are the rates at which `Zoneout` keeps each state, or `None`.
    `options` are the plain values in the config of the cell, such as the names of its activations.
    `resets` are booleans `(batch, time)` in the time of the arrays: before such a step, the states
    are replaced by `fresh_states`, arrays like `initial_states`.
    """

    cell: str  # the name of the cell's class, such as "LSTMCell"
    initial_states: tuple[Any, ...]
    backward: bool
    zoneout: tuple[float, ...] | None
    options: dict[str, Any]
    resets: Any = None
    fresh_states: tuple[Any, ...] = ()


def trace_of_layer(
    cell: Any, backward: bool, trace: Any, initial_states: Any, resets: Any = ()
) -> Any:
    """The trace of a recurrent layer in the time of its input, with its origin.

    Args:
        cell: Its cell.
        backward: Whether it runs backward in the input's time.
        trace: What it reported, arrays or tensors `(batch, time, ...)` in running order.
        initial_states: The states that it started from, arrays in the structure of the cell.
        resets: The resets in running order, and the states that new sequences start from, in the
            structure of the cell; `()` for no resets.

    Returns:
        A trace of the same type with the attribute `origin`; for a stack of cells, a tuple of them.
    """
    if isinstance(cell, keras.layers.StackedRNNCells):
        each = [(resets[0], fresh) for fresh in resets[1]] if resets else [()] * len(cell.cells)
        parts = zip(cell.cells, trace, initial_states, each, strict=True)
        return tuple(trace_of_layer(part, backward, *of) for part, *of in parts)
    steps, fresh = resets or (None, ())
    if backward:
        axis = len(trace.mask.shape) - 1  # the last one of the mask, which has an outer time or not
        flip = np.flip if isinstance(trace.mask, np.ndarray) else ops.flip
        trace = type(trace)(*(flip(array, axis) for array in trace))
        steps = steps if steps is None else flip(steps, axis)
    states, fresh = (tuple(tree.flatten(part)) for part in (initial_states, fresh))
    inner = cell
    while isinstance(inner, Zoneout):
        inner = inner.cell
    zoneout = None if inner is cell else _rates(cell)
    name, options = type(inner).__name__, _options(inner)
    return with_origin(trace, Origin(name, states, backward, zoneout, options, steps, fresh))


def at_outer_step(trace: Any, name: str, step: int) -> Any:
    """A trace of a layer in `TimeDistributed` at one outer step; `None` for one of another layer.

    Raises:
        ValueError: If there is no such step.
    """
    if isinstance(trace, dict):
        parts = {key: at_outer_step(part, name, step) for key, part in trace.items()}
        return parts if None not in parts.values() else None
    origin = getattr(trace, "origin", None)
    if origin is None:  # of both directions, or of a stack of cells
        made = [at_outer_step(part, name, step) for part in trace]
        if None in made:
            return None
        return type(trace)(*made) if hasattr(trace, "_fields") else tuple(made)
    if np.ndim(trace.mask) < 3:
        return None
    steps = trace.mask.shape[1]
    if not is_integer(step) or not -steps <= step < steps:
        raise ValueError(
            f"`step` must be an integer from {-steps} to {steps - 1}, one of the outer steps of "
            f"'{name}'. Received: step={step!r}"
        )
    bare: Any = type(trace).__base__  # the trace type, without an origin
    at_step = bare(*(array[:, step] for array in trace))
    names = ("initial_states", "resets", "fresh_states")
    values = tree.map_structure(
        lambda a: a if a is None else a[:, step], [getattr(origin, n) for n in names]
    )
    return with_origin(at_step, origin._replace(**dict(zip(names, values, strict=True))))


def with_origin(trace: Any, origin: Origin) -> Any:
    """A copy of the trace with this origin, an instance of a subclass of its type."""
    kind: Any = type(trace)
    copy = _type_with_origin(kind)(*trace)
    copy.origin = origin
    return copy


def origin_of(trace: Any, argument: str = "trace") -> Origin:
    """Where a trace comes from.

    Raises:
        ValueError: For a trace without an origin, from `return_gates` or `layer.trace`.
        TypeError: For anything else.
    """
    origin = getattr(trace, "origin", None)
    if isinstance(origin, Origin):
        return origin
    received = f"Received: {argument}={type(trace).__name__}"
    if hasattr(trace, "_fields") or isinstance(trace, dict):
        raise ValueError(
            f"`{argument}` must be a trace from `keras_rnnkit.trace`, of a single direction and "
            "a single layer. One from `return_gates` or `layer.trace` does not hold the cell, "
            f"the states before the first step and the direction. {received}"
        )
    raise TypeError(f"`{argument}` must be a trace from `keras_rnnkit.trace`. {received}")


@functools.cache
def _type_with_origin(kind: Any) -> Any:
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
