"""A layer's trace: the gates, the states and the mask of its cell, or of each cell of a stack."""

import functools
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import keras

from keras_rnnkit.cells._trace_repr import trace_repr
from keras_rnnkit.running.loop import exposes_gates


def make_trace(cell: Any, gates: Any, states: Any, mask: Any) -> Any:
    """The trace of a cell from its gates and states at every step, `(batch, time, units)`.

    Args:
        cell: Any recurrent cell.
        gates: The gates in the structure the loop returns them.
        states: The states, in the structure of the cell.
        mask: Boolean tensor `(batch, time)`.

    Returns:
        A NamedTuple: the cell's `trace_type`; for a cell that exposes no gates, `CellTrace` with
        the fields `state_0`, `state_1`, ... and `mask`; for a stack, a tuple with one per cell.
    """
    if isinstance(cell, keras.layers.StackedRNNCells):
        parts = zip(cell.cells, gates, states, strict=True)
        return tuple(make_trace(c, g, s, mask) for c, g, s in parts)
    states = states if isinstance(states, list | tuple) else [states]
    if exposes_gates(cell):
        return cell.trace_type(*gates, *states, mask)
    return _cell_trace(len(states))(*states, mask)


@functools.cache
def _cell_trace(states: int) -> Any:
    """One type for each number of states, so that traces of one layer are of one type."""
    fields = [*(f"state_{i}" for i in range(states)), "mask"]
    bare = namedtuple("CellTrace", fields)  # type: ignore[misc]
    return type("CellTrace", (bare,), {"__slots__": (), "__repr__": trace_repr})


def trace_spec(cell: Any, states: Any, make: Callable[[Any], Any], mask: Any) -> Any:
    """The trace of a symbolic call, in the structure of `make_trace`.

    Args:
        cell: Any recurrent cell.
        states: The `state_size` of the cell.
        make: Makes the entry of a gate or state, from its number of units.
        mask: The entry of the mask.
    """
    if isinstance(cell, keras.layers.StackedRNNCells):
        parts = zip(cell.cells, states, strict=True)
        return tuple(trace_spec(c, s, make, mask) for c, s in parts)
    sizes = states if isinstance(states, list | tuple) else [states]
    gates = [make(cell.units) for _ in cell.gates_type._fields] if exposes_gates(cell) else ()
    return make_trace(cell, gates, [make(size) for size in sizes], mask)
