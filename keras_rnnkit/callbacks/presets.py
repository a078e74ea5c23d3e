"""Ready-made lists of callbacks."""

from __future__ import annotations

import keras

from keras_rnnkit._checks import PathLike, check_file, check_folder, refuse_existing
from keras_rnnkit.callbacks._interrupt import KeepBestOnInterrupt
from keras_rnnkit.callbacks._options import check_options, reduction
from keras_rnnkit.callbacks.epoch_log import EpochLog
from keras_rnnkit.callbacks.json_log import JsonLog
from keras_rnnkit.callbacks.monitoring import ValidationFrequency
from keras_rnnkit.callbacks.parts import (
    BestCheckpoint,
    CurvesPicture,
    LastCheckpoint,
    SkippingEarlyStopping,
    StopOnNaN,
)
from keras_rnnkit.callbacks.resuming import check_no_seed, new_run
from keras_rnnkit.plots.figures import require_matplotlib


def chapter(
    filepath: PathLike,
    *,
    monitor: str = "val_loss",
    mode: str = "auto",
    patience: int = 3,
    validation_freq: ValidationFrequency = 1,
    overwrite: bool = False,
) -> list[keras.callbacks.Callback]:
    """The two callbacks of the textbook chapter: save the best model, stop early.

    The first is a `keras.callbacks.ModelCheckpoint` of the best model, the second a
    `keras.callbacks.EarlyStopping` that restores the model's best weights at the end. Keep their
    order, and put other callbacks after them: the first one checks the run.

    Use each list for one `fit()` only. A second `fit()` with the same list raises an error, because
    the file of the first one exists; with `overwrite=True` it replaces the file. Each new best
    model is written to a temporary file, which is then renamed, so that the file at `filepath` is
    always complete, even if the disk is full or the process is killed.

    Args:
        filepath: Where to save the best model; must end in `.keras`. Missing folders are created
            when training starts. Placeholders in braces, which Keras would replace, are not allowed
            in the file name.
        monitor: The metric that decides which model is best. The model itself must measure it.
        mode: `"min"` if lower is better, `"max"` if higher is, `"auto"` to let Keras decide.
        patience: After how many epochs without an improvement training stops.
        validation_freq: The value that is passed to `fit(validation_freq=...)`. Epochs without
            validation are skipped: they are never the best, and `patience` does not count them.
        overwrite: Whether an existing file at `filepath` may be replaced.

    Returns:
        A list of two Keras callbacks.

    Raises:
        ValueError: An argument is wrong. `fit()` also raises it if `monitor` will never be in the
            logs. If the model does not measure the metric, it is raised after the first batch
            (after the first validation for a model with its own `train_step` or `test_step`). If
            there is no validation data, it is raised at the end of the first epoch, before any file
            is written.
        FileExistsError: `filepath` exists and `overwrite` is False; checked again by `fit()`,
            before it trains.
        OSError: `filepath` cannot be written. Also raised by `fit()` when the disk is full; the
            model saved before is then unchanged.

    Example:

    >>> import pathlib, tempfile
    >>> import keras, numpy as np
    >>> from keras_rnnkit import callbacks
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    >>> model.compile("rmsprop", "mse")
    >>> x, y = np.ones((32, 4)), np.ones((32, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     best = pathlib.Path(folder) / "best.keras"
    ...     run = model.fit(x, y, validation_split=0.5, epochs=2, verbose=0,
    ...                     callbacks=callbacks.chapter(best))
    ...     loaded = keras.saving.load_model(best)
    >>> loaded.count_params()
    5
    """
    target = check_file(filepath, "filepath", ".keras", overwrite)
    if "{" in target.name or "}" in target.name:
        raise ValueError(
            "`filepath` must be the name of one file, without placeholders in braces. "
            f"Received: filepath={str(filepath)!r}"
        )
    check_options(monitor, mode, patience, validation_freq)
    options = {"monitor": monitor, "mode": mode}
    return [
        BestCheckpoint(target, [target], "filepath", validation_freq, overwrite, **options),
        SkippingEarlyStopping(patience=patience, restore_best_weights=True, **options),
    ]


def standard(
    folder: PathLike,
    *,
    monitor: str = "val_loss",
    mode: str = "auto",
    patience: int = 3,
    reduce_lr: float | None = None,
    reduce_lr_patience: int | None = None,
    validation_freq: ValidationFrequency = 1,
    curves: bool = True,
    overwrite: bool = False,
    resume: bool = False,
    seed: int | None = None,
) -> list[keras.callbacks.Callback]:
    """Saves the models, the log and the curves of a run in one folder; stops early and on NaN.

    * `best.keras`, the best model so far, and `last.keras`, that of the last epoch;
    * `log.csv`, one row an epoch, with a column for each metric that any epoch has measured, and
      `log.jsonl`, a JSON object for each epoch, with its seconds;
    * `curves.png`, training and validation loss, drawn when training ends.

    Each file is written under a temporary name and then renamed, so that the old file stays
    complete if the disk is full or the process is killed.

    Training stops after `patience` epochs without an improvement, and the model's best weights
    are restored. It stops after the batch in which the loss is NaN or infinite, and names the
    epoch; `last.keras` keeps the weights of the epoch before. After Ctrl-C, when the batch is
    complete, the best weights are restored, a line says so, the curves are drawn, and
    `KeyboardInterrupt` is raised; a second Ctrl-C interrupts at once. With `reduce_lr` the learning
    rate is reduced on a plateau.

    With `resume=True` the folder has a `checkpoint.npz`, too, and the same script, started again,
    goes on after the last epoch that was complete, as `resumable` describes: `log.csv`, the curves
    and the history have all epochs. A model or a log that was deleted is written again.

    Keep the order of the list, and put other callbacks after it: the first one checks the run. Use
    each list for one `fit()` only. A second `fit()` with the same list raises an error, because the
    files of the first one exist; with `overwrite=True` it replaces them; with `resume=True` it goes
    on.

    Args:
        folder: The folder for the files; created when training starts. It may contain other files.
        monitor: The metric that decides which model is best. The model itself must measure it.
        mode: `"min"` if lower is better, `"max"` if higher is, `"auto"` to let Keras decide.
        patience: After how many epochs without an improvement training stops.
        reduce_lr: The factor of the learning rate on a plateau, between 0 and 1.
            None, the default, does not change the learning rate.
        reduce_lr_patience: After how many epochs without an improvement the learning rate is
            reduced; must be less than `patience`, because training stops otherwise. Half of
            `patience`, at least 1, by default.
        validation_freq: The value that is passed to `fit(validation_freq=...)`. Epochs without
            validation are skipped: they are never the best, and `patience` does not count them.
        curves: Whether to draw `curves.png`, which needs matplotlib.
        overwrite: Whether the models and the log may be replaced when they exist. The picture
            is always replaced. With `resume=True`, whether to start anew.
        resume: Whether to go on with the run in `folder`, if there is one.
        seed: With `resume=True`, the seed of the run, as for `resumable`.

    Returns:
        A list of Keras callbacks.

    Raises:
        ImportError: `curves` is True and matplotlib is not installed.
        ValueError: An argument is wrong. Also raised by `fit()` when `monitor` will never be
            in the logs, as `chapter` describes, and for a checkpoint that does not fit, as
            `resumable` describes.
        FileExistsError: A model or the log exists and `overwrite` is False; checked again
            by `fit()`, before it trains.
        OSError: `folder` is not a folder, or cannot be written to. Also raised by `fit()` when
            the disk is full; every file is then unchanged.
        RuntimeError: With `resume=True`, raised by `fit()` while another process uses the folder.

    Example:

    >>> import os, tempfile
    >>> import keras, numpy as np
    >>> from keras_rnnkit import callbacks
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    >>> model.compile("rmsprop", "mse")
    >>> x, y = np.ones((32, 4)), np.ones((32, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = model.fit(x, y, validation_split=0.5, epochs=2, verbose=0,
    ...                     callbacks=callbacks.standard(folder, reduce_lr=0.5))
    ...     sorted(os.listdir(folder))
    ['best.keras', 'curves.png', 'last.keras', 'log.csv', 'log.jsonl']
    """
    target = check_folder(folder, "folder")
    results = [target / name for name in ("best.keras", "last.keras", "log.csv", "log.jsonl")]
    if not resume:
        refuse_existing(results, "folder", overwrite)
    check_options(monitor, mode, patience, validation_freq)
    options = {"monitor": monitor, "mode": mode}
    reductions = reduction(reduce_lr, reduce_lr_patience, patience, options)
    if curves:
        require_matplotlib("callbacks.standard(curves=True)")
    stop = StopOnNaN()
    stopping = SkippingEarlyStopping(patience=patience, restore_best_weights=True, **options)
    pictures = [CurvesPicture(target / "curves.png")] if curves else []
    guarded = [] if resume else results
    callbacks = [
        BestCheckpoint(results[0], guarded, "folder", validation_freq, overwrite, **options),
        stop,
        *reductions,
        LastCheckpoint(results[1], stop),
        EpochLog(results[2]),
        JsonLog(results[3]),
        stopping,
        *pictures,
        KeepBestOnInterrupt(stopping, *pictures),
    ]
    if not resume:
        check_no_seed(seed)
        return callbacks
    return new_run(target, seed, overwrite, results, checks=None).followed_by(callbacks)
