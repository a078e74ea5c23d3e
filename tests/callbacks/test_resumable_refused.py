"""What a resumable run refuses: other models, other options, damaged files, wrong arguments."""

import keras
import pytest

from keras_rnnkit import callbacks
from keras_rnnkit.callbacks import _model_state
from tests.callbacks.support import fit, listed, make_model, resumable

pytestmark = pytest.mark.slow_on("jax", "tensorflow")


def test_a_run_that_was_not_resumable_is_not_overwritten(tmp_path):
    fit(make_model(), callbacks.standard(tmp_path), epochs=1)
    with pytest.raises(FileExistsError, match=r"best\.keras"):
        fit(make_model(), callbacks.standard(tmp_path, resume=True), epochs=1)
    assert not (tmp_path / "checkpoint.npz").exists()


def deeper():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(2), keras.layers.Dense(1, activation="tanh")]
    )
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def wider():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="tanh")])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def with_adam():
    model = make_model()
    model.compile("adam", "mse", metrics=["mae"])
    return model


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (deeper, "other arguments|layers"),
        (wider, "layer 0, Dense, has other arguments"),
        (with_adam, "optimizer is 'SGD', here it is 'Adam'"),
    ],
)
def test_the_checkpoint_of_another_model_is_refused(tmp_path, other, message):
    fit(make_model(), resumable(tmp_path), epochs=1)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    with pytest.raises(ValueError, match=f"another model.*({message})"):
        fit(other(), resumable(tmp_path), epochs=2)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before
    assert not (tmp_path / "run.lock").exists()


def test_the_checkpoint_of_another_backend_is_refused(tmp_path, monkeypatch):
    describe = _model_state.describe
    changed = {"backend": "numpy"}
    monkeypatch.setattr(
        "keras_rnnkit.callbacks._resume.describe", lambda model: {**describe(model), **changed}
    )
    fit(make_model(), resumable(tmp_path), epochs=1)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="its backend is 'numpy', here"):
        fit(make_model(), resumable(tmp_path), epochs=2)


def test_other_options_than_those_of_the_run_are_refused(tmp_path):
    fit(make_model(), resumable(tmp_path), epochs=1)
    with pytest.raises(ValueError, match=r"`seed` must be 3.*Received: seed=4"):
        fit(make_model(), resumable(tmp_path, seed=4), epochs=2)
    with pytest.raises(ValueError, match=r"`monitor` must be 'val_loss'.*'val_mae'"):
        fit(make_model(), resumable(tmp_path, monitor="val_mae"), epochs=2)


@pytest.mark.parametrize("damage", ["cut", "changed", "other"])
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    fit(make_model(), resumable(tmp_path), epochs=1)
    file = tmp_path / "checkpoint.npz"
    content = file.read_bytes()
    place = content.index(b"val_loss") + 2
    damaged = {
        "cut": content[: len(content) // 2],
        "changed": content[:place] + b"X" + content[place + 1 :],
        "other": b"notes",
    }[damage]
    file.write_bytes(damaged)
    with pytest.raises(ValueError, match="overwrite=True to start anew"):
        fit(make_model(), resumable(tmp_path), epochs=2)
    assert file.read_bytes() == damaged


def test_a_keras_that_ignores_the_first_epoch_is_an_error(tmp_path, monkeypatch):
    fit(make_model(), resumable(tmp_path), epochs=1)

    class Stubborn(keras.Model):
        _initial_epoch = property(lambda self: None, lambda self, value: None)

    with pytest.raises(RuntimeError, match=r"fit\(initial_epoch=1\)"):
        fit(make_model(model_class=Stubborn), resumable(tmp_path), epochs=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "`seed`.*seed=-1"),
        ({"seed": 2**32}, "`seed`"),
        ({"patience": 0}, "`patience`"),
        ({"monitor": ""}, "`monitor`"),
        ({"reduce_lr": 2.0, "patience": None}, "`reduce_lr`"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        callbacks.resumable(tmp_path, **arguments)
    with pytest.raises(ValueError, match="without resume=True"):
        callbacks.standard(tmp_path, seed=1)


def test_a_metric_that_is_never_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'val_f1' will never be there"):
        fit(make_model(), resumable(tmp_path, monitor="val_f1"), epochs=1)


def test_a_refused_run_leaves_no_lock(tmp_path):
    fit(make_model(), resumable(tmp_path, monitor="loss"), epochs=1)
    with pytest.raises(ValueError, match="monitor"):
        fit(make_model(), resumable(tmp_path, monitor="mae"), epochs=2)
    assert listed(tmp_path) == ["checkpoint.npz"]
