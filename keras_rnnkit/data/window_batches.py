"""Batches of the windows of time series, as a data set for `fit`, `evaluate` and `predict`."""

from typing import NamedTuple

import keras
import numpy as np

from keras_rnnkit._checks import check_integer
from keras_rnnkit.data.flat import position
from keras_rnnkit.data.scaling import Scaler
from keras_rnnkit.data.series import Series


class WindowShape(NamedTuple):
    """What each window has."""

    length: int  # steps of inputs
    horizon: int  # steps of targets
    single: bool  # whether targets are `(batch, horizon)`
    weighted: bool  # whether targets are missing, so that batches have sample weights


class WindowBatches(keras.utils.PyDataset):
    """Batches of windows, one of the three parts of `Windows`; `windows` makes it.

    `batches[i]` is `(x, y)`, or `(x, y, sample_weight)` where targets are missing, as `windows`
    describes them. The training part is shuffled anew in each epoch. The order is determined by the
    seed and the number of the epoch, if `fit` has `shuffle=False`: else Keras changes the order of
    the batches too.

    Attributes:
        positions: int64 `(windows, 2)`: for each window the index of its series and the step of
            its first target, sorted. The validation and test parts keep this order.
        epoch: The number of the epoch; the first is 0.
    """

    def __init__(
        self,
        series: Series,
        positions: np.ndarray,
        shape: WindowShape,
        scaler: Scaler,
        batch_size: int,
        seed: int | None,
    ) -> None:
        super().__init__()
        self.positions = positions
        self._series, self._shape, self._scaler = series, shape, scaler
        self._batch_size, self._seed = batch_size, seed
        self._dtype = np.result_type(*(array.dtype for array in series.arrays))
        self.set_epoch(0)

    def __len__(self) -> int:
        return -(-len(self.positions) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        index = position(index, len(self))
        self._used.add(index)
        start = index * self._batch_size
        rows = self._rows(self._order[start : start + self._batch_size])
        x = self._scaler.scaled_inputs(rows[:, : self._shape.length])
        y = self._scaler.scaled_targets(rows[:, self._shape.length :])
        y = y[..., 0] if self._shape.single else y
        if not self._shape.weighted:
            return x, y
        missing = np.isnan(y)
        return x, np.where(missing, 0, y), (~missing.any(axis=-1)).astype(x.dtype)

    def set_epoch(self, epoch: int) -> None:
        """Sets the number of the epoch, and with it the order of the windows."""
        self.epoch: int = check_integer(epoch, "epoch")
        self._order = self._order_of(self.epoch)
        self._used: set[int] = set()

    def on_epoch_end(self) -> None:
        """Moves on to the next epoch if all batches were used: Keras calls this more often."""
        if len(self._used) == len(self):
            self.set_epoch(self.epoch + 1)

    def targets(self) -> np.ndarray:
        """Returns the targets of all windows in the units of the series, NaN where missing.

        Returns:
            A float64 array `(windows, horizon)` or `(windows, horizon, targets)`, in the order of
            `positions`.
        """
        rows = self._rows(np.arange(len(self.positions)), inputs=False)
        values = rows[..., list(self._scaler.targets)].astype(np.float64)
        return values[..., 0] if self._shape.single else values

    def _rows(self, which: np.ndarray, inputs: bool = True) -> np.ndarray:
        """Returns copies of windows, `(batch, length + horizon, features)`; `inputs` come first."""
        before, after = self._shape.length if inputs else 0, self._shape.horizon
        rows = np.empty((len(which), before + after, self._series.features), self._dtype)
        for row, (number, step) in zip(rows, self.positions[which].tolist(), strict=True):
            row[:] = self._series.arrays[number][step - before : step + after]
        return rows

    def _order_of(self, epoch: int) -> np.ndarray:
        count = len(self.positions)
        if self._seed is None:
            return np.arange(count)
        return np.random.default_rng([self._seed, epoch]).permutation(count)
