"""Every file that the package writes is the old one or the new one, whatever happens meanwhile."""

import contextlib
import hashlib
import os
import resource
import signal
import subprocess
import sys
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from keras_rnnkit import callbacks, plots
from keras_rnnkit.callbacks.parts import CurvesPicture
from keras_rnnkit.data import DownloadError, load_imdb
from keras_rnnkit.data.downloading import Remote, fetch
from tests.callbacks.support import make_model
from tests.data.conftest import write_imdb

RUN = {"loss": [0.7, 0.5], "val_loss": [0.8, 0.6]}


class Trace(NamedTuple):
    update: Any
    hidden: Any
    mask: Any


TRACE = Trace(np.full((1, 3, 4), 0.5), np.zeros((1, 3, 4)), None)


def one_epoch(callback):
    callback.set_model(make_model())
    callback.set_params({"epochs": 1})
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0, {"loss": 1.0, "val_loss": 1.0})
    callback.on_train_end()


def of_standard(kind):
    """The writer of one callback of the preset: the last of its kind."""

    def write(folder):
        preset = callbacks.standard(folder, overwrite=True)
        one_epoch([one for one in preset if isinstance(one, kind)][-1])

    return write


def best_model(folder):
    one_epoch(callbacks.chapter(folder / "best.keras", overwrite=True)[0])


def cache(folder):
    source = folder.parent / "imdb.npz"
    if not source.exists():
        write_imdb(source)
    load_imdb(path=source, cache_dir=folder, maxlen=5)


def download(folder):
    source = folder.parent / "served.npz"
    if not source.exists():
        source.write_bytes(b"right" * 1000)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    fetch(Remote("served.npz", source.as_uri(), "sha256", digest))


WRITERS = {
    "the best model": best_model,
    "the last model": of_standard(keras.callbacks.ModelCheckpoint),
    "the log": of_standard(keras.callbacks.CSVLogger),
    "the picture of a run": of_standard(CurvesPicture),
    "gates": lambda folder: plots.gates(TRACE, path=folder / "gates.png"),
    "history": lambda folder: plots.history(RUN, path=folder / "history.png"),
    "the cache": cache,
    "a download": download,
}


@pytest.fixture(params=WRITERS)
def written(request, tmp_path, monkeypatch):
    """A writer, the folder that it has written to once, and what is there when it starts anew."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    folder = tmp_path / "datasets"
    folder.mkdir()
    write = WRITERS[request.param]
    write(folder)
    (file,) = folder.iterdir()
    if write in (cache, download):  # these leave a file alone that is right
        file.write_bytes(b"of another version")
    return lambda: write(folder), file, file.read_bytes()


def assert_as_it_was(file, before):
    assert os.listdir(file.parent) == [file.name]
    assert file.read_bytes() == before


@contextlib.contextmanager
def full_disk(limit):
    """No file may grow beyond the limit: what the system answers is an `OSError`."""
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("limit", [0, 20])
def test_a_full_disk_leaves_every_file_as_it_was(written, limit):
    write, file, before = written
    quiet = file.suffix == ".flat"  # a cache that cannot be written is done without
    error = DownloadError if file.name == "served.npz" else OSError
    caught = contextlib.nullcontext() if quiet else pytest.raises(error, match=file.name)
    with full_disk(limit), caught:
        write()
    assert_as_it_was(file, before)


class Death(BaseException):
    """What no handler of errors catches."""


@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_a_death_leaves_every_file_as_it_was(written, monkeypatch, at):
    write, file, before = written

    def die(*arguments):
        raise Death

    monkeypatch.setattr(os, at, die)
    with pytest.raises(Death):
        write()
    assert_as_it_was(file, before)


def test_otherwise_every_file_is_replaced(written):
    write, file, _ = written
    file.write_bytes(b"of another version")
    write()
    assert file.read_bytes() != b"of another version"
    assert os.listdir(file.parent) == [file.name]


TRAIN = """
import os, resource, signal, sys
import keras, numpy as np
import keras_rnnkit as kit

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
folder, moment = sys.argv[1:]
written, replace = [], os.replace


def counted(source, target):
    written.append(target)
    if len(written) == 4 + int(moment):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)


class Better(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs):
        logs["val_loss"] = 9.0 - epoch
        if moment == "-1" and epoch == 2:  # the kernel ends it in the midst of a write
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))


os.replace = counted if moment != "-1" else replace
model = keras.Sequential([keras.Input((4, 2)), kit.GRU(3), keras.layers.Dense(1)])
model.compile("sgd", "mse")
x, y = np.ones((8, 4, 2)), np.ones((8, 1))
preset = kit.callbacks.standard(folder, patience=9, curves=False)
model.fit(x, y, validation_data=(x, y), epochs=5, verbose=0, callbacks=[Better(), *preset])
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", [-1, 0, 1, 2])
def test_a_killed_training_run_leaves_files_that_load(tmp_path, moment):
    command = [sys.executable, "-W", "ignore", "-c", TRAIN, str(tmp_path), str(moment)]
    died = subprocess.run(command, check=False).returncode
    assert died in (-signal.SIGKILL, -signal.SIGXFSZ)
    for name in ("best", "last"):
        assert keras.saving.load_model(tmp_path / f"{name}.keras").count_params()
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert rows[0] == "epoch,loss,val_loss" and len(rows) in (2, 3)
