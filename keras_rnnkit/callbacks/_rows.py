"""The logs of an epoch as values that JSON has, so that a checkpoint can keep them."""

from __future__ import annotations

from typing import Any, TypedDict

import keras
import numpy as np


class Row(TypedDict):
    """An epoch that is complete."""

    epoch: int
    seconds: float
    logs: dict[str, Any]


def plain(logs: dict[str, Any]) -> dict[str, Any]:
    """The same logs with numbers, lists and texts of Python; a float stays the same number."""
    return {name: _plain(name, value) for name, value in logs.items()}


def fill_history(model: keras.Model, rows: list[Row]) -> None:
    """Put these epochs into what `fit` returns."""
    history = getattr(model, "history", None)
    if not isinstance(history, keras.callbacks.History):
        return
    history.epoch = [row["epoch"] for row in rows]
    history.history.clear()
    for row in rows:
        for name, value in row["logs"].items():
            history.history.setdefault(name, []).append(value)


def _plain(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "biufU":
        raise TypeError(
            "`logs` must have numbers, strings, or arrays of them, which a file can store. A "
            f"callback has put another value there. Received: logs[{name!r}]={value!r}"
        )
    return array.tolist()
