"""A run that goes on with other settings, after an error at its beginning, or without its files."""

import re
import weakref

import keras
import numpy as np
import pytest

from keras_rnnkit import callbacks
from tests.callbacks.support import (
    Scripted,
    fit,
    make_model,
    read_rows,
    same_weights,
)


def resumable(folder, **options):
    return callbacks.resumable(folder, **{"seed": 3, **options})


def compiled(optimizer=None, loss="mse", **options):
    model = make_model()
    model.compile(optimizer or keras.optimizers.SGD(0.05), loss, metrics=["mae"], **options)
    return model


class RefusesToBegin(keras.callbacks.Callback):
    """Another callback with an error of its own."""

    def on_train_begin(self, logs=None):
        raise LookupError("no server")


def test_a_callback_that_refuses_to_begin_leaves_no_first_epoch(tmp_path):
    fit(make_model(), resumable(tmp_path), epochs=2)
    model = make_model()
    with pytest.raises(LookupError):
        fit(model, [*resumable(tmp_path), RefusesToBegin()], epochs=4)
    assert fit(model, [], epochs=1).epoch == [0]
    with pytest.raises(LookupError):
        fit(model, [*resumable(tmp_path), RefusesToBegin()], epochs=4)
    assert fit(model, resumable(tmp_path), epochs=4).epoch == [0, 1, 2, 3]


SETTINGS = {
    "clipnorm": 1.0,
    "clipvalue": 0.5,
    "global_clipnorm": 1.0,
    "weight_decay": 0.1,
    "momentum": 0.9,
    "nesterov": True,
}


@pytest.mark.parametrize("name", SETTINGS)
def test_other_settings_of_the_optimizer_are_refused(tmp_path, name):
    fit(compiled(), resumable(tmp_path), epochs=1)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    other = compiled(keras.optimizers.SGD(0.05, **{name: SETTINGS[name]}))
    with pytest.raises(ValueError, match=f"another model: its {name} is .*{SETTINGS[name]}"):
        fit(other, resumable(tmp_path), epochs=2)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


def test_other_settings_of_a_moving_average_are_refused(tmp_path):
    def averaged(momentum):
        return compiled(keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=momentum))

    fit(averaged(0.5), resumable(tmp_path), epochs=1)
    with pytest.raises(ValueError, match=r"its ema_momentum is 0\.5, here it is 0\.9\. "):
        fit(averaged(0.9), resumable(tmp_path), epochs=2)
    with pytest.raises(ValueError, match=r"its (ema_momentum|use_ema) is"):
        fit(compiled(), resumable(tmp_path), epochs=2)


def test_another_schedule_of_the_learning_rate_is_refused(tmp_path):
    def scheduled(rate):
        schedule = keras.optimizers.schedules.ExponentialDecay(rate, 10, 0.5)
        return compiled(keras.optimizers.SGD(schedule))

    fit(scheduled(0.05), resumable(tmp_path), epochs=1)
    assert fit(scheduled(0.05), resumable(tmp_path), epochs=2).epoch == [0, 1]
    with pytest.raises(ValueError, match=r"its learning_rate is .*ExponentialDecay.*here it is"):
        fit(scheduled(0.5), resumable(tmp_path), epochs=3)


def a_loss(y, predicted):
    return keras.ops.mean(keras.ops.abs(y - predicted))


class OwnLoss(keras.losses.Loss):
    """A loss without a config of its own."""

    def call(self, y, predicted):
        return keras.ops.mean(keras.ops.abs(y - predicted))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("mae", "its loss is 'mean_squared_error', here it is 'mean_absolute_error'"),
        (a_loss, "here it is 'a_loss'"),
        (keras.losses.Huber(delta=2.0), "here it is .*Huber"),
        (OwnLoss(), "here it is .*OwnLoss"),
    ],
    ids=["name", "function", "instance", "class"],
)
def test_another_loss_is_refused(tmp_path, loss, message):
    fit(compiled(), resumable(tmp_path / "a"), epochs=1)
    with pytest.raises(ValueError, match=message):
        fit(compiled(loss=loss), resumable(tmp_path / "a"), epochs=2)
    fit(compiled(loss=loss), resumable(tmp_path / "b"), epochs=1)
    assert fit(compiled(loss=loss), resumable(tmp_path / "b"), epochs=2).epoch == [0, 1]


def test_the_same_loss_by_another_name_goes_on(tmp_path):
    fit(compiled(loss="mse"), resumable(tmp_path), epochs=1)
    assert fit(compiled(loss="mean_squared_error"), resumable(tmp_path), epochs=2).epoch == [0, 1]


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_lambda_as_loss_goes_on(tmp_path):
    def make(delta):
        return compiled(loss=lambda y, predicted: keras.ops.mean((y - predicted) ** 2) + delta)

    fit(make(0.0), resumable(tmp_path), epochs=1)
    assert fit(make(1.0), resumable(tmp_path), epochs=2).epoch == [0, 1]


def test_other_arguments_of_a_loss_and_other_weights_of_losses_are_refused(tmp_path):
    fit(compiled(loss=keras.losses.Huber(1.0)), resumable(tmp_path / "a"), epochs=1)
    with pytest.raises(ValueError, match=r"delta.*1\.0.*here it is.*delta.*2\.0"):
        fit(compiled(loss=keras.losses.Huber(2.0)), resumable(tmp_path / "a"), epochs=2)
    fit(compiled(loss=["mse"], loss_weights=[1.0]), resumable(tmp_path / "b"), epochs=1)
    with pytest.raises(ValueError, match=r"its loss_weights is '\[1\.0\]', here it is '\[2\.0\]'"):
        fit(compiled(loss=["mse"], loss_weights=[2.0]), resumable(tmp_path / "b"), epochs=2)


@pytest.mark.parametrize(
    "options",
    [
        {"steps_per_execution": 2},
        {"steps_per_execution": 3, "jit_compile": False},
        {"jit_compile": True},
        {"jit_compile": False},
        {"run_eagerly": True},
    ],
    ids=str,
)
def test_a_resumed_history_is_equal_however_steps_are_run(tmp_path, options):
    if keras.config.backend() == "torch" and "run_eagerly" not in options:
        pytest.skip("Keras on PyTorch has one step in an execution, and does not compile it")
    preset = {"patience": None}

    def train(folder, epochs):
        model = compiled(keras.optimizers.Adam(0.05), **options)
        return fit(model, resumable(folder, **preset), epochs=epochs).history

    whole = train(tmp_path / "whole", 3)
    train(tmp_path / "parts", 1)
    assert train(tmp_path / "parts", 3) == whole


def _without_seconds(log):
    return re.sub(rb'"seconds": [0-9.e-]+', b"", log)


@pytest.mark.parametrize("missing", ["best.keras", "last.keras", "log.csv", "log.jsonl"])
def test_standard_writes_a_deleted_file_again(tmp_path, missing):
    losses = [1.0, 2.0, 3.0]
    script = Scripted(losses)
    preset = {"resume": True, "curves": False, "seed": 3}
    fit(make_model(), [script, *callbacks.standard(tmp_path, **preset)], epochs=2)
    content = (tmp_path / missing).read_bytes()
    (tmp_path / missing).unlink()
    model = make_model()
    fit(model, callbacks.standard(tmp_path, **preset), epochs=2)
    if not missing.endswith(".keras"):
        assert _without_seconds((tmp_path / missing).read_bytes()) == _without_seconds(content)
        return
    saved = keras.saving.load_model(tmp_path / missing)
    expected = script.weights[0 if missing == "best.keras" else 1]
    assert all(map(np.array_equal, saved.get_weights(), expected))
    (tmp_path / missing).unlink()
    fit(make_model(), [Scripted(losses), *callbacks.standard(tmp_path, **preset)], epochs=3)
    assert len(read_rows(tmp_path / "log.csv")) == 3  # no later epoch is better
    assert (tmp_path / missing).exists()


def test_a_file_that_is_there_is_not_written_again(tmp_path):
    preset = {"resume": True, "curves": False, "seed": 3}
    model = make_model()
    fit(model, callbacks.standard(tmp_path, **preset), epochs=2)
    for name in ("best.keras", "last.keras", "log.csv", "log.jsonl"):
        (tmp_path / name).write_bytes(b"mine")
    other = make_model()
    fit(other, callbacks.standard(tmp_path, **preset), epochs=2)
    assert (tmp_path / "best.keras").read_bytes() == b"mine"
    assert (tmp_path / "last.keras").read_bytes() == b"mine"
    assert same_weights(model, other)


def test_a_run_that_has_no_best_epoch_yet_goes_on(tmp_path):
    losses = [float("nan"), 1.0]
    preset = {"resume": True, "curves": False, "seed": 3}
    fit(make_model(), [Scripted(losses), *callbacks.standard(tmp_path, **preset)], epochs=1)
    assert not (tmp_path / "best.keras").exists()
    fit(make_model(), callbacks.standard(tmp_path, **preset), epochs=1)
    assert not (tmp_path / "best.keras").exists()
    fit(make_model(), [Scripted(losses), *callbacks.standard(tmp_path, **preset)], epochs=2)
    assert (tmp_path / "best.keras").exists()


def test_a_model_that_is_not_built_is_refused(tmp_path):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    if keras.config.backend() == "tensorflow":  # the others build it before callbacks are called
        with pytest.raises(ValueError, match=r"`model` must be built.*keras\.Input"):
            fit(model, resumable(tmp_path), epochs=1)


def test_a_loop_of_ones_own_can_free_what_it_holds(tmp_path):
    class Held:
        pass

    def fit(model):  # of the same name as that of Keras
        held = Held()
        gone = weakref.ref(held)
        driven = keras.callbacks.CallbackList(resumable(tmp_path, patience=None), model=model)
        driven.on_train_begin()
        del held  # such as the wrapper of PyTorch, which must go before its group of processes
        driven.on_train_end()
        return gone()

    assert fit(make_model()) is None
