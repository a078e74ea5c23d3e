"""The log of a training run as JSON lines."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import keras

from keras_rnnkit._files import replacing
from keras_rnnkit.callbacks._rows import Row, plain


class JsonLog(keras.callbacks.Callback):
    """Writes a line for each epoch, a JSON object with the epoch, its seconds and its metrics.

    NaN and infinity, which JSON does not have, are null.

    Args:
        file: The file, which is rewritten as a whole with each line.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self._lines: list[str] = []
        self._began = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._lines = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        seconds = time.monotonic() - self._began
        self._lines.append(_line({"epoch": epoch, "seconds": seconds, "logs": plain(logs or {})}))
        self._write()

    def _write(self) -> None:
        with replacing(self._file) as temporary:
            temporary.write_text("".join(self._lines), encoding="utf-8")

    def restore_rows(self, rows: list[Row]) -> None:
        """Continue the log of these epochs."""
        self._lines = [_line(row) for row in rows]
        if rows and not self._file.exists():
            self._write()


def _line(row: Row) -> str:
    values = {"epoch": row["epoch"], "seconds": round(row["seconds"], 3), **row["logs"]}
    finite = {name: _finite(value) for name, value in values.items()}
    return json.dumps(finite, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
