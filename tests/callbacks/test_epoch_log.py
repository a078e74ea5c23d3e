"""The log: a column for whatever any epoch measured, and no row that is lost."""

import numpy as np
import pytest

from keras_rnnkit import callbacks
from keras_rnnkit.callbacks.epoch_log import EpochLog
from tests.callbacks.support import fit, make_model, read_rows

pytestmark = pytest.mark.slow_on("jax", "tensorflow")


def run(folder, epochs=5, frequency=2, **options):
    preset = callbacks.standard(
        folder, validation_freq=frequency, patience=9, curves=False, **options
    )
    model = make_model(learning_rate=0.5)
    history = fit(model, preset, epochs=epochs, validation_freq=frequency)
    return history.history, read_rows(folder / "log.csv")


@pytest.mark.parametrize("frequency", [1, 2, 5, [2, 3]], ids=str)
def test_the_learning_rate_of_every_epoch_is_in_the_log(tmp_path, frequency):
    history, rows = run(tmp_path, frequency=frequency, reduce_lr=0.5)
    assert [float(row["learning_rate"]) for row in rows] == history["learning_rate"]
    assert [float(row["loss"]) for row in rows] == history["loss"]


def test_the_learning_rate_is_the_one_of_the_epoch(tmp_path):
    _, rows = run(tmp_path, epochs=8, reduce_lr=0.5, reduce_lr_patience=1)
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates[0] == 0.5 and rates == sorted(rates, reverse=True)


def test_without_a_reduction_there_is_no_such_column(tmp_path):
    _, rows = run(tmp_path)
    assert list(rows[0]) == ["epoch", "loss", "mae", "val_loss", "val_mae"]


def test_columns_that_come_later_are_filled_up(tmp_path):
    file = tmp_path / "log.csv"
    log = EpochLog(file)
    log.on_train_begin()
    log.on_epoch_end(0, {"loss": 1.5})
    assert read_rows(file) == [{"epoch": "0", "loss": "1.5"}]
    log.on_epoch_end(1, {"loss": 0.5, "val_loss": 2.0, "accuracy": np.float32(0.25)})
    log.on_epoch_end(2, {"accuracy": float("nan")})
    log.on_train_end()
    assert read_rows(file) == [
        {"epoch": "0", "accuracy": "NA", "loss": "1.5", "val_loss": "NA"},
        {"epoch": "1", "accuracy": "0.25", "loss": "0.5", "val_loss": "2.0"},
        {"epoch": "2", "accuracy": "nan", "loss": "NA", "val_loss": "NA"},
    ]


def test_values_are_written_as_keras_writes_them(tmp_path):
    import keras

    logs = {
        "loss": 0.1,
        "rows": np.array([1, 2]),
        "one": np.array(3.0),
        "word": "a,b\n",
        "val_x": 1,
    }
    ours, theirs = EpochLog(tmp_path / "ours.csv"), keras.callbacks.CSVLogger(tmp_path / "k.csv")
    for log in (ours, theirs):
        log.on_train_begin()
        log.on_epoch_end(0, logs)
        log.on_epoch_end(1, logs)
        log.on_train_end()
    assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "k.csv").read_bytes()


def test_a_figure_named_epoch_is_not_in_the_way(tmp_path):
    log = EpochLog(tmp_path / "log.csv")
    log.on_train_begin()
    log.on_epoch_end(3, {"epoch": 9.0, "loss": 1.0})
    assert read_rows(tmp_path / "log.csv") == [{"epoch": "3", "loss": "1.0"}]
