"""The line of progress: one, in a terminal, in a notebook and in a log file."""

import io
import sys
import types

import keras
import pytest
from rich.console import Console

from keras_rnnkit import callbacks
from keras_rnnkit.callbacks import _screens
from keras_rnnkit.callbacks.progress_line import ProgressLine, _duration
from tests.callbacks.support import fit, make_model

pytestmark = pytest.mark.slow_on("jax", "tensorflow")


def run(monkeypatch, *, pause=0.0, log_pause=0.0, epochs=3, **console):
    monkeypatch.setattr(_screens.Screen, "_pause", pause)
    monkeypatch.setattr(_screens.LogFile, "_pause", log_pause)
    file = io.StringIO()
    line = ProgressLine(Console(file=file, width=80, **console))
    fit(make_model(), [line], epochs=epochs, verbose=1)
    return file.getvalue()


def test_a_terminal_has_one_line(monkeypatch):
    text = run(monkeypatch, force_terminal=True)
    assert text.count("\n") == 1 and text.endswith("\n")
    last = text.split("\r")[-1]
    assert "epoch 3/3" in last and "val_loss" in last and "in all" in last
    assert len(text.split("\r")) > 10


def test_a_terminal_is_calm(monkeypatch):
    text = run(monkeypatch, force_terminal=True, pause=1000.0)
    assert len(text.split("\r")) == 3  # the first batch, and the end


def test_a_log_file_has_a_line_for_each_epoch(monkeypatch):
    lines = run(monkeypatch).splitlines()
    assert [line[:9] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all("\r" not in line and "\x1b" not in line for line in lines)
    assert " left " in lines[0] and "loss" in lines[0]


def lines_of_log(epochs):
    """The lines for so many epochs of training, without the training."""
    file = io.StringIO()
    line = ProgressLine(Console(file=file, width=80))
    line.set_params({"epochs": epochs, "steps": 1})
    line.on_train_begin()
    for epoch in range(epochs):
        line.on_epoch_begin(epoch)
        line.on_train_batch_end(0, {"loss": 1.0})
        line.on_epoch_end(epoch, {"loss": 1.0})
    line.on_train_end()
    return len(file.getvalue().splitlines())


def test_a_log_file_has_at_most_a_hundred_lines(monkeypatch):
    assert lines_of_log(2000) == 2  # the first and the last: they took less than ten seconds
    monkeypatch.setattr(_screens.LogFile, "_pause", 0.0)
    assert lines_of_log(2000) == 100
    assert 50 < lines_of_log(250) <= 101


def test_a_notebook_has_one_output(monkeypatch):
    shown = []

    class Handle:
        def update(self, content, raw):
            shown.append(content["text/plain"])

    def display(content, raw, display_id):
        shown.append(content["text/plain"])
        shown.append("shown")
        return Handle()

    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    module = types.ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    assert run(monkeypatch, force_jupyter=True) == ""
    assert shown.count("shown") == 1 and len(shown) > 5
    assert shown[-1].startswith("epoch 3/3") and "val_loss" in shown[-1]


@pytest.mark.parametrize("verbose", ["auto", 0, 1])
def test_it_takes_the_place_of_the_bar_of_keras(capsys, verbose):
    fit(make_model(), callbacks.progress(), epochs=2, verbose=verbose)
    printed = capsys.readouterr().out.splitlines()
    assert [line[:9] for line in printed] == ["epoch 1/2", "epoch 2/2"]


def test_a_run_of_unknown_length_and_one_that_stops(capsys):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    fit(make_model(), [*callbacks.progress(), Stop()], epochs=9)
    assert capsys.readouterr().out.splitlines()[-1].startswith("epoch 2/9")


def test_other_uses_of_the_list_are_silent(capsys):
    model, line = make_model(), callbacks.progress()
    fit(model, [], epochs=1)
    from tests.callbacks.support import ROWS, TARGETS

    model.evaluate(ROWS, TARGETS, verbose=0, callbacks=line)
    model.predict(ROWS, verbose=0, callbacks=line)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4.4, "0:04"),
        (75, "1:15"),
        (3723, "1:02:03"),
        (float("nan"), "-:--"),
        (float("inf"), "-:--"),
    ],
)
def test_durations(seconds, text):
    assert _duration(seconds) == text
