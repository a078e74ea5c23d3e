"""Runs that are stopped between, in and after their epochs, and go on in the same folder."""

import json
import os
import signal

import keras
import numpy as np
import pytest

from keras_rnnkit import callbacks
from keras_rnnkit.data import Bucketed
from tests.callbacks import survivor
from tests.callbacks.support import (
    ROWS,
    TARGETS,
    Scripted,
    fit,
    make_model,
    read_rows,
    resumable,
)


class StopAt(keras.callbacks.Callback):
    """Raises an error in an epoch, at its beginning or in its second batch."""

    def __init__(self, epoch, batch=None):
        super().__init__()
        self.epoch, self.batch, self.now = epoch, batch, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch
        if self.batch is None and epoch == self.epoch:
            raise InterruptedError

    def on_train_batch_end(self, batch, logs=None):
        if (self.now, batch) == (self.epoch, self.batch):
            raise InterruptedError


class Silent(keras.callbacks.Callback):
    """Stops nothing."""


@pytest.mark.parametrize(
    ("data", "preset"), [("array", "standard"), ("order", "resumable"), ("epoch", "resumable")]
)
def test_a_resumed_run_has_the_history_of_a_whole_one(tmp_path, data, preset):
    settings = {"data": data, "preset": preset}
    whole = survivor.train({**settings, "folder": tmp_path / "whole"}, Silent())
    assert whole["epoch"][:4] == [0, 1, 2, 3]  # it may stop early
    settings["folder"] = tmp_path / "stopped"
    stop = StopAt(3) if data == "array" else StopAt(2, batch=1)
    with pytest.raises(InterruptedError):
        survivor.train(settings, stop)
    assert survivor.train(settings, Silent()) == whole


def test_a_run_that_has_ended_is_restored_and_not_trained(tmp_path, capsys):
    model = make_model()
    whole = fit(model, resumable(tmp_path), epochs=3)
    other = make_model(learning_rate=9.0)
    again = fit(other, resumable(tmp_path), epochs=3)
    assert again.history == whole.history and again.epoch == [0, 1, 2]
    capsys.readouterr()
    fit(make_model(), resumable(tmp_path), epochs=3, verbose=2)
    assert "This run has ended: it has 3 epochs" in capsys.readouterr().out
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(one, two)


def test_a_second_fit_with_the_same_list_goes_on(tmp_path):
    whole = fit(make_model(), resumable(tmp_path / "whole"), epochs=4)
    model, preset = make_model(), resumable(tmp_path / "parts")
    assert fit(model, preset, epochs=2).epoch == [0, 1]
    assert fit(model, preset, epochs=4).history == whole.history
    assert fit(model, [], epochs=1).epoch == [0]  # nothing is left in the model


def test_patience_counts_the_epochs_before(tmp_path):
    losses = [1.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    with pytest.raises(InterruptedError):
        fit(make_model(), [Scripted(losses), *resumable(tmp_path), StopAt(3)], epochs=6)
    stopped = fit(make_model(), [Scripted(losses), *resumable(tmp_path)], epochs=6)
    assert stopped.epoch == [0, 1, 2, 3]
    script = Scripted(losses)
    again = fit(make_model(), [script, *resumable(tmp_path)], epochs=6)
    assert again.epoch == [0, 1, 2, 3] and script.weights == []  # it had stopped early
    more = fit(make_model(), [Scripted(losses), *resumable(tmp_path, patience=4)], epochs=6)
    assert more.epoch == [0, 1, 2, 3, 4]


def test_a_run_that_stopped_in_its_first_epoch_has_ended(tmp_path):
    script = Scripted([float("nan"), 1.0])
    fit(make_model(), [script, *resumable(tmp_path, patience=1)], epochs=2)
    assert len(script.weights) == 1
    fit(make_model(), [script, *resumable(tmp_path, patience=1)], epochs=2)
    assert len(script.weights) == 1


def test_the_best_weights_of_epochs_before_are_restored(tmp_path):
    script, losses = Scripted([1.0, 2.0]), [1.0, 2.0, 3.0]
    fit(make_model(), [script, *resumable(tmp_path)], epochs=2)
    model = make_model()
    fit(model, [Scripted(losses), *resumable(tmp_path)], epochs=3)
    assert np.array_equal(model.get_weights()[0], script.weights[0][0])


def test_without_patience_no_validation_is_needed(tmp_path):
    options = {"patience": None}
    whole = fit(make_model(), resumable(tmp_path / "a", **options), validation_data=None)
    fit(make_model(), resumable(tmp_path / "b", **options), validation_data=None, epochs=2)
    resumed = fit(make_model(), resumable(tmp_path / "b", **options), validation_data=None)
    assert resumed.history == whole.history and set(whole.history) == {"loss", "mae"}


def test_rare_validation(tmp_path):
    def train(folder, epochs):
        preset = resumable(folder, validation_freq=2)
        return fit(make_model(), preset, epochs=epochs, validation_freq=2).history

    whole = train(tmp_path / "whole", 4)
    for epochs in (2, 3):
        train(tmp_path / "parts", epochs)
    assert train(tmp_path / "parts", 4) == whole and len(whole["val_loss"]) == 2


def test_steps_per_epoch(tmp_path):
    fit(make_model(), resumable(tmp_path), epochs=2, steps_per_epoch=2)
    resumed = fit(make_model(), resumable(tmp_path), epochs=4, steps_per_epoch=2)
    assert resumed.epoch == [0, 1, 2, 3] and len(resumed.history["val_loss"]) == 4


def test_values_of_callbacks_that_come_later_are_in_the_history(tmp_path):
    values = [0.4, 0.3, 0.2, 0.1]
    late = Scripted(values, name="late")
    fit(make_model(), [*resumable(tmp_path), late], epochs=2)
    resumed = fit(make_model(), [*resumable(tmp_path), Scripted(values, name="late")])
    assert resumed.history["late"] == values


def test_a_value_in_the_logs_that_no_file_can_store_is_named(tmp_path):
    values = [np.float32(0.5), np.eye(2), {"a": 1}]
    odd = Scripted(values, name="odd")
    with pytest.raises(TypeError, match=r"`logs` must have numbers.*Received: logs\['odd'\]"):
        fit(make_model(), [*resumable(tmp_path), odd], epochs=3)
    assert fit(make_model(), resumable(tmp_path), epochs=2).history["odd"] == [
        0.5,
        [[1, 0], [0, 1]],
    ]


def test_standard_goes_on_in_its_folder(tmp_path):
    fit(make_model(), callbacks.standard(tmp_path, resume=True), epochs=2)
    (tmp_path / "best.keras").unlink()
    (tmp_path / "curves.png").unlink()
    history = fit(make_model(), callbacks.standard(tmp_path, resume=True), epochs=4)
    rows = read_rows(tmp_path / "log.csv")
    assert [float(row["val_loss"]) for row in rows] == history.history["val_loss"]
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3]
    assert [line["loss"] for line in lines] == history.history["loss"]
    assert all(line["seconds"] > 0 for line in lines)
    assert (tmp_path / "best.keras").exists() and (tmp_path / "curves.png").exists()


def test_overwrite_starts_anew(tmp_path):
    fit(make_model(), resumable(tmp_path), epochs=3)
    assert fit(make_model(), resumable(tmp_path, overwrite=True, seed=5), epochs=2).epoch == [0, 1]
    assert fit(make_model(), resumable(tmp_path, seed=5), epochs=3).epoch == [0, 1, 2]


def test_a_lambda_may_move_to_another_line(tmp_path):
    def make(line):
        double = keras.layers.Lambda(lambda x: 2 * x)
        double.function.__code__ = double.function.__code__.replace(co_firstlineno=line)
        model = keras.Sequential([keras.Input((4,)), double, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    fit(make(1), resumable(tmp_path), epochs=1)
    assert fit(make(2), resumable(tmp_path), epochs=2).epoch == [0, 1]


def test_an_interrupted_run_gives_the_folder_back_and_goes_on(tmp_path):
    class CtrlC(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(make_model(), [*resumable(tmp_path), CtrlC()], epochs=3)
    assert sorted(os.listdir(tmp_path)) == ["checkpoint.npz"]
    assert fit(make_model(), resumable(tmp_path), epochs=3).epoch == [0, 1, 2]


def test_a_seed_of_numpy(tmp_path):
    fit(make_model(), resumable(tmp_path, seed=np.int64(7)), epochs=1)
    assert fit(make_model(), resumable(tmp_path, seed=7), epochs=2).epoch == [0, 1]


def test_after_training_random_numbers_are_those_of_the_given_seed(tmp_path):
    fit(make_model(), resumable(tmp_path, seed=7), epochs=1)
    found = np.random.rand()
    keras.utils.set_random_seed(7)
    assert found == np.random.rand()


def test_more_epochs_than_before_with_an_average_of_the_weights(tmp_path):
    """When a run ends, Keras puts the average into the model; the run goes on without it."""

    def train(folder, epochs):
        model = make_model()
        optimizer = keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.5)
        model.compile(optimizer, "mse")
        preset = resumable(folder, patience=None)
        history = fit(model, preset, epochs=epochs, validation_data=None).history
        return history["loss"], model.get_weights()[0].tolist()

    whole = train(tmp_path / "whole", 3)
    assert train(tmp_path / "parts", 2)[0] == whole[0][:2]
    assert train(tmp_path / "parts", 3) == whole
    assert train(tmp_path / "parts", 3) == whole  # it has ended


def test_the_learning_rate_is_that_of_the_checkpoint_or_of_a_scheduler(tmp_path):
    fit(make_model(learning_rate=0.05), resumable(tmp_path), epochs=1)
    model = make_model(learning_rate=0.5)
    fit(model, resumable(tmp_path), epochs=2)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.01)
    fit(model, [*resumable(tmp_path), scheduler], epochs=3)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    fit(make_model(), resumable(tmp_path), epochs=2)
    before = (tmp_path / "checkpoint.npz").read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match=r"No space left.*unchanged.*checkpoint\.npz"):
        fit(make_model(), resumable(tmp_path), epochs=3)
    monkeypatch.undo()
    assert (tmp_path / "checkpoint.npz").read_bytes() == before
    assert fit(make_model(), resumable(tmp_path), epochs=3).epoch == [0, 1, 2]


def test_half_precision_weights_are_restored(tmp_path):
    def make():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, dtype="bfloat16")])
        model.compile("adam", "mse")
        return model

    def train(folder, epochs):
        return make().fit(
            ROWS,
            TARGETS,
            epochs=epochs,
            verbose=0,
            validation_split=0.25,
            callbacks=resumable(folder),
        )

    whole = train(tmp_path / "whole", 3)
    train(tmp_path / "parts", 1)
    assert train(tmp_path / "parts", 3).history == whole.history
    assert sorted(os.listdir(tmp_path / "parts")) == ["checkpoint.npz"]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_order_of_bucketed_batches_is_that_of_the_epoch(tmp_path, workers):
    lengths = np.random.default_rng(1).integers(1, 9, 40)
    texts = [np.arange(1, length + 1, dtype="int32") for length in lengths]
    targets = np.asarray(lengths, "float32")

    def train(folder, epochs):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((None,), dtype="int32")
        x = keras.layers.Embedding(10, 2, mask_zero=True)(inputs)
        x = keras.layers.GlobalAveragePooling1D()(x)
        model = keras.Model(inputs, keras.layers.Dense(1)(x))
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        batches = Bucketed(texts, targets, batch_size=8, lengths=2, workers=workers)
        preset = resumable(folder, patience=None)
        return model.fit(batches, epochs=epochs, verbose=0, callbacks=preset).history

    whole = train(tmp_path / "whole", 4)
    train(tmp_path / "parts", 2)
    assert train(tmp_path / "parts", 4) == whole
