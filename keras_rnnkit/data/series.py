"""Checks of time series, and what is known of them without a copy: shapes, types and gaps."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

_CHUNK = 2**16  # steps; a series on disk is read in parts


class Series(NamedTuple):
    """Checked series: arrays `(steps, features)`, which are views of what was passed."""

    arrays: list[np.ndarray]
    names: list[str]  # as they are called in errors: `series`, or `series[2]`
    flat: bool  # whether they were passed as `(steps,)`

    @property
    def features(self) -> int:
        """The number of features."""
        return self.arrays[0].shape[1]


def as_series(series: Any) -> Series:
    """Returns one series, or a list of several, as views `(steps, features)`."""
    several = isinstance(series, list | tuple) and not all(
        one is None or np.isscalar(one) for one in series
    )
    if not several:
        array = _as_numbers(series, "series")
        return Series([_with_features(array)], ["series"], array.ndim == 1)
    names = [f"series[{index}]" for index in range(len(series))]
    arrays = [_as_numbers(one, name) for one, name in zip(series, names, strict=True)]
    for array, name in zip(arrays, names, strict=True):
        if array.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(
                f"`{name}` must have the features of `series[0]`, {_shape_of(arrays[0])}. "
                f"Received: {name}.shape={array.shape}"
            )
    return Series([_with_features(array) for array in arrays], names, arrays[0].ndim == 1)


def as_rows(series: Any, name: str) -> np.ndarray:
    """Returns one series as an array `(steps, features)`, with NaN where a value is masked."""
    return _with_features(_as_numbers(series, name))


def chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yields float64 parts of a series `(steps, features)`."""
    for start in range(0, len(array), _CHUNK):
        yield array[start : start + _CHUNK].astype(np.float64)


def has_gaps(array: np.ndarray, name: str) -> bool:
    """Returns whether values are missing (NaN); an infinite value is refused."""
    if array.dtype.kind != "f":
        return False
    found, start = False, 0
    for part in chunks(array):
        infinite = np.isinf(part).any(axis=1)
        if infinite.any():
            step = start + int(infinite.argmax())
            raise ValueError(
                f"`{name}` must have finite values, or NaN where a value is missing. "
                f"Received: {name}[{step}]={array[step].tolist()}"
            )
        found = found or bool(np.isnan(part).any())
        start += len(part)
    return found


def _as_numbers(series: Any, name: str) -> np.ndarray:
    if isinstance(series, np.ma.MaskedArray):
        series = np.ma.filled(series.astype(np.result_type(series.dtype, np.float32)), np.nan)
    try:
        array = np.asarray(series)
    except ValueError:  # rows of different lengths
        array = np.asarray(series, dtype=object)
    if array.dtype.kind not in "iuf":
        raise TypeError(
            f"`{name}` must have integers or floating-point numbers, NaN where a value is missing. "
            f"Received: type={type(series).__name__}, dtype={array.dtype}, shape={array.shape}"
        )
    if array.ndim not in (1, 2) or 0 in array.shape[1:]:
        raise ValueError(
            f"`{name}` must have the shape (steps,) or (steps, features); pass several series as a "
            f"list. Received: {name}.shape={array.shape}"
        )
    return array


def _with_features(array: np.ndarray) -> np.ndarray:
    return array[:, np.newaxis] if array.ndim == 1 else array


def _shape_of(array: np.ndarray) -> str:
    return "(steps,)" if array.ndim == 1 else f"(steps, {array.shape[1]})"
