"""Checks whether the monitored metric will ever be in the logs, as early as possible.

What is known, and when:

* before training: whether any epoch has validation;
* after the first batch: the names of all training metrics;
* after the first validation: the names of all validation metrics;
* at the end of the first epoch: whether `fit()` was given validation data, which Keras does not
  tell callbacks. This check runs before any other callback receives the logs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import keras

ValidationFrequency = int | Collection[int]


def check_frequency(frequency: ValidationFrequency) -> None:
    """Refuse a value that `fit(validation_freq=...)` does not accept."""
    if isinstance(frequency, int) and not isinstance(frequency, bool) and frequency > 0:
        return
    if isinstance(frequency, Collection) and not isinstance(frequency, str) and frequency:
        return
    raise ValueError(
        "`validation_freq` must be a positive integer or a list of epochs, counted from 1, "
        f"as in `fit()`. Received: validation_freq={frequency!r}"
    )


def is_due(epoch: int, monitor: str, frequency: ValidationFrequency) -> bool:
    """Whether the monitored metric must be in the logs of `epoch`, counted from 0."""
    if not monitor.startswith("val_"):
        return True
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    return epoch + 1 in frequency


def check_any_due(epochs: int, monitor: str, frequency: ValidationFrequency) -> None:
    """Refuse a run that ends before its first validation."""
    if epochs and not any(is_due(epoch, monitor, frequency) for epoch in range(epochs)):
        raise ValueError(
            f"`monitor` must be a metric in the logs, and {monitor!r} will never be there: none "
            f"of the {epochs} epochs has validation. Received: validation_freq={frequency!r}"
        )


def check_measured(monitor: str, names: Iterable[str]) -> None:
    """Refuse a metric that the model does not measure; `names` are without `val_`."""
    measured = sorted(names)
    if monitor in measured or monitor.removeprefix("val_") in measured:
        return
    available = measured + [f"val_{name}" for name in measured]
    raise ValueError(
        f"`monitor` must be a metric in the logs, and {monitor!r} will never be there. "
        f"This model, as compiled, measures: {', '.join(available)} "
        "(those with `val_` when `fit()` has validation data). "
        "Pass one of these, or add the metric in `model.compile()`. "
        f"Received: monitor={monitor!r}"
    )


def check_logged(monitor: str, logs: Iterable[str]) -> None:
    """Refuse the logs of an epoch that lack the monitored metric."""
    if monitor in logs:
        return
    raise ValueError(
        f"`monitor` must be a metric in the logs, and {monitor!r} is not in those of this epoch: "
        f"{', '.join(sorted(logs))}. Pass `validation_data` or `validation_split` to `fit()`; "
        "if `fit()` was given a `validation_freq`, pass the same one to the preset; or monitor "
        f"a training metric, such as 'loss'. Received: monitor={monitor!r}"
    )


def has_own_step(model: keras.Model) -> bool:
    """Whether training and validation of this model may have different metrics."""
    kind = type(model)
    return (
        kind.train_step is not keras.Model.train_step or kind.test_step is not keras.Model.test_step
    )


class MonitorChecks:
    """All checks of one run, for the callback that is the first of its list.

    Args:
        monitor: The monitored metric.
        validation_freq: As in `fit()`.
    """

    def __init__(self, monitor: str, validation_freq: ValidationFrequency) -> None:
        self.monitor = monitor
        self._validation_freq = validation_freq
        self.awaits_names = False  # whether `after_batch` has something to do
        self._training = False

    def begin(self, epochs: int) -> None:
        """Training begins."""
        check_any_due(epochs, self.monitor, self._validation_freq)
        self._training = self.awaits_names = True

    def after_batch(self, model: keras.Model, logs: dict[str, Any] | None) -> None:
        """The first batch of training is complete. On JAX, to take the model costs time."""
        self.awaits_names = False
        validated = self.monitor.startswith("val_")
        if logs and not (validated and has_own_step(model)):
            check_measured(self.monitor, logs)

    def after_validation(self, logs: dict[str, Any] | None) -> None:
        """A validation is complete."""
        if self._training and logs and self.monitor.startswith("val_"):
            check_measured(self.monitor, logs)

    def after_epoch(self, epoch: int, logs: dict[str, Any]) -> None:
        """An epoch is complete, counted from 0."""
        if is_due(epoch, self.monitor, self._validation_freq):
            check_logged(self.monitor, logs)

    def end(self) -> None:
        """Training has ended; a model may be evaluated without training."""
        self._training = False
