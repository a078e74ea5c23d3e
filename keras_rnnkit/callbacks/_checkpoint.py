"""The checkpoint of a run: one file with all that determines how the run goes on.

It is an archive of arrays and a JSON text, with a digest of both, written by `replacing`: at every
moment the file is that of one epoch or that of the next one, and complete.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_rnnkit.callbacks._model_state import Arrays, as_plain, difference
from keras_rnnkit.callbacks._rows import Row, plain
from keras_rnnkit.models._npz import TORN, read_archive, write_archive

_VERSION = 1
_ENTRY = "run"
# What Keras' callbacks remember of the epochs before, by their public attributes.
_REMEMBERED = ("best", "best_epoch", "wait", "stopped_epoch", "cooldown_counter")

Remembering = (
    keras.callbacks.EarlyStopping,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.ModelCheckpoint,
)


class Snapshot(NamedTuple):
    """The state of a run between two epochs."""

    seed: int
    rows: list[Row]  # the logs of all epochs so far
    model: dict[str, Any]  # the description of the model
    callbacks: dict[str, dict[str, Any]]  # what callbacks remember, by the name of their class
    arrays: Arrays  # the variables, and the best weights


def write(file: Path, checkpoint: Snapshot) -> None:
    """Replace the file."""
    layout = {"version": _VERSION, **checkpoint._asdict()}
    arrays = layout.pop("arrays")
    write_archive(file, _ENTRY, layout, arrays)


def read(file: Path) -> Snapshot | None:
    """The checkpoint in the file, or None if there is no file.

    Raises:
        ValueError: The file is no checkpoint, or was changed.
    """
    if not file.exists():
        return None
    try:
        layout, arrays = read_archive(file, _ENTRY, _VERSION)
        del layout["version"]
        return Snapshot(**layout, arrays=arrays)
    except TORN as error:
        raise ValueError(
            "`folder` has a checkpoint that is not one of this version of the package, or that "
            f"was changed: {error}. Pass another folder, or overwrite=True to start anew. "
            f"Received: checkpoint='{file}'"
        ) from error


def check_same_run(
    file: Path, checkpoint: Snapshot, description: dict[str, Any], seed: int | None
) -> None:
    """Refuse the checkpoint of another model, optimizer or backend, or of another seed."""
    found = difference(checkpoint.model, description)
    if found is not None:
        raise ValueError(
            f"`folder` has the checkpoint of another model: {found}. The file is unchanged. Build "
            "the model of that run, or pass another folder, or overwrite=True to start anew. "
            f"Received: checkpoint='{file}'"
        )
    if seed is not None and seed != checkpoint.seed:
        raise ValueError(
            f"`seed` must be {checkpoint.seed}, with which the run in `folder` began. Leave it "
            "out, or pass another folder, or overwrite=True to start anew. "
            f"Received: seed={seed}"
        )


def remember(callbacks: list[keras.callbacks.Callback]) -> dict[str, dict[str, Any]]:
    """What early stopping, learning-rate schedules and model checkpoints remember."""
    return {type(one).__name__: _memory(one) for one in callbacks if isinstance(one, Remembering)}


def remind(callbacks: list[keras.callbacks.Callback], checkpoint: Snapshot) -> None:
    """Give callbacks of the same kinds their memory back.

    Raises:
        ValueError: A callback now monitors another metric.
    """
    for callback in callbacks:
        memory = dict(checkpoint.callbacks.get(type(callback).__name__, {}))
        if not memory:
            continue
        monitor = memory.pop("monitor")
        if monitor != callback.monitor:
            raise ValueError(
                f"`monitor` must be {monitor!r}, with which the run in `folder` began, because its "
                f"best value is one of this metric. Received: monitor={callback.monitor!r}"
            )
        for name, value in memory.items():
            setattr(callback, name, value)


def _memory(callback: Any) -> dict[str, Any]:
    found = {name: getattr(callback, name) for name in _REMEMBERED if hasattr(callback, name)}
    return {"monitor": callback.monitor, **plain(found)}


def best_weights(stopping: Any, current: list[np.ndarray]) -> Arrays:
    """The best weights, if they are not the current ones, which the checkpoint has anyway."""
    best = stopping.best_weights
    if best is None or all(map(np.array_equal, best, current)):
        return {}
    return {f"best/{number}": as_plain(array) for number, array in enumerate(best)}


def restored_best_weights(current: list[np.ndarray], checkpoint: Snapshot) -> list[np.ndarray]:
    """The best weights of the run; `current` are those of the checkpoint."""
    stored = [checkpoint.arrays.get(f"best/{number}") for number in range(len(current))]
    return [
        now if then is None else then.view(now.dtype)
        for now, then in zip(current, stored, strict=True)
    ]
