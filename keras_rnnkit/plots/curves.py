"""The losses of a run by epoch, read from any of the accepted forms of a history."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from keras_rnnkit._checks import as_path
from keras_rnnkit._files import read_bounded

Points = tuple[list[float], list[float]]

_FORMS = (
    "a keras.callbacks.History, a dictionary of lists with 'loss' or 'val_loss', the path of a "
    "log.csv, or a mapping from names to these"
)
_MOST = 2**28  # bytes of a log


@dataclass(frozen=True)
class LossCurves:
    """The finite points `(epochs, losses)` of one run; `validation` is empty without one."""

    training: Points
    validation: Points

    @property
    def best(self) -> tuple[float, float] | None:
        """Epoch and loss of the lowest validation loss (training loss, where there is none)."""
        epochs, losses = self.validation if self.validation[0] else self.training
        if not losses:
            return None
        return min(zip(epochs, losses, strict=True), key=lambda point: point[1])


def read_named(histories: Any, argument: str) -> dict[str, LossCurves]:
    """Read one or several histories; the name of a single one is the empty string."""
    of_one = isinstance(histories, keras.callbacks.History | str | os.PathLike)
    if of_one or _is_dictionary_of_lists(histories):
        return {"": read_one(histories, argument)}
    if not isinstance(histories, Mapping) or not histories:
        raise ValueError(f"`{argument}` must be {_FORMS}. Received: {argument}={histories!r}")
    return {str(name): read_one(one, f"{argument}[{name!r}]") for name, one in histories.items()}


def read_one(history: Any, argument: str) -> LossCurves:
    """Read the losses of one run."""
    if isinstance(history, keras.callbacks.History):
        columns = {"epoch": [epoch + 1 for epoch in history.epoch], **history.history}
    elif isinstance(history, str | os.PathLike):
        columns = _columns_of_log(history, argument)
    elif _is_dictionary_of_lists(history):
        columns = dict(history)
    else:
        raise ValueError(f"`{argument}` must be {_FORMS}. Received: {argument}={history!r}")
    length = max(len(columns.get(key, ())) for key in ("loss", "val_loss"))
    if not length:
        raise ValueError(
            f"`{argument}` has no losses to draw: expected a list under 'loss' or 'val_loss' "
            f"with one value an epoch. Received: sorted({argument})={sorted(columns)}"
        )
    epochs = columns.get("epoch", range(1, length + 1))
    return LossCurves(
        training=_points(epochs, columns.get("loss"), f"{argument}['loss']"),
        validation=_points(epochs, columns.get("val_loss"), f"{argument}['val_loss']"),
    )


def _columns_of_log(path: str | os.PathLike[str], argument: str) -> dict[str, list[Any]]:
    """The epochs and losses of a log of `callbacks.standard` or `keras.callbacks.CSVLogger`."""
    file = as_path(path, argument)
    try:
        text = read_bounded(file, _MOST).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        losses = {
            name: [_loss(row[name]) for row in rows]
            for name in ("loss", "val_loss")
            if rows and name in rows[0]
        }
        epochs = [int(row["epoch"]) + 1 for row in rows]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise _no_log(argument, file, str(error)) from error
    if not epochs:
        raise _no_log(argument, file, "it has no rows")
    return {"epoch": epochs, **losses}


def _no_log(argument: str, file: Path, reason: str) -> ValueError:
    return ValueError(
        f"`{argument}` must be {_FORMS}. The file is no log with a column 'epoch' and numbers "
        f"in 'loss' and 'val_loss': {reason}. Received: {argument}='{file}'"
    )


def _loss(cell: str) -> float | None:
    """The loss in a cell; None where it was not measured."""
    return None if cell in ("", "NA") else float(cell)


def _is_dictionary_of_lists(history: Any) -> bool:
    """Whether this is the history of one run as a dictionary, and not a dictionary of runs."""
    return (
        isinstance(history, Mapping)
        and len(history) > 0
        and not any(
            isinstance(value, Mapping | keras.callbacks.History) for value in history.values()
        )
        and all(
            hasattr(value, "__len__") and not isinstance(value, str) for value in history.values()
        )
    )


def _points(epochs: Sequence[float], losses: Sequence[float] | None, argument: str) -> Points:
    """Pair epochs with losses, without those that cannot be drawn (None, NaN, infinity)."""
    if losses is None or not len(losses):
        return [], []
    if len(losses) != len(epochs):
        raise ValueError(
            f"`{argument}` must have one value for each of the {len(epochs)} epochs "
            f"(None or NaN where nothing was measured). Received: len({argument})={len(losses)}"
        )
    pairs = [
        (float(epoch), float(loss))
        for epoch, loss in zip(epochs, losses, strict=True)
        if loss is not None and math.isfinite(loss)
    ]
    return [epoch for epoch, _ in pairs], [loss for _, loss in pairs]
