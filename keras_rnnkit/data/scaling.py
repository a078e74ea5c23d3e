"""Scaling of time series: fitted on the training part, applied to each batch, undone at the end."""

from typing import Any, NamedTuple

import keras
import numpy as np

from keras_rnnkit.data.series import as_rows, chunks, has_gaps


class Scaler(NamedTuple):
    """The scaling of `windows`: the values of each feature minus a mean, by a standard deviation.

    `mean` and `std` are float64 `(features,)`, those of the training part, over all series; a
    feature that is constant there has the standard deviation 1. With `scale=False` they are 0
    and 1. `targets` are the features that are predicted, `indicators` is whether inputs tell which
    values are missing, and `dtype` is that of the inputs.

    Example:

    >>> scaler = Scaler(np.array([10.0]), np.array([2.0]), (0,), False, "float32")
    >>> scaler.inputs([10, 14]).tolist()
    [[[0.0], [2.0]]]
    >>> scaler.undo([[0.0, 2.0]]).tolist()
    [[10.0, 14.0]]
    """

    mean: np.ndarray
    std: np.ndarray
    targets: tuple[int, ...]
    indicators: bool
    dtype: str

    def inputs(self, recent: Any) -> np.ndarray:
        """Returns one window of a series as a batch for `model.predict`.

        Args:
            recent: The most recent steps of a series in its own units, as many as the model
                reads, `(steps,)` or `(steps, features)`, with NaN for missing values.

        Returns:
            Scaled inputs `(1, steps, channels)`, as the batches of `windows` have them.

        Raises:
            TypeError: If `recent` has no numbers.
            ValueError: If the shape is not one of those above, a value is infinite, or values are
                missing and the model was trained without any.

        Example:

        >>> scaler = Scaler(np.array([10.0]), np.array([2.0]), (0,), True, "float32")
        >>> scaler.inputs([14, np.nan]).tolist()  # the value, and 1 where there is one
        [[[2.0, 1.0], [0.0, 0.0]]]
        """
        rows = as_rows(recent, "recent")
        if rows.shape[1] != len(self.mean):
            raise ValueError(
                f"`recent` must have the shape (steps, {len(self.mean)}), the features of the "
                f"series. Received: recent.shape={np.shape(recent)}"
            )
        if has_gaps(rows, "recent") and not self.indicators:
            raise ValueError(
                "`recent` must have no missing values, as the series of the model have none; pass "
                "`indicators=True` to `windows`. Received: recent with "
                f"NaN={int(np.isnan(rows).sum())}"
            )
        return self.scaled_inputs(rows[np.newaxis])

    def undo(self, y: Any) -> np.ndarray:
        """Returns predictions or targets in the units of the series.

        Args:
            y: Predictions or targets. With a single target, of any shape, for example `(batch,
                horizon)` or, with quantiles, `(batch, horizon, quantiles)`. With several targets,
                `(..., targets)`.

        Returns:
            A float64 array of the same shape.

        Raises:
            ValueError: If the last axis is not that of several targets.

        Example:

        >>> scaler = Scaler(np.array([0.0, 5.0]), np.array([1.0, 2.0]), (0, 1), False, "float32")
        >>> scaler.undo([[1.0, 1.0]]).tolist()
        [[1.0, 7.0]]
        """
        values = np.asarray(keras.ops.convert_to_numpy(y), np.float64)
        count = len(self.targets)
        if count > 1 and values.shape[-1:] != (count,):
            raise ValueError(
                f"`y` must have the {count} targets as its last axis. "
                f"Received: y.shape={values.shape}"
            )
        select = self.targets[0] if count == 1 else list(self.targets)
        return values * self.std[select] + self.mean[select]

    def scaled_inputs(self, rows: np.ndarray) -> np.ndarray:
        """Returns `(batch, steps, channels)` of `(batch, steps, features)`, without NaN."""
        scaled = (rows - self.mean) / self.std
        if not self.indicators:
            return scaled.astype(self.dtype)
        missing = np.isnan(scaled)
        scaled[missing] = 0.0
        return np.concatenate([scaled, ~missing], axis=-1, dtype=self.dtype)

    def scaled_targets(self, rows: np.ndarray) -> np.ndarray:
        """Returns `(batch, steps, targets)` of `(batch, steps, features)`, NaN where missing."""
        select = list(self.targets)
        scaled = (rows[..., select] - self.mean[select]) / self.std[select]
        return scaled.astype(self.dtype)


@np.errstate(over="ignore", invalid="ignore")  # the result is checked
def fitted(training: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of each feature over all parts, in two passes."""
    features = training[0].shape[1]
    count, total = np.zeros(features), np.zeros(features)
    lowest, highest = np.full(features, np.inf), np.full(features, -np.inf)
    for part in _parts(training):
        count += (~np.isnan(part)).sum(axis=0)
        total += np.nansum(part, axis=0)
        lowest = np.fmin(lowest, np.fmin.reduce(part, axis=0))
        highest = np.fmax(highest, np.fmax.reduce(part, axis=0))
    _check_observed(count)
    constant = lowest == highest
    mean = np.where(constant, lowest, total / count)
    squares = sum(np.nansum((part - mean) ** 2, axis=0) for part in _parts(training))
    std = np.where(constant, 1.0, np.sqrt(squares / count))
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
        raise ValueError(
            "`series` must have values whose mean and standard deviation float64 can represent. "
            f"Rescale them. Received: minimum={lowest.tolist()}, maximum={highest.tolist()}"
        )
    return mean, std


def _parts(training: list[np.ndarray]) -> Any:
    return (part for array in training for part in chunks(array))


def _check_observed(count: np.ndarray) -> None:
    if not count.all():
        raise ValueError(
            "`series` must have a value of every feature in the training part. Leave the feature "
            "out, or make the training part longer. "
            f"Received: series[..., {int(count.argmin())}]=NaN in all steps for training"
        )
