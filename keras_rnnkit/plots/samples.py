"""One sequence out of a trace, as NumPy arrays, with every way it can be wrong said in words."""

from __future__ import annotations

import enum
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_rnnkit.plots.printable import printable


class Kind(enum.Enum):
    """What the values of a field may be, and so which colours show them."""

    GATE = "between 0 and 1"
    BOUNDED = "between -1 and 1"
    UNBOUNDED = "any"


_KINDS = {
    **dict.fromkeys(("input", "forget", "output", "update", "reset"), Kind.GATE),
    **dict.fromkeys(("candidate", "hidden"), Kind.BOUNDED),
    "cell": Kind.UNBOUNDED,
}


@dataclass(frozen=True)
class Sample:
    """The fields `(steps, units)` of one sequence, its masked steps dropped, and a label a step."""

    fields: dict[str, np.ndarray]
    labels: list[str]
    numbered: bool


def read_sample(trace: Any, tokens: Sequence[str] | None, sample: int) -> Sample:
    """Take sequence number `sample` out of `trace`, or say what is wrong with an argument."""
    arrays, mask = _read_trace(trace)
    batch, time = mask.shape
    index = operator.index(sample)
    if not -batch <= index < batch:
        raise IndexError(
            f"`sample` must be between 0 and {batch - 1}: the trace holds {batch} sequences. "
            f"Received: sample={sample}"
        )
    labels = _read_tokens(tokens, time)
    kept = np.flatnonzero(mask[index])
    if not len(kept):
        raise ValueError(
            f"Every step of sample={sample} is masked, so there is nothing to draw. "
            "Choose another `sample`."
        )
    fields = {name: array[index, kept] for name, array in arrays.items()}
    _check_finite(fields, sample)
    return Sample(fields, [labels[step] for step in kept], numbered=tokens is None)


def group_by_kind(fields: dict[str, np.ndarray]) -> dict[Kind, list[str]]:
    """Names of the fields by kind, gates first, in the order of the trace within a kind."""
    groups: dict[Kind, list[str]] = {kind: [] for kind in Kind}
    for name, values in fields.items():
        groups[_kind_of(name, values)].append(name)
    return {kind: names for kind, names in groups.items() if names}


def _kind_of(name: str, values: np.ndarray) -> Kind:
    """The kind the name stands for, or the next wider one that holds the values."""
    kinds = list(Kind)
    allowed = kinds[kinds.index(_KINDS.get(name, Kind.GATE)) :]
    low, high = float(values.min()), float(values.max())
    fits = {Kind.GATE: low >= 0 and high <= 1, Kind.BOUNDED: low >= -1 and high <= 1}
    return next(kind for kind in allowed if fits.get(kind, True))


def _read_trace(trace: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
    names: tuple[str, ...] = getattr(trace, "_fields", ())
    if len(names) < 2 or names[-1] != "mask":
        raise TypeError(
            "`trace` must be a trace of a recurrent layer: a NamedTuple of arrays "
            "(batch, time, units) whose last field is `mask`. "
            f"Received: {type(trace).__name__} with the fields {list(names)}"
        )
    arrays = {name: _to_numpy(getattr(trace, name), name) for name in names[:-1]}
    first = arrays[names[0]]
    for name, array in arrays.items():
        if array.ndim != 3 or array.shape[:2] != first.shape[:2] or 0 in array.shape:
            raise ValueError(
                f"`trace.{name}` must have the shape (batch, time, units), none of them 0, with "
                f"batch and time as in `trace.{names[0]}`, which has the shape {first.shape}. "
                f"Received the shape: {array.shape}"
            )
    return arrays, _read_mask(trace.mask, first.shape[:2])


def _read_mask(mask: Any, expected: tuple[int, ...]) -> np.ndarray:
    if mask is None:
        return np.ones(expected, dtype=bool)
    array = _to_numpy(mask, "mask").astype(bool)
    if array.shape != expected:
        raise ValueError(
            f"`trace.mask` must have the shape (batch, time) = {expected}. "
            f"Received the shape: {array.shape}"
        )
    return array


def _to_numpy(value: Any, name: str) -> np.ndarray:
    if keras.utils.is_keras_tensor(value):
        raise TypeError(
            f"`trace.{name}` is symbolic: it has no values yet. "
            "Make a model that returns the trace and call it on data."
        )
    return np.asarray(keras.ops.convert_to_numpy(value), dtype="float64")


def _read_tokens(tokens: Sequence[str] | None, time: int) -> list[str]:
    if tokens is None:
        return [str(step) for step in range(time)]
    if isinstance(tokens, str) or len(tokens) != time:
        raise ValueError(
            f"`tokens` must be a list of {time} strings, one for each step of the trace "
            f"(masked steps included). Received: {len(tokens)} in a {type(tokens).__name__}"
        )
    return [printable(str(token)) for token in tokens]


def _check_finite(fields: dict[str, np.ndarray], sample: int) -> None:
    for name, values in fields.items():
        if not np.isfinite(values).all():
            raise ValueError(
                f"`trace.{name}` of sample={sample} holds NaN or infinity, which has no colour. "
                "Check the weights of the layer and what it was given."
            )
