"""Ctrl-C in a training with the `standard` callbacks."""

import signal
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_rnnkit import callbacks
from keras_rnnkit.callbacks import _interrupt
from tests.callbacks.support import (
    FILES,
    PNG,
    Scripted,
    fit,
    listed,
    make_model,
)

pytestmark = pytest.mark.slow_on("jax", "tensorflow")


def test_curves_are_drawn_after_an_interrupt(tmp_path, capsys):
    model, best = make_model(), Scripted([1.0, 2.0, 3.0])

    class CtrlC(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_begin(self, batch, logs=None):
            if (self.epoch, batch) == (2, 1):
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(model, [best, *callbacks.standard(tmp_path), CtrlC()])
    assert "Interrupted in epoch 3: the model has its best weights, those of epoch 1" in (
        capsys.readouterr().out
    )
    assert np.array_equal(model.get_weights()[0], best.weights[0][0])
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_after_a_run_that_failed(tmp_path, capsys):
    class Failing(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit(make_model(), [*callbacks.standard(tmp_path), Failing()])
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(ZeroDivisionError):
        fit(make_model(), [*callbacks.standard(tmp_path), Failing()])
    test_curves_are_drawn_after_an_interrupt(tmp_path / "next", capsys)


def test_after_an_interrupt_the_weights_are_those_that_it_says(tmp_path, capsys):
    """Keras on JAX puts the moving average into the model, whatever a callback has put there."""

    class CtrlC(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                signal.raise_signal(signal.SIGINT)

    best, model = Scripted([1.0, 2.0, 3.0]), make_model()
    model.compile(keras.optimizers.SGD(0.05, use_ema=True), "mse")
    with pytest.raises(KeyboardInterrupt):
        fit(model, [best, *callbacks.standard(tmp_path, curves=False), CtrlC()])
    said = "the model has its best weights" in capsys.readouterr().out
    assert said == np.array_equal(model.get_weights()[0], best.weights[0][0])


@pytest.mark.parametrize("resume", [False, True])
def test_an_interrupt_after_the_last_batch_is_not_lost(tmp_path, capsys, resume):
    """While the files of the last epoch are written, no further batch comes."""

    class CtrlC(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                signal.raise_signal(signal.SIGINT)

    best, model = Scripted([1.0, 2.0]), make_model()
    preset = callbacks.standard(tmp_path, resume=resume)
    with pytest.raises(KeyboardInterrupt):
        fit(model, [best, *preset, CtrlC()], epochs=2)
    assert "Interrupted in epoch 2: the model has its best weights" in capsys.readouterr().out
    assert np.array_equal(model.get_weights()[0], best.weights[0][0])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert listed(tmp_path) == sorted([*FILES, *["checkpoint.npz"] * resume])


def test_a_second_interrupt_does_not_wait(tmp_path):
    class CtrlCTwice(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("unreachable")

    with pytest.raises(KeyboardInterrupt):
        fit(make_model(), [*callbacks.standard(tmp_path), CtrlCTwice()])


def test_an_interrupt_in_the_first_epoch_keeps_the_latest_weights(tmp_path, capsys):
    class CtrlC(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(make_model(), [*callbacks.standard(tmp_path), CtrlC()])
    assert "Interrupted in epoch 1: the model has its latest weights" in capsys.readouterr().out
    assert not (tmp_path / "curves.png").exists()


def test_an_interrupt_leaves_weights_that_several_processes_share(tmp_path, capsys, monkeypatch):
    shared, own = (SimpleNamespace(value=SimpleNamespace(is_fully_addressable=v)) for v in (0, 1))
    assert _interrupt.in_several_processes(SimpleNamespace(weights=[own, shared]))
    assert not _interrupt.in_several_processes(SimpleNamespace(weights=[own]))
    model, best = make_model(), Scripted([1.0, 2.0, 3.0])
    assert not _interrupt.in_several_processes(model)
    monkeypatch.setattr(_interrupt, "in_several_processes", lambda model: True)

    class CtrlC(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(model, [best, *callbacks.standard(tmp_path), CtrlC()])
    assert "Interrupted in epoch 3: the model has its latest weights" in capsys.readouterr().out
    assert not np.array_equal(model.get_weights()[0], best.weights[0][0])
