"""Changes of gates and states as the user gives them, checked, and as edits of the loop."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from keras_rnnkit.cells._edits import Replacement
from keras_rnnkit.layers import BidirectionalTrace


class Change(NamedTuple):
    """A change of one gate or state, with units and steps of its own, for `keras_rnnkit.edit`.

    Attributes:
        value: The new value: a number; an array that broadcasts to the field, `(batch, time,
            units)`; a function `(value, step) -> value` of the backend's tensor `(batch, units)`
            and the index of the step; or a trace or the `Traces` of another run, whose field of
            the same name is taken.
        units: The units to change: an index, a slice, or a list of indices; `None` for all.
        steps: The steps to change, likewise, as they are indexed in the trace.

    Example:

    >>> import keras_rnnkit as kit
    >>> kit.Change(0.0, units=[3], steps=slice(10, 20))
    Change(value=0.0, units=[3], steps=slice(10, 20, None))
    """

    value: Any
    units: Any = None
    steps: Any = None


class Place(NamedTuple):
    """Where in a model a trace is, and the defaults of its changes."""

    path: tuple[Any, ...]  # such as ("bidirectional", "forward")
    units: Any
    steps: Any

    def inner(self, key: Any) -> "Place":
        """The place of a part of the trace."""
        return self._replace(path=(*self.path, key))

    def __str__(self) -> str:
        return " > ".join(map(repr, self.path))


def edits_of(changes: Any, trace: Any, place: Place, rows: slice) -> Any:
    """The edits of a layer, in the structure of its trace.

    Args:
        changes: What the user gives for the layer.
        trace: The trace of the layer in the unchanged model, of all rows.
        place: Where it is.
        rows: The rows that run.

    Returns:
        For one cell a dict of lists of `Replacement` with arrays, time first, in running order.

    Raises:
        ValueError: For an unknown name, a value of a wrong shape, and an index out of range.
        TypeError: For changes that are not a dict.
    """
    if not isinstance(changes, Mapping) or hasattr(changes, "outputs"):
        raise TypeError(
            f"`changes` of {place} must be a dict, from the names of gates and states, or of the "
            "layers and directions in it, to their changes. "
            f"Received: type(changes)={type(changes).__name__}"
        )
    parts = parts_of_trace(trace)
    names = [name for name in trace._fields if name != "mask"] if parts is None else list(parts)
    unknown = [name for name in changes if name not in names]
    if unknown:
        what = "gates and states" if parts is None else "parts"
        raise ValueError(
            f"`changes` of {place} must name its {what}: {', '.join(map(repr, names))}. "
            f"Received: changes={unknown}"
        )
    if parts is None:
        return {
            name: [_edit(one, trace, name, place.inner(name), rows) for one in _listed(given)]
            for name, given in changes.items()
        }
    return {
        key: edits_of(changes[key], part, place.inner(key), rows) if key in changes else None
        for key, part in parts.items()
    }


def parts_of_trace(trace: Any) -> dict[Any, Any] | None:
    """The parts of a trace by name or number; `None` for the trace of one cell."""
    if isinstance(trace, Mapping):
        return dict(trace)
    if isinstance(trace, BidirectionalTrace):
        return trace._asdict()
    return None if hasattr(trace, "_fields") else dict(enumerate(trace))


def _listed(given: Any) -> list[Change]:
    """The changes of one field, of which there may be several."""
    several = isinstance(given, list) and given and all(isinstance(c, Change) for c in given)
    changes = given if several else [given]
    return [change if isinstance(change, Change) else Change(change) for change in changes]


def _edit(change: Change, trace: Any, name: str, place: Place, rows: slice) -> Replacement:
    field = getattr(trace, name)
    where = _chosen(change, field, place)
    if callable(change.value):
        steps = np.arange(field.shape[-2], dtype="int32").reshape(-1, 1)
        return Replacement(
            _in_loop(where, field, trace, rows),
            _in_loop(steps, field, trace, rows)[:, 0, 0],
            change.value,
        )
    value = _array(change.value, field, name, place)
    return Replacement(_in_loop(where, field, trace, rows), _in_loop(value, field, trace, rows))


def _chosen(change: Change, field: Any, place: Place) -> np.ndarray:
    """Booleans `(time, units)`, true where the change applies."""
    axes = []
    for argument, axis in (("steps", -2), ("units", -1)):
        own = getattr(change, argument)
        index = getattr(place, argument) if own is None else own
        axes.append(_at(index, field.shape[axis], argument, place))
    return axes[0][:, None] & axes[1]


def _at(index: Any, size: int, argument: str, place: Place) -> np.ndarray:
    """Booleans of this size, true at an index, a slice or a list of indices."""
    chosen = np.zeros(size, bool)
    if index is None:
        return ~chosen
    try:
        which = index if isinstance(index, slice) else np.asarray(index)
        if isinstance(which, np.ndarray) and not which.size:
            raise ValueError(
                f"`{argument}` must name at least one of the {size} {argument} of {place}, or be "
                f"None for all of them. Received: {argument}={index!r}"
            )
        if isinstance(which, np.ndarray) and which.dtype.kind not in "iu":
            raise IndexError
        chosen[which] = True
    except IndexError:
        raise ValueError(
            f"`{argument}` must be an index, a slice or a list of indices below {size}, which is "
            f"the number of {argument} of {place}. Received: {argument}={index!r}"
        ) from None
    return chosen


def _array(value: Any, field: Any, name: str, place: Place) -> np.ndarray:
    """The value as an array that broadcasts to the field."""
    if isinstance(value, Mapping) and hasattr(value, "outputs"):
        value = _in_traces(value, place)
    if hasattr(value, "_fields"):
        value = getattr(value, name, None)
    try:
        array = np.asarray(value, dtype="float64" if field.dtype == "float64" else "float32")
    except (TypeError, ValueError):
        raise TypeError(
            f"`changes` of {place} must be a number, an array, a function of value and step, or a "
            f"trace or the traces of another run, with this field. Received: value={value!r}"
        ) from None
    try:
        right = np.broadcast_shapes(array.shape, field.shape) == field.shape
    except ValueError:
        right = False
    if not right:
        raise ValueError(
            f"The value of {place} must broadcast to the shape of the field, {field.shape}. "
            f"Received: value.shape={array.shape}"
        )
    return array


def _in_traces(traces: Any, place: Place) -> Any:
    """The field at the same place of the traces of another run."""
    values = traces
    for key in place.path:
        parts = parts_of_trace(values)
        parts = values._asdict() if parts is None else parts
        if key not in parts:
            raise ValueError(
                f"The traces of another run must have the field {place}, which they replace. "
                f"Received: names={list(parts)}"
            )
        values = parts[key]
    return values


def _in_loop(array: np.ndarray, field: Any, trace: Any, rows: slice) -> np.ndarray:
    """The array as the loop needs it: `(time, rows or 1, units or 1)`, in running order."""
    array = array.reshape((1,) * (field.ndim - array.ndim) + array.shape)
    if len(array) > 1:
        array = array[rows]
    if any(size > 1 for size in array.shape[1:-2]):  # the outer times of `TimeDistributed`
        count = len(range(*rows.indices(len(field))))
        array = np.broadcast_to(array, (count, *field.shape[1:-2], *array.shape[-2:]))
    elif array.ndim > 3 and len(array) > 1:
        array = np.broadcast_to(array, (len(array), *field.shape[1:-2], *array.shape[-2:]))
    array = array.reshape(-1, *array.shape[-2:])
    array = np.broadcast_to(array, (len(array), field.shape[-2], array.shape[-1]))
    if trace.origin.backward:
        array = array[:, ::-1]
    return np.ascontiguousarray(array.swapaxes(0, 1))
