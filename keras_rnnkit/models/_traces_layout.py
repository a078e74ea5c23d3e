"""The layout of traces in an archive of arrays, and the traces from it."""

from collections import namedtuple
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_rnnkit import cells
from keras_rnnkit.cells._trace_repr import trace_repr
from keras_rnnkit.layers import BidirectionalTrace
from keras_rnnkit.models._keys import part_key
from keras_rnnkit.models.origins import Origin, with_origin


def store(trace: Any, name: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """The layout of a trace, whose arrays are added to `arrays` by name."""
    if isinstance(trace, Mapping):
        parts = {key: store(part, part_key(name, key), arrays) for key, part in trace.items()}
        return {"kind": "dict", "parts": parts}
    if isinstance(trace, tuple) and not hasattr(trace, "_fields"):
        numbered = enumerate(trace)
        parts = {str(i): store(part, part_key(name, i), arrays) for i, part in numbered}
        return {"kind": "tuple", "parts": parts}
    if isinstance(trace, BidirectionalTrace):
        pairs = zip(trace._fields, trace, strict=True)
        parts = {key: store(part, part_key(name, key), arrays) for key, part in pairs}
        return {"kind": "bidirectional", "parts": parts}
    for field in trace._fields:
        arrays[f"{name}.{field}"] = getattr(trace, field)
    origin: Origin = trace.origin
    for i, state in enumerate(origin.initial_states):
        arrays[f"{name}.initial_state.{i}"] = state
    for i, state in enumerate(origin.fresh_states):
        arrays[f"{name}.fresh_state.{i}"] = state
    if origin.resets is not None:
        arrays[f"{name}.resets"] = origin.resets
    plain = {key: value for key, value in origin._asdict().items() if key not in _ARRAYS}
    return {
        "kind": "record",
        "name": name,
        "type": type(trace).__name__,
        "fields": list(trace._fields),
        "origin": {**plain, "initial_states": len(origin.initial_states)},
    }


_ARRAYS = ("initial_states", "resets", "fresh_states")


def restore(layout: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    kind = layout["kind"]
    if kind != "record":
        parts = {key: restore(part, arrays) for key, part in layout["parts"].items()}
        if kind == "bidirectional":
            return BidirectionalTrace(**parts)
        return parts if kind == "dict" else tuple(parts.values())
    name, fields, origin = layout["name"], tuple(layout["fields"]), layout["origin"]
    trace = _trace_type(layout["type"], fields)(*(arrays[f"{name}.{field}"] for field in fields))
    count, zoneout = origin["initial_states"], origin["zoneout"]
    states = tuple(arrays[f"{name}.initial_state.{i}"] for i in range(count))
    values = {**origin, "initial_states": states}
    values["zoneout"] = None if zoneout is None else tuple(zoneout)
    if f"{name}.resets" in arrays:
        fresh = tuple(arrays[f"{name}.fresh_state.{i}"] for i in range(count))
        values.update(resets=arrays[f"{name}.resets"], fresh_states=fresh)
    return with_origin(trace, Origin(**values))


def _trace_type(name: str, fields: tuple[str, ...]) -> Any:
    """The kit's trace type of a name; for another one, a type with these fields."""
    known = {kind.__name__: kind for kind in vars(cells).values() if hasattr(kind, "_fields")}
    if name in known and known[name]._fields == fields:
        return known[name]
    bare = namedtuple(name, fields)  # type: ignore[misc]  # refuses names that are not identifiers
    return type(name, (bare,), {"__slots__": (), "__repr__": trace_repr})


def store_outputs(outputs: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(outputs, Mapping):
        parts = {key: store_outputs(v, f"{name}[{key}]", arrays) for key, v in outputs.items()}
        return {"dict": parts}
    if isinstance(outputs, list | tuple):
        numbered = enumerate(outputs)
        return {"list": [store_outputs(v, f"{name}[{i}]", arrays) for i, v in numbered]}
    arrays[name] = outputs
    return name


def restore_outputs(layout: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(layout, str):
        return arrays[layout]
    if "dict" in layout:
        return {key: restore_outputs(part, arrays) for key, part in layout["dict"].items()}
    return [restore_outputs(part, arrays) for part in layout["list"]]
