"""One sequence out of a trace, checked, as NumPy arrays."""

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
    """The fields `(steps, units)` of one layer in one direction, without masked steps."""

    title: str
    key: str
    fields: dict[str, np.ndarray]


@dataclass(frozen=True)
class Sample:
    """One sequence: its parts, and a label for each step that is not masked."""

    parts: list[PartSample]
    labels: list[str]
    numbered: bool
    index: int  # of the sequence in the batch
    steps: np.ndarray  # the indices of the steps that are not masked
    time: int  # how many steps the trace has, masked ones included


def read_sample(
    trace: Any, tokens: Sequence[str] | None, sample: int, argument: str = "trace"
) -> Sample:
    """Take sequence number `sample` out of `trace`, or say what is wrong with an argument."""
    parts = split_parts(trace, argument=argument)
    arrays_and_masks = [read_arrays(part, argument) for part in parts]
    first_mask = arrays_and_masks[0][1]
    index = read_index(sample, len(first_mask))
    labels = read_tokens(tokens, first_mask.shape[1])
    masks = [_same_shape(first_mask, mask, argument) for _, mask in arrays_and_masks]
    valid = np.flatnonzero(np.logical_and.reduce(masks)[index])
    if not len(valid):
        raise ValueError(
            "`sample` must have a step that is not masked: all steps of this one are. Choose "
            f"another `sample`. Received: sample={sample}"
        )
    samples = []
    for part, (arrays, _) in zip(parts, arrays_and_masks, strict=True):
        fields = {name: array[index, valid] for name, array in arrays.items()}
        _check_finite(fields, f"{argument}{part.key}", f"sample={sample}")
        samples.append(PartSample(part.title, part.key, fields))
    return Sample(
        parts=samples,
        labels=[labels[step] for step in valid],
        numbered=tokens is None,
        index=index % len(first_mask),
        steps=valid,
        time=first_mask.shape[1],
    )


def read_index(sample: int, batch: int) -> int:
    """The number of a sequence of the batch, checked; a negative one counts from the end."""
    try:
        index = operator.index(sample)
    except TypeError as error:
        raise TypeError(f"`sample` must be an integer. Received: sample={sample!r}") from error
    if not -batch <= index < batch:
        raise IndexError(
            f"`sample` must be between 0 and {batch - 1}: the trace has {batch} sequences. "
            f"Received: sample={sample}"
        )
    return index


def read_arrays(part: Part, argument: str = "trace") -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The fields of a trace, `(batch, time, units)`, and its mask `(batch, time)`, checked."""
    names = part.trace._fields
    trace = f"{argument}{part.key}"
    arrays = {name: to_numpy(getattr(part.trace, name), f"{trace}.{name}") for name in names[:-1]}
    first = arrays[names[0]]
    for name, array in arrays.items():
        if array.ndim == 4:
            raise ValueError(
                f"`{trace}.{name}` must have the shape (batch, time, units). The traces of a "
                "`TimeDistributed` have an outer time too; take one of its steps: "
                "`traces.outer_step(0)` of what `keras_rnnkit.trace` returns. "
                f"Received: {trace}.{name}.shape={array.shape}"
            )
        if array.ndim != 3 or array.shape[:2] != first.shape[:2] or 0 in array.shape:
            raise ValueError(
                f"`{trace}.{name}` must have the shape (batch, time, units), none of them 0, with "
                f"batch and time as in `{trace}.{names[0]}`, which has the shape {first.shape}. "
                f"Received: {trace}.{name}.shape={array.shape}"
            )
    return arrays, read_mask(part.trace.mask, f"{trace}.mask", first.shape[:2])


def read_mask(mask: Any, name: str, expected: tuple[int, ...]) -> np.ndarray:
    """The mask as booleans `(batch, time)`, checked; all true for None."""
    if mask is None:
        return np.ones(expected, dtype=bool)
    array = to_numpy(mask, name).astype(bool)
    if array.shape != expected:
        raise ValueError(
            f"`{name}` must have the shape (batch, time) = {expected}. "
            f"Received: {name}.shape={array.shape}"
        )
    return array


def _same_shape(first: np.ndarray, mask: np.ndarray, argument: str) -> np.ndarray:
    if mask.shape != first.shape:
        raise ValueError(
            f"All parts of `{argument}` must have the same batch and time, {first.shape} in the "
            f"first. Received: (batch, time)={mask.shape}"
        )
    return mask


def to_numpy(value: Any, name: str) -> np.ndarray:
    """An array or a tensor as float64 NumPy array."""
    if keras.utils.is_keras_tensor(value):
        raise TypeError(
            f"`{name}` must have values, and it is symbolic. Make a model that returns the trace "
            f"and call it on data. Received: {name}={value}"
        )
    return np.asarray(keras.ops.convert_to_numpy(value), dtype="float64")


def read_tokens(tokens: Sequence[str] | None, time: int) -> list[str]:
    """A label for each step: its word, or its number where there are no `tokens`."""
    if tokens is None:
        return [str(step) for step in range(time)]
    if isinstance(tokens, str) or len(tokens) != time:
        raise ValueError(
            f"`tokens` must be a list of {time} strings, one for each step of the trace "
            f"(masked steps included). Received: type(tokens)={type(tokens).__name__}, "
            f"len(tokens)={len(tokens)}"
        )
    return [str(token) for token in tokens]


def _check_finite(fields: dict[str, np.ndarray], trace: str, received: str) -> None:
    for name, values in fields.items():
        if not np.isfinite(values).all():
            raise ValueError(
                f"`{trace}.{name}` must be finite, and this sample has NaN or infinity there. "
                f"Check the weights and the inputs of the layer. Received: {received}"
            )
