"""Time series as batches of windows, without TensorFlow and without a copy of the series."""

from numbers import Real
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_rnnkit._checks import check_choice, check_integer, is_integer
from keras_rnnkit.data.scaling import Scaler, fitted
from keras_rnnkit.data.series import Series, as_series, chunks, has_gaps
from keras_rnnkit.data.window_batches import WindowBatches, WindowShape

PARTS = ("training", "validation", "test")
DTYPES = ("float16", "float32", "float64")


class Windows(NamedTuple):
    """What `windows` returns; it unpacks as `train, validation, test, scaler`."""

    train: WindowBatches
    validation: WindowBatches
    test: WindowBatches
    scaler: Scaler


def windows(
    series: Any,
    length: int,
    horizon: int = 1,
    stride: int = 1,
    targets: Any = None,
    split: tuple[float, float, float] = (0.7, 0.15, 0.15),
    scale: bool = True,
    *,
    batch_size: int = 32,
    seed: int | None = 0,
    indicators: bool | None = None,
    dtype: str | None = None,
) -> Windows:
    """Cuts time series into windows: `length` steps as inputs, the next `horizon` as targets.

    Each series is split by time: its first steps are for training, then come those for validation,
    then those for the test. A window belongs to the part that has all of its targets. So the
    inputs of the first windows for validation reach back into the training part, as they do when a
    model is in use, and no step of a later part is in a window of an earlier one. The scaling is
    fitted on the training part alone.

    The series are not copied, only the windows of a batch. They may be memory-mapped.

    Missing values are NaN in `series`. Then the inputs have twice the channels: the scaled
    features, 0 where a value is missing, and after them one indicator for each feature, 1 where
    there is a value and 0 where it is missing. In a step without any value all channels are 0, and
    in no other step. So a `keras.layers.Masking()` in front of the recurrent layers makes them skip
    exactly the steps without any value; without it, they read the indicators. Inputs without
    indicators need no `Masking`, which would skip the steps whose values are 0. Missing targets are
    0 with the sample weight 0. Windows without any target value are left out. Keras weighs the
    last axis of `y` as one, so with `horizon` above 1 and one target, a window in which one of the
    targets is missing has the weight 0 as a whole. Pass `targets=[0]`, with a model whose output is
    `(batch, horizon, 1)`, to train on the others: the weights are then those of each step.

    Args:
        series: One series, an array `(steps,)` or `(steps, features)` of integers or floating-point
            numbers; or a list of several of different lengths, with the same features.
        length: The number of steps that a model reads.
        horizon: The number of steps that it predicts, those right after the inputs.
        stride: The number of steps between the starts of two windows.
        targets: The feature to predict, an integer; or a list of them; `None` for all.
        split: The fractions of each series for training, validation and test. They add up to 1;
            the last two may be 0.
        scale: Whether to subtract the mean of each feature and to divide by its standard deviation,
            those of the training parts of all series together.
        batch_size: The number of windows in a batch. The last batch has what is left.
        seed: The seed of the order of the training windows, which changes with each epoch; `None`
            for the order of time.
        indicators: Whether the inputs have indicators of missing values. `None` for whether any
            value of `series` is missing. `True` if only later series have missing values.
        dtype: The dtype of the batches: `"float16"`, `"float32"` or `"float64"`; `None` for
            `keras.config.floatx()`.

    Returns:
        A `Windows(train, validation, test, scaler)`. The first three are `keras.utils.PyDataset`s
        of batches `(x, y)`, or `(x, y, sample_weight)` if any target is missing:

        - `x` `(batch, length, features)`, or `(batch, length, 2 * features)` with indicators.
        - `y` `(batch, horizon, targets)`; or `(batch, horizon)` if `targets` is an integer, or if
          `series` are `(steps,)` and `targets` is `None`.
        - `sample_weight`, of the shape of `y` without its last axis, as the losses of Keras expect
          it: 1, or 0 where any value on the last axis is missing.

        `scaler.undo(predictions)` returns predictions in the units of the series.

    Raises:
        TypeError: If a series has no numbers.
        ValueError: If an argument is not one of the above, if a series is too short for a part, or
            if a feature has no value in the training part.

    Example:

    >>> import numpy as np
    >>> from keras_rnnkit.data import windows
    >>> series = np.arange(20.0)
    >>> data = windows(series, length=3, horizon=2, scale=False, seed=None)
    >>> x, y = data.train[0]
    >>> x.shape, y.shape
    ((10, 3, 1), (10, 2))
    >>> x[0, :, 0].tolist(), y[0].tolist()
    ([0.0, 1.0, 2.0], [3.0, 4.0])
    >>> data.validation.targets()[0].tolist()
    [14.0, 15.0]
    """
    found = as_series(series)
    length = check_integer(length, "length", least=1)
    horizon = check_integer(horizon, "horizon", least=1)
    stride = check_integer(stride, "stride", least=1)
    batch_size = check_integer(batch_size, "batch_size", least=1)
    seed = check_integer(seed, "seed", optional=True)
    columns = _checked_targets(targets, found.features)
    _check_split(split)
    parts = _parts_of(found, split, length, horizon)
    gaps = [has_gaps(array, name) for array, name in zip(*found[:2], strict=True)]
    scaler = _scaler(found, parts, scale, columns, _checked_indicators(indicators, gaps), dtype)
    positions = [_positions(parts[:, i], length, horizon, stride) for i in range(3)]
    weighted = False
    if any(gaps):
        positions, weighted = _with_targets(found, positions, columns, horizon)
    single = is_integer(targets) or (found.flat and targets is None)
    shape = WindowShape(length, horizon, single, weighted)
    train, validation, test = (
        WindowBatches(found, rows, shape, scaler, batch_size, None if i else seed)
        for i, rows in enumerate(positions)
    )
    return Windows(train, validation, test, scaler)


def _checked_targets(targets: Any, features: int) -> tuple[int, ...]:
    columns: Any = range(features) if targets is None else targets
    columns = (columns,) if is_integer(columns) else columns
    valid = isinstance(columns, range | list | tuple | np.ndarray) and len(columns) > 0
    if not valid or not all(is_integer(one) and 0 <= one < features for one in columns):
        raise ValueError(
            f"`targets` must be a feature from 0 to {features - 1}, a list of features, or None "
            f"for all. Received: targets={targets!r}"
        )
    return tuple(int(one) for one in columns)


def _check_split(split: Any) -> None:
    valid = isinstance(split, list | tuple | np.ndarray) and len(split) == 3
    valid = valid and all(isinstance(one, Real) and 0 <= float(one) <= 1 for one in split)
    if not valid or split[0] == 0 or abs(sum(split) - 1) > 1e-6:
        raise ValueError(
            "`split` must be three fractions that add up to 1, for training (more than 0), "
            f"validation and test. Received: split={split!r}"
        )


def _checked_indicators(indicators: Any, gaps: list[bool]) -> bool:
    if indicators not in (None, True, False) or (indicators is False and any(gaps)):
        raise ValueError(
            "`indicators` must be None, True or False, and not False where values are missing. "
            f"Received: indicators={indicators!r}"
        )
    return any(gaps) if indicators is None else bool(indicators)


def _parts_of(series: Series, split: Any, length: int, horizon: int) -> np.ndarray:
    """Returns start and end of the targets of each part, `(series, parts, 2)`."""
    ends = np.array([split[0], split[0] + split[1] if split[2] else 1.0, 1.0])
    parts = np.empty((len(series.arrays), 3, 2), np.int64)
    for bounds, array, name in zip(parts, *series[:2], strict=True):
        bounds[:, 1] = np.rint(ends * len(array))
        bounds[:, 0] = length, *bounds[:2, 1]
        for part, (start, end), fraction in zip(PARTS, bounds, split, strict=True):
            if fraction and end - start < horizon:
                steps = end - (0 if part == PARTS[0] else start)
                needed = f"length + horizon = {length + horizon}"
                raise ValueError(
                    f"`{name}` is too short: its {part} part has {steps} steps, and a window needs "
                    f"{needed if part == PARTS[0] else f'horizon = {horizon}'}. Pass longer series "
                    f"or another `split`. Received: len({name})={len(array)}"
                )
    return parts


def _scaler(
    series: Series,
    parts: np.ndarray,
    scale: Any,
    columns: tuple[int, ...],
    indicators: bool,
    dtype: str | None,
) -> Scaler:
    if scale not in (True, False):
        raise ValueError(f"`scale` must be True or False. Received: scale={scale!r}")
    chosen = keras.config.floatx() if dtype is None else dtype
    check_choice(chosen, "dtype", DTYPES)
    mean, std = np.zeros(series.features), np.ones(series.features)
    if scale:
        mean, std = fitted(
            [array[:end] for array, end in zip(series.arrays, parts[:, 0, 1], strict=True)]
        )
    return Scaler(mean, std, columns, indicators, chosen)


def _positions(bounds: np.ndarray, length: int, horizon: int, stride: int) -> np.ndarray:
    """Returns the index of the series and the step of the first target of each window."""
    steps = [np.arange(start, end - horizon + 1, stride) for start, end in bounds]
    numbers = np.repeat(np.arange(len(steps)), [len(one) for one in steps])
    return np.stack([numbers, np.concatenate(steps)], axis=1)


def _with_targets(
    series: Series, positions: list[np.ndarray], columns: tuple[int, ...], horizon: int
) -> tuple[list[np.ndarray], bool]:
    """Returns the windows that have a target value, and whether one lacks another value."""
    counts = [_observed_until(array, list(columns)) for array in series.arrays]
    starts = np.cumsum([0, *map(len, counts)])
    total = np.concatenate(counts)
    kept, weighted = [], False
    for part, rows in zip(PARTS, positions, strict=True):
        steps = starts[rows[:, 0]] + rows[:, 1]
        values = total[steps + horizon] - total[steps]
        if len(rows) and not values.any():
            raise ValueError(
                f"`series` must have a target value in the {part} part. Pass longer series or "
                f"another `split`. Received: targets={list(columns)} with NaN only"
            )
        weighted = weighted or bool((values[values > 0] < horizon * len(columns)).any())
        kept.append(rows[values > 0])
    return kept, weighted


def _observed_until(array: np.ndarray, columns: list[int]) -> np.ndarray:
    """Returns the number of values in front of each step, `(steps + 1,)`."""
    observed = [(~np.isnan(part[:, columns])).sum(axis=1) for part in chunks(array)]
    return np.cumsum(np.concatenate([[0], *observed]))
