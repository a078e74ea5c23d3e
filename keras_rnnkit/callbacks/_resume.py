"""The callbacks that save the state of a run between epochs, and restore it."""

from __future__ import annotations

import contextlib
import inspect
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_rnnkit._checks import refuse_existing
from keras_rnnkit.callbacks import _checkpoint
from keras_rnnkit.callbacks._driver import data_of_fit, driver_of
from keras_rnnkit.callbacks._first_epoch import FirstEpoch
from keras_rnnkit.callbacks._interrupt import KeepBestOnInterrupt
from keras_rnnkit.callbacks._messages import say
from keras_rnnkit.callbacks._model_state import (
    Arrays,
    averages_weights,
    collect,
    describe,
    restore,
)
from keras_rnnkit.callbacks._processes import ALONE, Processes, lock_of
from keras_rnnkit.callbacks._rows import Row, fill_history, plain
from keras_rnnkit.callbacks.monitoring import MonitorChecks
from keras_rnnkit.callbacks.parts import Checkpoint, Logs, StopOnNaN

Callbacks = list[keras.callbacks.Callback]


class ResumableRun(keras.callbacks.Callback):
    """Saves a checkpoint between epochs and goes on from it; it is the first of its list.

    A checkpoint is written when the next epoch begins: every other callback, wherever it is in the
    list, has then seen the epoch before and has put its values into the logs.

    The random numbers of an epoch depend on the seed and on the number of the epoch alone, so that
    no generator needs to be saved; those of the model's layers are variables, which are.

    Args:
        folder: The folder of the run.
        seed: The seed of the run; by default that of the checkpoint, or a new one.
        overwrite: Whether to start anew, even if there is a checkpoint.
        results: Files that must not exist when there is no checkpoint.
        checks: The checks of the monitored metric, or None.
        processes: The place of this process among those that train the model.

    Attributes:
        initial_epoch: The epoch to begin with, once training has begun; `fit` finds it itself.
    """

    def __init__(
        self,
        folder: Path,
        seed: int | None,
        overwrite: bool,
        results: list[Path],
        checks: MonitorChecks | None,
        processes: Processes = ALONE,
    ) -> None:
        super().__init__()
        self.initial_epoch = 0
        self._file = file_in(folder)
        self._processes = processes
        self._lock = lock_of(processes, folder)
        self._given_seed, self._overwrite, self._results = seed, overwrite, results
        self._seed = 0
        self._averages = False
        self._checks = checks
        self._others: Callbacks = []
        self._rows: list[Row] = []
        self._found: _checkpoint.Snapshot | None = None
        self._description: dict[str, Any] = {}
        self._bound: list[str] | None = None
        self._data: Any = None
        self._first: int | None = None
        self._pending: tuple[int, float, dict[str, Any]] | None = None
        self._not_averaged: Arrays | None = None
        self._began = 0.0

    def followed_by(self, others: Callbacks) -> Callbacks:
        """This callback, those whose memory it saves, and the one that gives it back to them."""
        self._others = others
        for one in others:
            if isinstance(one, KeepBestOnInterrupt):
                one.finally_call(self._lock.release)
        return [self, *others, _Reminder(self)]

    def bind_data(self, name: str, digest: str) -> None:
        """Refuse a checkpoint of other data; `name` says in the error what differs."""
        self._bound = [name, digest]

    def on_train_begin(self, logs: Logs = None) -> None:
        if not self.model.built:
            raise ValueError(
                "`model` must be built before `fit()` when it is to be resumed. Give it a "
                f"`keras.Input`, or call it on a batch. Received: model.built={self.model.built}"
            )
        self._processes.check_states(self.model)
        if self._checks is not None:
            self._checks.begin(self.params.get("epochs", 0))
        self._data = data_of_fit(driver_of(inspect.currentframe()))
        self._rows, self._pending, self._first = [], None, None
        self.initial_epoch = 0
        self._lock.acquire()
        with self._released_when_refused():
            self._take_checkpoint()

    @contextlib.contextmanager
    def _released_when_refused(self) -> Iterator[None]:
        """Give the lock back if the run may not begin."""
        with contextlib.ExitStack() as when_refused:
            when_refused.callback(self._lock.release)
            yield
            when_refused.pop_all()

    def _take_checkpoint(self) -> None:
        """Read the checkpoint, if there is one, and put its weights into the model."""
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        self._averages = averages_weights(self.model.optimizer)
        self._description = {**describe(self.model), "data": self._bound}
        self._found = None if self._overwrite else _checkpoint.read(self._file)
        if self._processes.several:
            self._found = self._processes.read_together(self._file, self._found, self._new)
        if self._found is None:
            self._seed = self._seed_of_new()
        else:
            _checkpoint.check_same_run(self._file, self._found, self._description, self._given_seed)
            restore(self.model, self._found.arrays)
            self._seed, self._rows = self._found.seed, list(self._found.rows)

    def _new(self) -> _checkpoint.Snapshot:
        """The checkpoint of a run that begins."""
        seed = self._seed_of_new()
        return _checkpoint.Snapshot(seed, [], self._description, {}, collect(self.model))

    def _seed_of_new(self) -> int:
        """The seed of a run that begins, if it may begin."""
        refuse_existing(self._results, "folder", self._overwrite)
        return random.getrandbits(32) if self._given_seed is None else self._given_seed

    def begin(self) -> None:
        """Start, or go on, once the other callbacks have been reset."""
        with self._released_when_refused():
            found, self._found = self._found, None
            if found is None:
                self._save()
            else:
                self._go_on(found)

    def _go_on(self, found: _checkpoint.Snapshot) -> None:
        """Give the other callbacks their memory, and go on with the next epoch."""
        _checkpoint.remind(self._others, found)
        best = _checkpoint.restored_best_weights(self.model.get_weights(), found)
        for callback in self._others:
            if isinstance(callback, keras.callbacks.EarlyStopping) and callback.best is not None:
                callback.best_weights = best
            if hasattr(callback, "restore_rows"):
                callback.restore_rows(self._rows)
            if isinstance(callback, Checkpoint) and self._rows:
                callback.restore_file(best)
        if self._rows:
            self._first = self.initial_epoch = self._next_epoch()
            # Keras has no public way for a callback to choose the first epoch. This attribute is
            # the one that `keras.callbacks.BackupAndRestore` sets; `on_epoch_begin` checks that it
            # took effect.
            self.model._initial_epoch = FirstEpoch(self._first, self.model)
            self._forward_data()

    def _next_epoch(self) -> int:
        """The epoch to go on with; the number of all epochs for a run that has ended."""
        done, epochs = self._rows[-1]["epoch"] + 1, self.params.get("epochs", 0)
        stopped = any(
            isinstance(one, keras.callbacks.EarlyStopping) and one.wait >= one.patience
            for one in self._others
        )
        if self.params.get("verbose"):
            where = f"Checkpoint: {self._file}"
            if stopped:
                say(f"This run has ended: it stopped early after epoch {done}. {where}")
            elif done >= epochs:
                say(f"This run has ended: it has {done} epochs. {where}")
            else:
                say(f"Resuming after epoch {done} of {epochs}. {where}")
        return max(done, epochs) if stopped else done

    def _forward_data(self) -> None:
        """Bring a data set that changes its order after each epoch to the order of this epoch."""
        if isinstance(self._data, keras.utils.PyDataset) and not hasattr(self._data, "set_epoch"):
            for row in self._rows:
                self._set_seeds(row["epoch"])
                self._data.on_epoch_end()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if self._first is not None:
            self._check_first(epoch)
        self._save_pending()
        self._set_seeds(epoch)
        if hasattr(self._data, "set_epoch"):
            self._data.set_epoch(epoch)
        self._began = time.monotonic()

    def _check_first(self, epoch: int) -> None:
        first, self._first = self._first, None
        self.model._initial_epoch = None  # or the next `fit` would begin there, too
        if epoch != first:
            raise RuntimeError(
                f"`epoch` must be {first}, with which the run goes on. Begin a loop of your own "
                "with the `initial_epoch` of the first callback. If `fit()` began with another "
                "epoch, this version of Keras does not let a callback choose it: pass "
                f"fit(initial_epoch={first}). "
                f"Received: epoch={epoch}, keras.version()={keras.version()}"
            )
        fill_history(self.model, self._rows)

    def _set_seeds(self, epoch: int) -> None:
        numbers = np.random.SeedSequence([self._seed, epoch]).generate_state(1)
        keras.utils.set_random_seed(int(numbers[0]))

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._lock.keep()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._lock.keep()
        if self._checks is not None and self._checks.awaits_names:
            self._checks.after_batch(self.model, logs)

    def on_test_end(self, logs: Logs = None) -> None:
        if self._checks is not None:
            self._checks.after_validation(logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = {} if logs is None else logs
        if self._checks is not None:
            self._checks.after_epoch(epoch, logs)
        self._pending = (epoch, time.monotonic() - self._began, logs)
        self._not_averaged = collect(self.model) if self._averages else None

    def on_train_end(self, logs: Logs = None) -> None:
        if self._first is not None:  # nothing was left to train
            self._first = None
            self.model._initial_epoch = None
            fill_history(self.model, self._rows)
        self._save_pending(self._not_averaged)
        self._data = self._not_averaged = None
        if self._given_seed is not None:  # as before this `fit()`, for another one
            keras.utils.set_random_seed(self._seed)
        if self._checks is not None:
            self._checks.end()
        self._lock.release()

    def _save_pending(self, arrays: Arrays | None = None) -> None:
        """Save the epoch that has ended, or after a NaN restore the last good weights instead.

        Args:
            arrays: The state after the epoch; by default that of the model now.
        """
        pending, self._pending = self._pending, None
        if pending is None:
            return
        if any(isinstance(one, StopOnNaN) and one.found for one in self._others):
            good = _checkpoint.read(self._file)
            if good is not None:
                restore(self.model, good.arrays)
            return
        epoch, seconds, logs = pending
        self._rows.append({"epoch": epoch, "seconds": seconds, "logs": plain(logs)})
        self._save(arrays)

    def _save(self, arrays: Arrays | None = None) -> None:
        if not self._processes.writes:
            return
        arrays = collect(self.model) if arrays is None else arrays
        for one in self._others:
            if isinstance(one, keras.callbacks.EarlyStopping):
                arrays |= _checkpoint.best_weights(one, self.model.get_weights())
        memory = _checkpoint.remember(self._others)
        state = _checkpoint.Snapshot(self._seed, self._rows, self._description, memory, arrays)
        _checkpoint.write(self._file, state)


class _Reminder(keras.callbacks.Callback):
    """Restores the memory of the callbacks before it, after they have begun."""

    def __init__(self, run: ResumableRun) -> None:
        super().__init__()
        self._run = run

    def on_train_begin(self, logs: Logs = None) -> None:
        self._run.begin()


def file_in(folder: Path) -> Path:
    """The file of the checkpoint."""
    return folder / "checkpoint.npz"
