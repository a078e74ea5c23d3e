"""One sequence out of a trace, as NumPy arrays, with every way it can be wrong said in words."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_rnnkit.plots.parts import Part, split_parts


@dataclass(frozen=True)
class PartSample:
    """The fields `(steps, units)` of one layer in one direction; its masked steps are dropped."""

    title: str
    way: str
    fields: dict[str, np.ndarray]


@dataclass(frozen=True)
class Sample:
    """One sequence: its parts, and a label for each step that is not masked."""

    parts: list[PartSample]
    labels: list[str]
    numbered: bool


def read_sample(trace: Any, tokens: Sequence[str] | None, sample: int) -> Sample:
    """Take sequence number `sample` out of `trace`, or say what is wrong with an argument."""
    parts = split_parts(trace)
    read = [_read_trace(part) for part in parts]
    batch, time = read[0][1].shape
    index = operator.index(sample)
    if not -batch <= index < batch:
        raise IndexError(
            f"`sample` must be between 0 and {batch - 1}: the trace holds {batch} sequences. "
            f"Received: sample={sample}"
        )
    labels = _read_tokens(tokens, time)
    kept = np.flatnonzero(
        np.logical_and.reduce([_like(read[0][1], mask) for _, mask in read])[index]
    )
    if not len(kept):
        raise ValueError(
            f"Every step of sample={sample} is masked, so there is nothing to draw. "
            "Choose another `sample`."
        )
    samples = []
    for part, (arrays, _) in zip(parts, read, strict=True):
        fields = {name: array[index, kept] for name, array in arrays.items()}
        _check_finite(fields, part.way, sample)
        samples.append(PartSample(part.title, part.way, fields))
    return Sample(samples, [labels[step] for step in kept], numbered=tokens is None)


def _read_trace(part: Part) -> tuple[dict[str, np.ndarray], np.ndarray]:
    names = part.trace._fields
    trace = f"trace{part.way}"
    arrays = {name: _to_numpy(getattr(part.trace, name), f"{trace}.{name}") for name in names[:-1]}
    first = arrays[names[0]]
    for name, array in arrays.items():
        if array.ndim != 3 or array.shape[:2] != first.shape[:2] or 0 in array.shape:
            raise ValueError(
                f"`{trace}.{name}` must have the shape (batch, time, units), none of them 0, with "
                f"batch and time as in `{trace}.{names[0]}`, which has the shape {first.shape}. "
                f"Received the shape: {array.shape}"
            )
    return arrays, _read_mask(part.trace.mask, f"{trace}.mask", first.shape[:2])


def _read_mask(mask: Any, name: str, expected: tuple[int, ...]) -> np.ndarray:
    if mask is None:
        return np.ones(expected, dtype=bool)
    array = _to_numpy(mask, name).astype(bool)
    if array.shape != expected:
        raise ValueError(
            f"`{name}` must have the shape (batch, time) = {expected}. "
            f"Received the shape: {array.shape}"
        )
    return array


def _like(first: np.ndarray, mask: np.ndarray) -> np.ndarray:
    if mask.shape != first.shape:
        raise ValueError(
            "All parts of `trace` must have the same batch and time. "
            f"Received: (batch, time) = {first.shape} and {mask.shape}"
        )
    return mask


def _to_numpy(value: Any, name: str) -> np.ndarray:
    if keras.utils.is_keras_tensor(value):
        raise TypeError(
            f"`{name}` is symbolic: it has no values yet. "
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
    return [str(token) for token in tokens]


def _check_finite(fields: dict[str, np.ndarray], way: str, sample: int) -> None:
    for name, values in fields.items():
        if not np.isfinite(values).all():
            raise ValueError(
                f"`trace{way}.{name}` of sample={sample} holds NaN or infinity, which has no "
                "colour. Check the weights of the layer and what it was given."
            )
