"""What `GateMonitor` logs, computed inside the compiled program that runs the model.

Only sums over time leave the program, so that no trace is copied. `statistics.py` computes the same
numbers from traces, and more.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops, tree

from keras_rnnkit._gate_statistics import CLOSED, OPEN, half_lives, retention
from keras_rnnkit.models.origins import origin_of
from keras_rnnkit.models.traces import flat_traces


class FieldSums(NamedTuple):
    """Sums of a gate over the valid steps, each `(..., units)`.

    `outside` counts values that are not between 0 and 1, as NaN is not.
    """

    total: Any
    closed: Any
    open: Any
    outside: Any


class LayerSums(NamedTuple):
    """The sums of a layer.

    `fields` has a dict with a single entry for each gate: compiled code would sort a longer one.
    """

    steps: Any  # (...), the number of valid steps
    fields: list[dict[str, FieldSums]]
    log_retention: Any  # (..., units), or `()` for a cell whose state no gate keeps


def gate_sums(traces: Any) -> list[dict[str, LayerSums]]:
    """The sums over time of the gates of every layer, by its name, for each sequence.

    Args:
        traces: Traces by key, of tensors.
    """
    return [{name: _sums_of(trace)} for name, trace in flat_traces(traces)]


def _sums_of(trace: Any) -> LayerSums:
    valid, origin = trace.mask[..., None], origin_of(trace)
    names = trace._fields[: -1 - len(origin.initial_states)]
    gates = {name: _single_precision(getattr(trace, name)) for name in names}
    rates = origin.zoneout and tuple(map(float, origin.zoneout))  # scalars of NumPy would promote
    kept = retention(gates, origin._replace(zoneout=rates))
    log: Any = ()
    if kept is not None:
        log = ops.sum(ops.log(ops.where(valid, kept[1], ops.ones_like(kept[1]))), axis=-2)
    steps = ops.sum(ops.cast(trace.mask, "int32"), axis=-1)
    return LayerSums(steps, [{name: _field_sums(gate, valid)} for name, gate in gates.items()], log)


def _single_precision(values: Any) -> Any:
    """The values in float32 at least: half precision is too coarse for sums."""
    is_double = keras.utils.standardize_dtype(values.dtype) == "float64"
    return values if is_double else ops.cast(values, "float32")


def _field_sums(values: Any, valid: Any) -> FieldSums:
    def count(condition: Any) -> Any:
        found = ops.cast(ops.logical_and(condition, valid), values.dtype)
        return ops.sum(found, axis=-2)

    between = ops.logical_and(values >= 0, values <= 1)
    return FieldSums(
        total=ops.sum(ops.where(valid, values, ops.zeros_like(values)), axis=-2),
        closed=count(values < CLOSED),
        open=count(values > OPEN),
        outside=count(ops.logical_not(between)),
    )


def logs_of(batches: list[list[dict[str, LayerSums]]]) -> dict[str, float]:
    """The logs of an epoch, from the sums of all batches as arrays."""
    layers: dict[str, list[LayerSums]] = {}
    for batch in batches:
        for of_layer in batch:
            for name, sums in of_layer.items():
                layers.setdefault(name, []).append(sums)
    prefixes = {name: _prefix(name) for name in layers}
    logs: dict[str, float] = {}
    for name, parts in layers.items():
        alone = list(prefixes.values()).count(prefixes[name]) == 1  # not so of "a.b" and "a_b"
        for key, value in _logs_of_layer(parts).items():
            logs[f"{prefixes[name] if alone else name}_{key}"] = value
    return logs


def _logs_of_layer(parts: list[LayerSums]) -> dict[str, float]:
    sums = tree.map_structure(lambda *arrays: sum(map(_over_rows, arrays)), *parts)
    count, logs = max(int(sums.steps), 1), {}
    for of_field in sums.fields:
        for name, field in of_field.items():
            logs[f"{name}_mean"] = float(field.total.mean()) / count
            if not field.outside.any():
                logs[f"{name}_closed"] = float(field.closed.mean()) / count
                logs[f"{name}_open"] = float(field.open.mean()) / count
    if int(sums.steps) and not isinstance(sums.log_retention, tuple):
        half_life = half_lives(sums.log_retention / count)
        logs["half_life"] = float(np.median(half_life))
    return logs


def _over_rows(array: np.ndarray) -> Any:
    """The sum over all sequences in float64, `(units,)`, or of counts."""
    if np.issubdtype(array.dtype, np.integer):
        return array.sum(dtype="int64")
    return array.reshape(-1, array.shape[-1]).sum(axis=0, dtype="float64")


def _prefix(name: str) -> str:
    return name.replace(".", "_").replace("/", "_")
