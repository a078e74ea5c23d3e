"""One line that says how far training is, in a terminal, a notebook and a log file alike."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

import keras
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table

from keras_rnnkit.callbacks._screens import LogFile, Screen, screen_of
from keras_rnnkit.callbacks.parts import Logs

_BAR = 20  # columns of the bar


def progress() -> list[keras.callbacks.Callback]:
    """One calm line for the whole of training, in place of Keras' bar for each epoch.

    The line has the epoch, a bar, the time that is left, and the metrics: those of the epoch so
    far, and those of the last validation. In a terminal and in a notebook it is drawn again, at
    most four times a second. In a log file there is a line when an epoch ends, but at most one in
    ten seconds and a hundred in all, and one for the last epoch. `rich` draws it.

    The time left assumes that all `epochs` are trained at the speed of this `fit()` so far;
    training that stops early takes less. Validation counts as a part of the epochs.

    Keras does not add its own bar, whatever `verbose` is.

    Returns:
        A list of one Keras callback.

    Example:

    >>> import keras, numpy as np
    >>> from keras_rnnkit import callbacks
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> history = model.fit(np.zeros((8, 4)), np.zeros((8, 1)), epochs=2,
    ...                     callbacks=callbacks.progress())
    epoch 1/2 ━━━━━━━━━━           0:... left loss 0.0000
    epoch 2/2 ━━━━━━━━━━━━━━━━━━━━ 0:... in all loss 0.0000
    """
    return [ProgressLine()]


class ProgressLine(keras.callbacks.ProgbarLogger):
    """Draws the line; Keras adds no bar to a list that has a `ProgbarLogger`.

    Args:
        console: Where to draw; by default the standard output at the time of `fit()`.
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self._given = console
        self._screen: Screen = LogFile(Console(file=sys.stdout))
        self._clock = _Clock()
        self._epoch = 0
        self._shown: dict[str, float] = {}
        self._undrawn: tuple[int, Logs] | None = None  # the last epoch, if it has no line yet

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def on_train_begin(self, logs: Logs = None) -> None:
        self._screen = screen_of(self._given or Console(file=sys.stdout))
        self._clock = _Clock()
        self._shown, self._undrawn = {}, None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch
        self._clock.start(epoch)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        steps = self.params.get("steps")
        part = min((batch + 1) / steps, 1.0) if steps else 0.0
        if self._screen.wants_more():
            self._draw(self._epoch + part, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._clock.measure(epoch + 1)
        self._undrawn = (epoch + 1, logs)
        if self._screen.wants_epoch(epoch, self._epochs):
            self._draw(*self._undrawn)

    def on_train_end(self, logs: Logs = None) -> None:
        if self._undrawn is not None:
            self._draw(*self._undrawn)
        self._screen.close()

    def _draw_nothing(self, *args: Any, **kwargs: Any) -> None:
        """Validation and prediction have no line."""

    on_test_begin = on_test_batch_end = on_test_end = _draw_nothing
    on_predict_begin = on_predict_batch_end = on_predict_end = _draw_nothing

    @property
    def _epochs(self) -> int:
        return int(self.params.get("epochs") or 1)

    def _draw(self, done: float, logs: Logs) -> None:
        numbers = {k: float(v) for k, v in (logs or {}).items() if isinstance(v, int | float)}
        self._shown.update(numbers)
        self._undrawn = None
        width = len(str(self._epochs))
        time_left = _duration(self._clock.left(done, self._epochs))
        epoch = f"epoch {self._epoch + 1:{width}}/{self._epochs}"
        bar = ProgressBar(total=self._epochs, completed=done, width=_BAR)
        clock = time_left + (" left" if done < self._epochs else " in all")
        metrics = "  ".join(f"{name} {_number(value)}" for name, value in self._shown.items())
        line = Table.grid(padding=(0, 1))
        for least in (len(epoch), _BAR, len(clock), None):
            line.add_column(no_wrap=True, min_width=least)
        line.add_row(epoch, bar, clock, metrics)
        self._screen.show(line)


class _Clock:
    """Estimates the time that is left, by the epochs of this `fit()`."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._first: int | None = None
        self._rate: float | None = None  # seconds an epoch, with validation

    def start(self, epoch: int) -> None:
        if self._first is None:
            self._first, self._began = epoch, time.monotonic()

    def measure(self, done: int) -> None:
        self._rate = (time.monotonic() - self._began) / max(done - (self._first or 0), 1)

    def left(self, done: float, epochs: int) -> float:
        passed = time.monotonic() - self._began
        if done >= epochs:
            return passed
        trained = done - (self._first or 0)
        rate = self._rate or (passed / trained if trained > 0 else math.nan)
        return rate * (epochs - done)


def _number(value: float) -> str:
    small = value != 0 and abs(value) < 1e-3
    return f"{value:.2e}" if small or abs(value) >= 1e5 else f"{value:.4f}"


def _duration(seconds: float) -> str:
    """`0:05`, `12:34` or `1:02:03`; `-:--` if it is not known yet."""
    if not math.isfinite(seconds):
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
