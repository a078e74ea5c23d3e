"""Ctrl-C in a training run: the best weights stay in the model, and the curves are drawn.

An interrupt in the middle of a step leaves a model without a defined state, and on JAX without its
weights. So the interrupt waits until the batch is complete; a second one does not wait.
"""

from __future__ import annotations

import inspect
import signal
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import keras

from keras_rnnkit.callbacks._driver import driver_of
from keras_rnnkit.callbacks._messages import say
from keras_rnnkit.callbacks._model_state import averages_weights
from keras_rnnkit.callbacks.parts import CurvesPicture, Logs


class KeepBestOnInterrupt(keras.callbacks.Callback):
    """After Ctrl-C: the best weights, the curves, a message, and then `KeyboardInterrupt`.

    Args:
        stopping: The callback that has the best weights, or None.
        curves: The callback that draws the curves, or None.
    """

    def __init__(
        self,
        stopping: keras.callbacks.EarlyStopping | None,
        curves: CurvesPicture | None = None,
    ) -> None:
        super().__init__()
        self._stopping, self._curves = stopping, curves
        self._deferred = DeferredInterrupt()
        self._epoch = 0
        self._finally: list[Callable[[], None]] = []

    def finally_call(self, function: Callable[[], None]) -> None:
        """Call this after an interrupt, too."""
        self._finally.append(function)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._deferred.install(inspect.currentframe())

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch
        self._check()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._check()

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._check()

    def on_train_end(self, logs: Logs = None) -> None:
        self._check()  # one that came after the last batch
        self._deferred.remove()

    def _check(self) -> None:
        if not self._deferred.pending:
            return
        self._deferred.remove()
        say(f"Interrupted in epoch {self._epoch + 1}: {self._restored()}.")
        if self._curves is not None:
            self._curves.draw()
        for function in self._finally:
            function()
        raise KeyboardInterrupt

    def _restored(self) -> str:
        """Put the best weights into the model, and say which weights it has."""
        stopping = self._stopping
        if keras.config.backend() == "jax" and averages_weights(self.model.optimizer):
            # Keras on JAX puts it there after an error, too, and then no callback is called.
            return "the model has the moving average of its weights"
        # In several processes on JAX, all must set the weights, and this one may be the only one.
        if stopping is None or stopping.best_weights is None or in_several_processes(self.model):
            return "the model has its latest weights"
        # `self.model` also fetches the latest state on JAX, which `fit` would set afterwards.
        self.model.set_weights(stopping.best_weights)
        return (
            f"the model has its best weights, those of epoch {stopping.best_epoch + 1} "
            f"({stopping.monitor}: {stopping.best:.4g})"
        )


def in_several_processes(model: Any) -> bool:
    """Whether JAX keeps parts of the weights, or copies of them, in other processes."""
    return any(not getattr(one.value, "is_fully_addressable", True) for one in model.weights)


class DeferredInterrupt:
    """Notes the first Ctrl-C while `fit` runs, and lets any other one interrupt at once."""

    def __init__(self) -> None:
        self.pending = False
        self._previous: Any = None
        self._driver: CodeType | None = None

    def install(self, callback: FrameType | None) -> None:
        """Begin, in the main thread and where Ctrl-C is Python's own.

        Args:
            callback: The frame of `on_train_begin`, which a list of callbacks has called.
        """
        self.remove()
        self.pending = False
        left_behind = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
        if isinstance(left_behind, DeferredInterrupt):  # of a `fit` that an error has ended
            left_behind.remove()
        frame = driver_of(callback)
        if (
            frame is not None
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            self._driver = frame.f_code
            self._previous = signal.signal(signal.SIGINT, self._note)

    def remove(self) -> None:
        """Give Ctrl-C its usual meaning again."""
        if self._previous is not None:
            if signal.getsignal(signal.SIGINT) == self._note:
                signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Wait for the end of the batch, unless it is the second Ctrl-C or no training runs."""
        second, self.pending = self.pending, True
        running = frame
        while running is not None and running.f_code is not self._driver:
            running = running.f_back
        if second or running is None:
            self.remove()
            raise KeyboardInterrupt
