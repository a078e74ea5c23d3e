"""The preset of a run that survives: killed at any moment, it goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from keras_rnnkit._checks import PathLike, check_folder, check_integer
from keras_rnnkit.callbacks._interrupt import KeepBestOnInterrupt
from keras_rnnkit.callbacks._options import check_options, reduction
from keras_rnnkit.callbacks._processes import ALONE, Processes, check_processes
from keras_rnnkit.callbacks._resume import ResumableRun
from keras_rnnkit.callbacks.monitoring import MonitorChecks, ValidationFrequency
from keras_rnnkit.callbacks.parts import SkippingEarlyStopping, StopOnNaN

_SEEDS = 2**32


def resumable(
    folder: PathLike,
    *,
    monitor: str = "val_loss",
    mode: str = "auto",
    patience: int | None = 3,
    reduce_lr: float | None = None,
    reduce_lr_patience: int | None = None,
    validation_freq: ValidationFrequency = 1,
    seed: int | None = None,
    overwrite: bool = False,
    rank: int = 0,
    barrier: Callable[[], Any] | None = None,
) -> list[keras.callbacks.Callback]:
    """Makes a run that goes on where it was when its script is started again.

    After each epoch, the state of the run is written to `checkpoint.npz` in the folder: weights,
    optimizer, states of stateful layers, random generators of the layers, the history, the best
    value, the best weights and the patience of early stopping and of the reduction of the learning
    rate. When `fit()` begins and the folder has a checkpoint, all of it is restored, `fit()` begins
    with the next epoch, and the history that it returns has all epochs. `epochs` is still the
    number of all epochs. A run that has ended is not trained further: `fit()` restores its weights
    and its history; with more `epochs` it goes on, unless it had stopped early.

    A resumed run has the same history as an uninterrupted one, on a CPU with the same versions
    number for number: at the beginning of each epoch, `keras.utils.set_random_seed` is called with
    a seed that depends on `seed` and the number of the epoch. On TensorFlow, arrays are shuffled
    alike only with a fixed seed: pass `seed`, or call `keras.utils.set_random_seed` before; Keras
    then has the same order of rows in every epoch. A data set with a method
    `set_epoch(epoch)`, such as `keras_rnnkit.data.Bucketed`, is told the epoch; for another
    `keras.utils.PyDataset`, `on_epoch_end()` is called for each epoch that is complete. A
    generator starts anew, and so does the pass over the rows that `steps_per_epoch` divides.

    The file is replaced atomically: a process that is killed, or a full disk, leaves the checkpoint
    of the epoch before. While a run uses the folder, it has a `run.lock`, which names the process;
    that of a process that has ended is taken over.

    Several processes that train one model use one folder: process 0 locks it and writes it, and the
    others read there what process 0 begins with, its weights included. Each of them passes its
    `rank` and a `barrier`, and the same metrics must reach the logs of all of them, or they would
    not stop together. In a loop of your own, `keras.callbacks.CallbackList` drives the list:
    `on_train_begin()` restores the run, and the first callback then has the `initial_epoch`.

    The list also has what `standard` does without files: training stops early and on NaN, and
    Ctrl-C leaves the best weights in the model, or in several processes on JAX the latest ones.
    Keep the order of the list, and put other callbacks after it. Their own state is not saved, but
    what they write into the logs is.

    Args:
        folder: The folder for the checkpoint; created when training starts. Use one for each run.
        monitor: The metric that decides which model is best. The model itself must measure it.
        mode: `"min"` if lower is better, `"max"` if higher is, `"auto"` to let Keras decide.
        patience: After how many epochs without an improvement training stops, with the best weights
            restored. None to train all epochs and to keep the last weights.
        reduce_lr: The factor of the learning rate on a plateau, between 0 and 1.
            None, the default, does not change the learning rate.
        reduce_lr_patience: After how many epochs without an improvement the learning rate is
            reduced; as for `standard`.
        validation_freq: The value that is passed to `fit(validation_freq=...)`.
        seed: The seed of the run, from 0 to 4294967295. `keras.utils.set_random_seed` is called
            with it at once, too: Keras on TensorFlow fixes the order of arrays before it calls any
            callback. By default a new run draws it with Python's generator, which
            `keras.utils.set_random_seed` seeds, and a resumed one takes that of the checkpoint.
        overwrite: Whether to start anew and to replace the checkpoint, if there is one.
        rank: The number of this process among those that train the model.
        barrier: A function that returns when every process has called it, such as
            `torch.distributed.barrier`; called once when training begins. None, the default, for
            a single process.

    Returns:
        A list of Keras callbacks. The first has the attribute `initial_epoch`, the epoch to begin
        with, once training has begun.

    Raises:
        TypeError: `barrier` is not a function.
        ValueError: An argument is wrong, or the file is no checkpoint. Also raised by `fit()` when
            the checkpoint is that of another model, optimizer, loss or backend, or when settings of
            the optimizer (all but the learning rate) are others, when the model is not built,
            and when `monitor` will never be in the logs. The checkpoint is then unchanged. Also
            raised with a `barrier` for a model with stateful layers, and in a process that does
            not see the checkpoint of process 0.
        RuntimeError: Raised by `fit()` while another process uses the folder.
        OSError: `folder` is not a folder, or cannot be written to. Also raised by `fit()` when
            the disk is full; the checkpoint is then unchanged.

    Example:

    >>> import tempfile
    >>> import keras, numpy as np
    >>> from keras_rnnkit import callbacks
    >>> x, y = np.ones((32, 4)), np.ones((32, 1))
    >>> def train(folder, epochs):  # as a script does, each time it is started
    ...     model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    ...     model.compile("rmsprop", "mse")
    ...     return model.fit(x, y, validation_split=0.5, epochs=epochs, verbose=0,
    ...                      callbacks=callbacks.resumable(folder))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     stopped = train(folder, epochs=2)
    ...     resumed = train(folder, epochs=4)
    >>> resumed.epoch
    [0, 1, 2, 3]
    >>> resumed.history["loss"][:2] == stopped.history["loss"]
    True
    """
    target = check_folder(folder, "folder")
    check_options(monitor, mode, 1 if patience is None else patience, validation_freq)
    options = {"monitor": monitor, "mode": mode}
    reductions = reduction(reduce_lr, reduce_lr_patience, patience, options)
    stopping = None
    if patience is not None:
        stopping = SkippingEarlyStopping(patience=patience, restore_best_weights=True, **options)
    monitored = [*reductions, *([stopping] if stopping else [])]
    checks = MonitorChecks(monitor, validation_freq) if monitored else None
    run = new_run(target, seed, overwrite, [], checks, check_processes(rank, barrier))
    return run.followed_by([StopOnNaN(), *monitored, KeepBestOnInterrupt(stopping)])


def new_run(
    folder: Path,
    seed: int | None,
    overwrite: bool,
    results: list[Path],
    checks: Any,
    processes: Processes = ALONE,
) -> ResumableRun:
    """The first callback of a run; a seed is set at once, too."""
    seed = check_integer(seed, "seed", least=0, most=_SEEDS - 1, optional=True)
    if seed is not None:
        keras.utils.set_random_seed(seed)
    return ResumableRun(folder, seed, overwrite, results, checks, processes)


def check_no_seed(seed: int | None) -> None:
    """Refuse a seed for a run that is not resumed."""
    if seed is not None:
        raise ValueError(
            "`seed` has no effect without resume=True. Call keras.utils.set_random_seed(...) "
            f"instead. Received: seed={seed!r}"
        )
