"""The standard preset: five files, early stopping, a plateau, NaN."""

import sys

import keras
import numpy as np
import pytest

from keras_rnnkit import callbacks
from tests.callbacks.support import (
    FILES,
    PNG,
    Scripted,
    Witness,
    fit,
    listed,
    make_model,
    read_rows,
    same_weights,
)

MODELS_AND_LOGS = ["best.keras", "last.keras", "log.csv", "log.jsonl"]


def test_leaves_five_files_behind(tmp_path):
    folder = tmp_path / "runs" / "one"
    history = fit(make_model(), callbacks.standard(folder))
    assert listed(folder) == FILES
    rows = read_rows(folder / "log.csv")
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    assert [float(row["val_loss"]) for row in rows] == history.history["val_loss"]


def test_the_picture_is_a_picture(tmp_path):
    import matplotlib.image

    fit(make_model(), callbacks.standard(tmp_path))
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)
    pixels = matplotlib.image.imread(tmp_path / "curves.png")
    assert pixels.std() > 0.01 and min(pixels.shape[:2]) > 300


def test_keeps_best_and_last_and_restores_the_best(tmp_path):
    script = Scripted([5.0, 3.0, 4.0, 4.0])
    model = make_model()
    fit(model, [script, *callbacks.standard(tmp_path, patience=2)])
    best, last = (keras.saving.load_model(tmp_path / f"{name}.keras") for name in ("best", "last"))
    assert np.array_equal(best.get_weights()[0], script.weights[1][0])
    assert np.array_equal(last.get_weights()[0], script.weights[3][0])
    assert same_weights(model, best) and not same_weights(model, last)


class PoisonedIn(keras.callbacks.Callback):
    """Makes the weights NaN when an epoch begins."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch, self.before = epoch, None

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            self.before = self.model.get_weights()
            self.model.set_weights([np.full_like(w, np.nan) for w in self.before])


def test_stops_when_the_loss_is_nan(tmp_path, capsys):
    history = fit(make_model(), [*callbacks.standard(tmp_path), PoisonedIn(0)])
    assert len(history.epoch) == 1
    assert listed(tmp_path) == ["curves.png", "log.csv", "log.jsonl"]  # no model among NaN
    assert "The loss is nan in epoch 1, batch 1" in capsys.readouterr().out
    assert '"loss": null' in (tmp_path / "log.jsonl").read_text()


@pytest.mark.parametrize("resume", [False, True])
def test_the_last_good_weights_are_kept_on_nan(tmp_path, capsys, resume):
    poison, model = PoisonedIn(2), make_model()
    preset = callbacks.standard(tmp_path, resume=resume)
    history = fit(model, [*preset, Scripted([1.0, 2.0, 3.0]), poison])
    assert history.epoch == [0, 1, 2]
    assert "in epoch 3, batch 1" in capsys.readouterr().out
    last = keras.saving.load_model(tmp_path / "last.keras")
    assert np.array_equal(last.get_weights()[0], poison.before[0])
    assert np.isfinite(model.get_weights()[0]).all()  # the best ones
    if resume:
        again = make_model()
        script = Scripted([1.0, 2.0, 3.0, 4.0])
        fit(again, [*callbacks.standard(tmp_path, resume=True), script], epochs=3)
        assert len(script.weights) == 1  # the epoch with NaN is trained again


@pytest.mark.parametrize("preset", ["standard", "chapter"])
def test_weights_of_nan_are_never_the_best_ones(tmp_path, preset):
    """A metric can be a number, and high, when the outputs are NaN: that of a frequent class."""
    poison, model = PoisonedIn(1), make_model()
    options = {"monitor": "val_score", "mode": "max"}
    model.compile("sgd", "mse", metrics=[score])
    if preset == "standard":
        ready, best = callbacks.standard(tmp_path, **options), tmp_path / "best.keras"
    else:
        best = tmp_path / "best.keras"
        ready = callbacks.chapter(best, **options)
    fit(model, [Scripted([0.1, 0.9], name="val_score"), *ready, poison], epochs=2)
    assert np.array_equal(model.get_weights()[0], poison.before[0])
    saved = keras.saving.load_model(best, custom_objects={"score": score})
    assert np.array_equal(saved.get_weights()[0], poison.before[0])


def score(targets, outputs):
    return keras.ops.mean(outputs - targets, axis=-1)


def test_without_a_best_epoch_the_last_good_weights_are_in_the_model(tmp_path):
    poison, model = PoisonedIn(1), make_model()
    fit(model, [*callbacks.resumable(tmp_path, patience=None), poison], validation_data=None)
    assert np.array_equal(model.get_weights()[0], poison.before[0])


def test_the_model_is_not_taken_after_every_batch(tmp_path, monkeypatch):
    """On JAX, each time a callback takes the model, all variables are fetched."""
    taken = []
    model_of = keras.callbacks.Callback.model.fget

    def counted(callback):
        taken.append(callback)
        return model_of(callback)

    monkeypatch.setattr(keras.callbacks.Callback, "model", property(counted))
    counts = []
    for size in (1, 8):
        taken.clear()
        preset = callbacks.standard(tmp_path, resume=True, overwrite=True, curves=False)
        fit(make_model(), [*preset, *callbacks.progress()], epochs=2, batch_size=size)
        counts.append(len(taken))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(("factor", "expected"), [(None, 0.01), (0.5, 0.0025)])
def test_the_learning_rate_falls_on_a_plateau_only_if_asked(tmp_path, factor, expected):
    model = make_model(learning_rate=0.01)
    script = Scripted([1.0, 2.0, 2.0, 2.0])
    ready = callbacks.standard(tmp_path, reduce_lr=factor, patience=3)
    fit(model, [script, *ready], epochs=3)
    assert np.isclose(keras.ops.convert_to_numpy(model.optimizer.learning_rate), expected)


def test_log_and_curves_with_rare_validation(tmp_path):
    ready = callbacks.standard(tmp_path, validation_freq=2)
    fit(make_model(), ready, epochs=4, validation_freq=2)
    rows = read_rows(tmp_path / "log.csv")
    assert [row["val_loss"] == "NA" for row in rows] == [True, False, True, False]
    assert listed(tmp_path) == FILES


def test_without_curves_no_picture_is_drawn(tmp_path):
    fit(make_model(), callbacks.standard(tmp_path, curves=False))
    assert listed(tmp_path) == MODELS_AND_LOGS


@pytest.mark.parametrize("name", MODELS_AND_LOGS)
def test_no_model_and_no_log_is_overwritten(tmp_path, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(FileExistsError, match=rf"{name}.*`folder`.*overwrite=True"):
        callbacks.standard(tmp_path)
    assert (tmp_path / name).read_text() == "precious"


def test_a_picture_is_drawn_over_another(tmp_path):
    (tmp_path / "curves.png").write_text("of the run before")
    fit(make_model(), callbacks.standard(tmp_path), epochs=1)
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    preset = callbacks.standard("~/run {epoch}")
    fit(make_model(), [*preset, *callbacks.chapter("~/chapter/best.keras")], epochs=1)
    assert listed(tmp_path / "run {epoch}") == FILES
    assert listed(tmp_path / "chapter") == ["best.keras"]


def test_files_that_came_since_are_not_overwritten_either(tmp_path):
    early, late = callbacks.standard(tmp_path), callbacks.standard(tmp_path)
    fit(make_model(), early, epochs=2)
    witness = Witness()
    with pytest.raises(FileExistsError):
        fit(make_model(), [*late, witness], epochs=1)
    assert witness.batches == 0  # before the training, not after it
    assert len(read_rows(tmp_path / "log.csv")) == 2


def test_other_files_in_the_folder_do_not_matter(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    fit(make_model(), callbacks.standard(tmp_path), epochs=1)
    assert listed(tmp_path) == [*FILES, "notes.txt"]


def test_existing_files_are_replaced_when_asked(tmp_path):
    fit(make_model(), callbacks.standard(tmp_path), epochs=4)
    ready = callbacks.standard(tmp_path, overwrite=True)
    fit(make_model(), ready, epochs=2)
    assert len(read_rows(tmp_path / "log.csv")) == 2
    fit(make_model(), ready, epochs=3)
    assert len(read_rows(tmp_path / "log.csv")) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reduce_lr": 1.0}, "reduce_lr.*1.0"),
        ({"reduce_lr": 0.0}, "reduce_lr.*0.0"),
        ({"reduce_lr": "half"}, "reduce_lr.*half"),
        ({"reduce_lr_patience": 2}, "without `reduce_lr`"),
        ({"reduce_lr": 0.5, "reduce_lr_patience": 3}, "less than patience=3"),
        ({"reduce_lr": 0.5, "reduce_lr_patience": 0}, "reduce_lr_patience"),
        ({"patience": -1}, "patience"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        callbacks.standard(tmp_path, **arguments)


def test_missing_matplotlib_is_said_at_construction(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "keras-rnnkit\[plot\]"'):
        callbacks.standard(tmp_path)
    fit(make_model(), callbacks.standard(tmp_path, curves=False), epochs=1)
