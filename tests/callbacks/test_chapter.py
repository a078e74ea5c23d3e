"""The chapter's two callbacks: what they keep, when they stop, what they refuse."""

import keras
import numpy as np
import pytest

from keras_rnnkit import callbacks
from tests.callbacks.support import Scripted, fit, make_model, same_weights

pytestmark = pytest.mark.slow_on("jax", "tensorflow")


def test_returns_the_two_of_the_chapter(tmp_path):
    checkpoint, stopping = callbacks.chapter(tmp_path / "best.keras")
    assert isinstance(checkpoint, keras.callbacks.ModelCheckpoint)
    assert checkpoint.save_best_only and not checkpoint.save_weights_only
    assert isinstance(stopping, keras.callbacks.EarlyStopping)
    assert stopping.patience == 3 and stopping.restore_best_weights
    assert {checkpoint.monitor, stopping.monitor} == {"val_loss"}


def test_saves_and_restores_the_best_epoch_and_stops(tmp_path):
    script = Scripted([5.0, 3.0, 4.0, 4.0, 4.0, 1.0])
    model = make_model()
    history = fit(model, [script, *callbacks.chapter(tmp_path / "best.keras")], epochs=6)
    assert history.epoch == [0, 1, 2, 3, 4]  # three epochs after the best, the second
    best = script.weights[1]
    assert not np.array_equal(best[0], script.weights[-1][0])
    saved = keras.saving.load_model(tmp_path / "best.keras", safe_mode=True)
    assert np.array_equal(model.get_weights()[0], best[0])
    assert same_weights(saved, model)


def test_maximises_when_told(tmp_path):
    script = Scripted([1.0, 3.0, 2.0], name="val_mae")
    preset = callbacks.chapter(tmp_path / "best.keras", monitor="val_mae", mode="max")
    model = make_model()
    fit(model, [script, *preset], epochs=3)
    assert np.array_equal(model.get_weights()[0], script.weights[1][0])


def test_works_with_plain_training_and_a_missing_folder(tmp_path):
    path = tmp_path / "new" / "er" / "best.keras"
    preset = callbacks.chapter(str(path))
    assert not path.parent.exists()
    model = make_model()
    history = fit(model, preset)
    assert same_weights(keras.saving.load_model(path), model)
    assert history.history["val_loss"][-1] < history.history["val_loss"][0]


def test_a_folder_with_braces_is_taken_as_it_stands(tmp_path):
    path = tmp_path / "{epoch}" / "best.keras"
    fit(make_model(), callbacks.chapter(path), epochs=1)
    assert path.is_file()


@pytest.mark.parametrize("first", [[float("nan")] * 2, [float("nan"), float("nan"), 2.0]], ids=str)
def test_nan_is_never_the_best(tmp_path, first):
    script = Scripted([*first, 5.0, 3.0])
    path = tmp_path / "best.keras"
    model = make_model()
    fit(model, [script, *callbacks.chapter(path)], epochs=len(script.values))
    best = int(np.nanargmin(script.values))
    assert np.array_equal(model.get_weights()[0], script.weights[best][0])
    assert same_weights(keras.saving.load_model(path), model)


def test_nan_uses_up_patience(tmp_path):
    path = tmp_path / "best.keras"
    script = Scripted([float("nan")] * 6)
    history = fit(make_model(), [script, *callbacks.chapter(path, patience=2)], epochs=6)
    assert len(history.epoch) == 2
    assert not path.exists()


def test_existing_file_is_refused_at_construction(tmp_path):
    path = tmp_path / "best.keras"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match=r"best\.keras.*overwrite=True"):
        callbacks.chapter(path)
    assert path.read_text() == "precious"


def test_existing_file_is_replaced_when_asked(tmp_path):
    path = tmp_path / "best.keras"
    path.write_text("worthless")
    model = make_model()
    fit(model, callbacks.chapter(path, overwrite=True))
    assert same_weights(keras.saving.load_model(path), model)


def test_a_list_serves_one_fit(tmp_path):
    path = tmp_path / "best.keras"
    preset = callbacks.chapter(path)
    fit(make_model(), preset, epochs=1)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="filepath"):
        fit(make_model(), preset, epochs=1)
    assert path.read_bytes() == before


def test_a_list_that_may_overwrite_starts_afresh(tmp_path):
    path = tmp_path / "best.keras"
    preset = callbacks.chapter(path, overwrite=True)
    fit(make_model(), [Scripted([1.0]), *preset], epochs=1)
    worse = make_model(learning_rate=0.001)
    fit(worse, [Scripted([2.0]), *preset], epochs=1)
    assert same_weights(keras.saving.load_model(path), worse)


@pytest.mark.parametrize("name", ["best.h5", "best", "best.weights.h5", "best.KERAS", ".keras"])
def test_wrong_suffix_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"filepath.*\.keras"):
        callbacks.chapter(tmp_path / name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"monitor": ""}, "monitor"),
        ({"monitor": None}, "monitor"),
        ({"mode": "lowest"}, "mode.*lowest"),
        ({"patience": 0}, "patience"),
        ({"patience": 2.5}, "patience"),
        ({"patience": True}, "patience"),
        ({"validation_freq": 0}, "validation_freq"),
        ({"validation_freq": []}, "validation_freq"),
        ({"validation_freq": "2"}, "validation_freq"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        callbacks.chapter(tmp_path / "best.keras", **arguments)


def test_placeholders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="placeholders"):
        callbacks.chapter(tmp_path / "{epoch:02d}.keras")
