"""Will the monitored figure ever be in the logs? Asked early, answered in words.

What can be known, and when:

* before training: whether any epoch has validation at all;
* after the first batch: the names of everything the model measures while it trains;
* after the first validation: the names of everything it measures there;
* whether `fit()` was given validation data is not told to callbacks, so its lack shows only when
  the first epoch's logs are handed out, before any other callback has seen them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import keras

ValidationFrequency = int | Collection[int]


def check_frequency(frequency: ValidationFrequency) -> None:
    """Refuse what `fit(validation_freq=...)` would not take."""
    if isinstance(frequency, int) and not isinstance(frequency, bool) and frequency > 0:
        return
    if isinstance(frequency, Collection) and not isinstance(frequency, str) and frequency:
        return
    raise ValueError(
        "`validation_freq` must be a positive integer or a list of epochs, counted from 1, "
        f"as in `fit()`. Received: validation_freq={frequency!r}"
    )


def is_due(epoch: int, monitor: str, frequency: ValidationFrequency) -> bool:
    """Whether the monitored figure belongs in the logs of `epoch`, counted from 0."""
    if not monitor.startswith("val_"):
        return True
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    return epoch + 1 in frequency


def check_any_due(epochs: int, monitor: str, frequency: ValidationFrequency) -> None:
    """Refuse a run that ends before its first validation."""
    if epochs and not any(is_due(epoch, monitor, frequency) for epoch in range(epochs)):
        raise ValueError(
            f"monitor={monitor!r} will never be in the logs: with validation_freq={frequency!r} "
            f"none of the {epochs} epochs has validation."
        )


def check_measured(monitor: str, names: Iterable[str]) -> None:
    """Refuse a monitor that the model does not measure; `names` come without `val_`."""
    measured = sorted(names)
    if monitor in measured or monitor.removeprefix("val_") in measured:
        return
    available = measured + [f"val_{name}" for name in measured]
    raise ValueError(
        f"monitor={monitor!r} will never be in the logs. "
        f"This model, as compiled, measures: {', '.join(available)} "
        "(those with `val_` when `fit()` has validation data). "
        "Pass one of these as `monitor`, or add the metric in `model.compile()`."
    )


def check_logged(monitor: str, logs: Iterable[str]) -> None:
    """Refuse logs of a whole epoch that lack the monitor."""
    if monitor in logs:
        return
    raise ValueError(
        f"monitor={monitor!r} is not in the logs of this epoch, which hold: "
        f"{', '.join(sorted(logs))}. Pass `validation_data` or `validation_split` to `fit()`; "
        "if it was given a `validation_freq`, pass the same one to the preset; or monitor "
        "a training figure, such as 'loss'."
    )


def has_own_step(model: keras.Model) -> bool:
    """Whether training and validation may measure different things in this model."""
    kind = type(model)
    return (
        kind.train_step is not keras.Model.train_step or kind.test_step is not keras.Model.test_step
    )
