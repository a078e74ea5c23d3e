"""What a page to explore shows, as a dictionary for JSON."""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from keras_rnnkit.plots.kinds import Kind, color_limits, kind_of
from keras_rnnkit.plots.panels import MEANINGS
from keras_rnnkit.plots.samples import PartSample, Sample, read_sample, to_numpy

_LEVELS = 2**16 - 1  # of a value in 16 bits


def page_data(
    traces: Any, tokens: Any, sample: int | Iterable[int], influence: Any, attribution: Any
) -> dict[str, Any]:
    """Everything that the page shows of these samples."""
    several = isinstance(sample, Iterable) and not isinstance(sample, str)
    numbers = list(sample) if several else [sample]  # type: ignore[arg-type]
    if not numbers:
        raise ValueError(
            "`sample` must be the number of a sequence, or a list of at least one number. "
            f"Received: sample={sample!r}"
        )
    samples = [
        read_sample(traces, words, number, "traces")  # type: ignore[arg-type]
        for number, words in zip(numbers, _split_tokens(tokens, numbers, several), strict=True)
    ]
    return {
        "samples": [
            _sample_data(one)
            | {"influence": _influence(influence, one), "attribution": _scores(attribution, one)}
            for one in samples
        ]
    }


def packed(values: np.ndarray) -> dict[str, Any]:
    """An array in 16 bits a value: `low + step * integer`, integers little-endian in base64.

    The error is at most half of `step`.
    """
    low, high = float(values.min()), float(values.max())
    step = (high - low) / _LEVELS
    integers = np.rint((values - low) / (step or 1.0)).astype("<u2")
    data = base64.b64encode(integers.tobytes()).decode("ascii")
    return {"shape": values.shape, "low": low, "step": step, "data": data}


def _split_tokens(
    tokens: Any, numbers: Sequence[Any], several: bool
) -> Sequence[Sequence[str] | None]:
    """The tokens of each sample."""
    if tokens is None:
        return [None] * len(numbers)
    if not several:
        return [tokens]
    if isinstance(tokens, str) or len(tokens) != len(numbers):
        raise ValueError(
            f"`tokens` must be a list of {len(numbers)} lists of strings, one for each sample. "
            f"Received: type(tokens)={type(tokens).__name__}, len(tokens)={len(tokens)}"
        )
    return list(tokens)


def _sample_data(sample: Sample) -> dict[str, Any]:
    return {
        "index": sample.index,
        "steps": sample.steps.tolist(),
        "tokens": sample.labels,
        "numbered": sample.numbered,
        "direction": text_direction(sample.labels),
        "layers": [_layer_data(part) for part in sample.parts],
    }


def _layer_data(part: PartSample) -> dict[str, Any]:
    return {
        "title": part.title,
        "key": part.key,
        "fields": [_field_data(name, values) for name, values in part.fields.items()],
    }


def _field_data(name: str, values: np.ndarray) -> dict[str, Any]:
    """A field with the limits of the colours of its units and of its mean over units."""
    kind = kind_of(name, values)
    signed = kind is not Kind.GATE
    means = np.abs(values).mean(axis=1) if signed else values.mean(axis=1)
    return {
        "name": name,
        "meaning": MEANINGS.get(name, ""),
        "signed": signed,
        "limits": color_limits(kind, values),
        "mean_limits": _one_sided(means) if signed else color_limits(kind, means),
        **packed(values),
    }


def _one_sided(values: np.ndarray) -> tuple[float, float]:
    return 0.0, color_limits(Kind.UNBOUNDED, values)[1]


def _scores(attribution: Any, sample: Sample) -> dict[str, Any] | None:
    """The scores of the words of this sample."""
    if attribution is None:
        return None
    is_record = hasattr(attribution, "scores")
    name = "attribution.scores" if is_record else "attribution"
    values = to_numpy(attribution.scores if is_record else attribution, name)
    if values.ndim != 2 or sample.index >= len(values):
        raise ValueError(_complaint(name, "(batch, time)", values))
    _check_time(values.shape[1:], name, sample)
    scores = values[sample.index, sample.steps][:, None]
    return _view_data(scores, name, f"{name}[{sample.index}, ", np.abs(scores).max())


def _influence(influence: Any, sample: Sample) -> dict[str, Any] | None:
    """What is left of each word of this sample at each step, `(steps, steps)`."""
    if influence is None:
        return None
    values = to_numpy(influence, "influence")
    batched = values.ndim == 3
    if values.ndim not in (2, 3) or (batched and sample.index >= len(values)):
        raise ValueError(_complaint("influence", "(time, time) or (batch, time, time)", values))
    _check_time(values.shape[-2:], "influence", sample)
    values = values[sample.index] if batched else values
    start = f"influence[{sample.index}, " if batched else "influence["
    values = values[np.ix_(sample.steps, sample.steps)]
    left = np.abs(values[values != 0])  # nothing is left of later steps
    return _view_data(values, "influence", start, left if left.size else values)


def _view_data(values: np.ndarray, name: str, expression: str, sizes: Any) -> dict[str, Any]:
    """Values with limits of colours for `sizes`, and how the expression for a value begins."""
    if not np.isfinite(values).all():
        raise ValueError(
            f"`{name}` must be finite, and this sample has NaN or infinity there. "
            f"Received: {name}.max()={values.max()}"
        )
    signed = bool(values.min() < 0)
    low, high = color_limits(Kind.UNBOUNDED, sizes)
    limits = (low if signed else 0.0, high)
    return {"signed": signed, "limits": limits, "expression": expression, **packed(values)}


def _complaint(name: str, form: str, values: np.ndarray) -> str:
    return (
        f"`{name}` must have the shape {form}, with a row for each sequence of the traces. "
        f"Received: {name}.shape={values.shape}"
    )


def _check_time(times: tuple[int, ...], name: str, sample: Sample) -> None:
    """The steps are those of the trace, masked ones included."""
    if any(time != sample.time for time in times):
        raise ValueError(
            f"`{name}` must have the {sample.time} steps of the traces, masked ones included. "
            f"Received: {name}.shape[-{len(times)}:]={times}"
        )


def text_direction(tokens: Sequence[str]) -> str:
    """`"rtl"` for a text most of whose words are of a script from right to left, or `"ltr"`."""
    directions = [_direction(token) for token in tokens]
    return "rtl" if directions.count("rtl") > directions.count("ltr") else "ltr"


def _direction(token: str) -> str:
    """The direction of the first letter."""
    for character in token:
        kind = unicodedata.bidirectional(character)
        if kind in ("L", "R", "AL"):
            return "ltr" if kind == "L" else "rtl"
    return ""
