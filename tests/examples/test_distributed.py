"""The programs of examples/distributed: two processes train as one does, and survive a kill."""

import importlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "distributed"
NAME = f"train_{keras.config.backend()}"
MODULES = (NAME, "_launch", "_task")
LIMIT = 120  # seconds, for a machine with much else to do
CHILDREN = {
    "PYTHONFAULTHANDLER": "1",
    "KERAS_RNNKIT_STACKS_AFTER": "90",  # seconds, below LIMIT
}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a signal of POSIX systems")


@pytest.fixture
def program(monkeypatch):
    """The program of this backend, as a module."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module(NAME)
    for name in MODULES:
        sys.modules.pop(name, None)


def alone(program, folder, task):
    """The losses of 20 steps in this process."""
    file = folder / "alone.json"
    arguments = ["--task", task, "--folder", str(folder / "alone"), "--losses", str(file)]
    program.train(program.options(arguments), program.Place(0, 1, ""))
    return json.loads(file.read_text())


def start(script, folder, task, model=None, **variables):
    """Start the program in two processes; how it ended, and the losses of the steps it made."""
    file = folder / "losses.json"
    arguments = ["--task", task, "--folder", str(folder / "run"), "--losses", str(file)]
    arguments += [] if model is None else ["--model", str(model)]
    try:
        done = subprocess.run(
            [sys.executable, str(script), *arguments],
            env=os.environ | CHILDREN | variables,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        pytest.fail(f"{error}, where:\n{(error.stderr or b'').decode()}")
    return done, json.loads(file.read_text()) if file.exists() else None


@pytest.mark.parametrize("task", ["classifier", "tagger"])
def test_two_processes_have_the_losses_of_one(program, tmp_path, task):
    done, losses = start(FOLDER / f"{NAME}.py", tmp_path, task)
    assert done.returncode == 0, done.stderr
    assert "epoch 4/4" in done.stdout
    assert done.stdout.count("epoch 1/4") == 1  # process 0 alone shows the progress
    assert len(losses) == 20
    np.testing.assert_allclose(losses, alone(program, tmp_path, task), rtol=0, atol=1e-5)


# It starts two processes twice, which takes these longest.
@pytest.mark.slow_on("jax", "tensorflow")
@pytest.mark.parametrize("rank", ["0", "1"])
def test_when_one_process_is_killed_the_others_end_and_the_run_goes_on(program, tmp_path, rank):
    died = tmp_path / "died"
    dying = Path(__file__).with_name("dying.py")
    variables = {"PROGRAM": str(FOLDER / f"{NAME}.py"), "DIED": str(died), "DYING": rank}
    done, losses = start(dying, tmp_path, "classifier", **variables)
    assert time.time() - float(died.read_text()) < 10
    assert done.returncode == 1
    assert f"Process {rank} of 2 (pid " in done.stderr
    assert "was ended by SIGKILL" in done.stderr
    assert losses is None
    saved = tmp_path / "model.keras"
    done, losses = start(FOLDER / f"{NAME}.py", tmp_path, "classifier", model=saved)
    assert done.returncode == 0, done.stderr
    words = np.array([[30, 31, 32, 0], [3, 4, 0, 0]], "int32")
    assert keras.saving.load_model(saved).predict(words, verbose=0)["answer"].shape == (2, 1)
    whole = alone(program, tmp_path, "classifier")
    np.testing.assert_allclose(losses, whole[10:], rtol=0, atol=1e-5)  # from the third epoch on


@pytest.mark.no_backend
def test_what_the_launcher_says_of_signals_and_of_a_place_that_is_not_complete(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    launch = importlib.import_module("_launch")
    monkeypatch.delitem(sys.modules, "_launch")
    assert launch._how(-9) == "was ended by SIGKILL"
    assert launch._how(-40) == "was ended by signal 40"
    assert launch._how(3) == "failed with exit status 3"
    for name in launch.PLACE:
        monkeypatch.delenv(name, raising=False)
    assert launch.place() == (0, 1, "")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(SystemExit, match=r"Set RANK, .*Missing: WORLD_SIZE, MASTER_ADDR, MASTER_P"):
        launch.place()


@pytest.mark.no_backend
def test_the_page_shows_lines_of_the_programs():
    page = (FOLDER.parents[1] / "docs" / "how-to" / "machines.md").read_text("utf-8")
    blocks = re.findall(r"^```py\n# examples/distributed/(\S+)\n(.*?)^```$", page, re.M | re.S)
    assert [name for name, _ in blocks] == [
        "train_jax.py",
        "train_torch.py",
        "train_tensorflow.py",
        "_task.py",
    ]
    for name, block in blocks:
        lines = [line.strip() for line in (FOLDER / name).read_text("utf-8").splitlines()]
        assert {line.strip() for line in block.splitlines()} <= set(lines)
