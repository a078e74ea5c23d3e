"""Keras' callbacks with what the presets add: early errors, and epochs without validation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_rnnkit._checks import refuse_existing
from keras_rnnkit._files import replacing
from keras_rnnkit.callbacks import monitoring
from keras_rnnkit.callbacks._messages import say
from keras_rnnkit.callbacks._rows import Row

Logs = dict[str, Any] | None


class Checkpoint(keras.callbacks.ModelCheckpoint):
    """`keras.callbacks.ModelCheckpoint` of one file, which is complete at every moment.

    Args:
        file: Where to save the model.
    """

    def __init__(self, file: Path, **options: Any) -> None:
        super().__init__(literal(file), **options)
        self._file = file

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        with replacing(self._file) as temporary:
            self.filepath = literal(temporary)
            try:
                super().on_epoch_end(epoch, logs)
            finally:
                self.filepath = literal(self._file)

    def restore_file(self, best_weights: list[np.ndarray]) -> None:
        """Write the file of a run that goes on again if it was deleted."""
        if not self._file.exists():
            with replacing(self._file) as temporary:
                self.model.save(temporary)


class BestCheckpoint(Checkpoint):
    """Saves the best model in one `.keras` file, and checks the run; it is the first of its list.

    In addition to `keras.callbacks.ModelCheckpoint`, it refuses to overwrite files that exist,
    raises a `ValueError` when the monitored metric will never be in the logs, and skips an epoch
    whose metric was not measured, or whose metric or loss is NaN: it cannot be the best one.

    Args:
        file: Where to save the best model.
        results: The files of the run that `overwrite` protects, `file` among them.
        argument: The name of the user's argument with the path, for error messages.
        validation_freq: As in `fit()`.
        overwrite: Whether existing `results` may be replaced.
        monitor: The metric that decides what is best.
        mode: `"auto"`, `"min"` or `"max"`.
    """

    def __init__(
        self,
        file: Path,
        results: list[Path],
        argument: str,
        validation_freq: monitoring.ValidationFrequency,
        overwrite: bool,
        **options: str,
    ) -> None:
        super().__init__(file, save_best_only=True, **options)
        self._results = results
        self._argument = argument
        self._overwrite = overwrite
        self._checks = monitoring.MonitorChecks(self.monitor, validation_freq)

    def on_train_begin(self, logs: Logs = None) -> None:
        refuse_existing(self._results, self._argument, self._overwrite)
        self._checks.begin(self.params.get("epochs", 0))
        self.best = None
        super().on_train_begin(logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self._checks.awaits_names:
            self._checks.after_batch(self.model, logs)
        super().on_train_batch_end(batch, logs)

    def on_test_end(self, logs: Logs = None) -> None:
        self._checks.after_validation(logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = logs or {}
        self._checks.after_epoch(epoch, logs)
        if self.monitor in logs and _can_be_best(self.monitor, logs):
            super().on_epoch_end(epoch, logs)

    def on_train_end(self, logs: Logs = None) -> None:
        self._checks.end()
        super().on_train_end(logs)

    def restore_file(self, best_weights: list[np.ndarray]) -> None:
        """Write the best model again; its optimizer is that of the last epoch."""
        if self.best is None:  # no epoch was validated so far
            return
        latest = self.model.get_weights()
        self.model.set_weights(best_weights)
        try:
            super().restore_file(best_weights)
        finally:
            self.model.set_weights(latest)


class SkippingEarlyStopping(keras.callbacks.EarlyStopping):
    """`keras.callbacks.EarlyStopping` that skips epochs without validation.

    An epoch with NaN is never the best one, but counts as one without improvement. In Keras, a NaN
    that comes first is the best value, and so is an accuracy that weights of NaN have reached.
    """

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = logs or {}
        if self.monitor not in logs:
            return
        if _can_be_best(self.monitor, logs):
            super().on_epoch_end(epoch, logs)
            return
        self.wait += 1
        if self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True


class SkippingReduceLROnPlateau(keras.callbacks.ReduceLROnPlateau):
    """`keras.callbacks.ReduceLROnPlateau` that skips epochs without validation.

    The logs of these epochs have the learning rate, too.
    """

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = {} if logs is None else logs
        if self.monitor in logs:
            super().on_epoch_end(epoch, logs)
        else:
            logs.update(_learning_rates(self.model.optimizer))


class StopOnNaN(keras.callbacks.TerminateOnNaN):
    """`keras.callbacks.TerminateOnNaN` that names the epoch, and knows that it has stopped a run.

    The loss of a batch is the mean over the epoch so far, so it stays NaN to the end of the epoch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found = False
        self._epoch = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        self.found = False

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            self.found = True
            self.model.stop_training = True
            say(
                f"The loss is {loss} in epoch {self._epoch + 1}, batch {batch + 1}: training "
                "stops. The files of the epochs before are kept. A lower learning rate, or an "
                "optimizer with clipnorm=1.0, often helps."
            )


class LastCheckpoint(Checkpoint):
    """Saves the model of the last epoch whose loss is a number.

    Args:
        file: Where to save the model.
        stop: The callback that notes a loss that is none.
    """

    def __init__(self, file: Path, stop: StopOnNaN) -> None:
        super().__init__(file)
        self._stop = stop

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if not self._stop.found:
            super().on_epoch_end(epoch, logs)


class CurvesPicture(keras.callbacks.Callback):
    """Draws training and validation loss as a picture when training ends.

    Args:
        target: The PNG file.
    """

    def __init__(self, target: Path) -> None:
        super().__init__()
        self._target = target
        self._losses: dict[str, list[Any]] = {}

    def on_train_begin(self, logs: Logs = None) -> None:
        self._losses = {"epoch": [], "loss": [], "val_loss": []}

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        metrics = {"epoch": epoch + 1, **(logs or {})}
        for key, values in self._losses.items():
            values.append(metrics.get(key))

    def restore_rows(self, rows: list[Row]) -> None:
        """Draw these epochs, too."""
        for row in rows:
            self.on_epoch_end(row["epoch"], row["logs"])

    def on_train_end(self, logs: Logs = None) -> None:
        self.draw()

    def draw(self) -> None:
        """Draw the epochs so far, if there are any."""
        if not self._losses["epoch"]:
            return
        from keras_rnnkit import plots

        plots.history(self._losses, path=self._target, overwrite=True)


def _learning_rates(optimizer: Any) -> dict[str, float]:
    """The learning rate, or those of several optimizers, by the names that Keras logs."""
    named = {f"learning_rate_{one.name}": one for one in getattr(optimizer, "optimizers", [])} or {
        "learning_rate": optimizer
    }
    return {
        name: float(keras.ops.convert_to_numpy(one.learning_rate)) for name, one in named.items()
    }


def _can_be_best(monitor: str, logs: dict[str, Any]) -> bool:
    """Whether neither the metric nor a loss is NaN: outputs of NaN can have a high accuracy."""
    values = [logs.get(name) for name in (monitor, "loss", "val_loss")]
    return not any(isinstance(value, float) and math.isnan(value) for value in values)


def literal(file: Path) -> str:
    """The path for a Keras checkpoint, which reads single braces as placeholders."""
    return str(file).replace("{", "{{").replace("}", "}}")
