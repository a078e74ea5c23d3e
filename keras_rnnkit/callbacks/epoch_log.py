"""The log of a training run as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_rnnkit._files import replacing
from keras_rnnkit.callbacks._rows import Row

MISSING = "NA"


class EpochLog(keras.callbacks.CSVLogger):
    """`keras.callbacks.CSVLogger` that keeps the metrics of every epoch.

    The file is created with the first row, so that a run that fails in its first epoch leaves no
    file, and it is rewritten with every row: a row that cannot be written damages no other one,
    and a metric that is measured for the first time in a later epoch has a column, with `NA` in
    the rows before.

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
        self._rows.append(_cells(logs or {}, epoch))
        self._write()

    def _write(self) -> None:
        names = {name for row in self._rows for name in row} - {"epoch"}
        with (
            replacing(self._file) as temporary,
            open(temporary, "w", newline="", encoding="utf-8") as stream,
        ):
            writer = csv.DictWriter(stream, ["epoch", *sorted(names)], restval=MISSING)
            writer.writeheader()
            writer.writerows(self._rows)

    def restore_rows(self, rows: list[Row]) -> None:
        """Continue the log of these epochs."""
        self._rows = [_cells(row["logs"], row["epoch"]) for row in rows]
        if rows and not self._file.exists():
            self._write()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Do nothing: the file is complete and closed after every epoch."""


def _cells(logs: dict[str, Any], epoch: int) -> dict[str, Any]:
    return {**{name: _cell(value) for name, value in logs.items()}, "epoch": epoch}


def _cell(value: Any) -> Any:
    """A value in Keras' format: several values as a list in quotes."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return value
    return f'"[{", ".join(map(str, value))}]"'
