"""The log of a training run as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_rnnkit._files import replacing

MISSING = "NA"


class EpochLog(keras.callbacks.CSVLogger):
    """`keras.callbacks.CSVLogger` that loses no row and no column.

    The file is made with the first row, so that a run refused in its first epoch leaves none
    behind, and written anew with every row: a row that is cut off takes no other one with it, and
    what is measured for the first time in a later epoch has its column. Epochs before have
    `NA` there.

    Args:
        file: The CSV file.
    """

    def __init__(self, file: Path) -> None:
        super().__init__(str(file))
        self._file = file
        self._rows: list[dict[str, Any]] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._rows = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        figures = {name: _cell(value) for name, value in (logs or {}).items()}
        self._rows.append({**figures, "epoch": epoch})
        measured = {name for row in self._rows for name in row} - {"epoch"}
        with (
            replacing(self._file) as aside,
            open(aside, "w", newline="", encoding="utf-8") as stream,
        ):
            writer = csv.DictWriter(stream, ["epoch", *sorted(measured)], restval=MISSING)
            writer.writeheader()
            writer.writerows(self._rows)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leave nothing to close: the file is whole after every epoch."""


def _cell(value: Any) -> Any:
    """A value as Keras writes it: several as a list in quotes."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return value
    return f'"[{", ".join(map(str, value))}]"'
