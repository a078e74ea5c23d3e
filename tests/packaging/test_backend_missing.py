"""Without a backend, or with a wrong one, the error is one line that says what to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from keras_rnnkit import _backend

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = ("jax", "tensorflow", "torch")


def failed_import(tmp_path, missing=(), backend=None, settings=None):
    """The lines of the error of `import keras_rnnkit` without some backends."""
    if settings is not None:
        (tmp_path / "keras.json").write_text(settings)
    variables = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    variables |= {"KERAS_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    if backend is not None:
        variables["KERAS_BACKEND"] = backend
    blocked = f"import sys\nsys.modules.update({dict.fromkeys(missing)})\n"
    result = subprocess.run(
        [sys.executable, "-c", f"{blocked}import keras_rnnkit"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "During handling" not in result.stderr and "direct cause" not in result.stderr
    errors = [
        line for line in result.stderr.splitlines() if not line.startswith((" ", "Traceback"))
    ]
    assert errors[-1].startswith("ImportError: ")
    return errors


@pytest.mark.parametrize("backend", [None, "", *BACKENDS, "pytorch"])
def test_without_any_backend_one_line_says_what_to_install(tmp_path, backend):
    (error,) = failed_import(tmp_path, BACKENDS, backend)
    for name in BACKENDS:
        assert f'pip install "keras-rnnkit[{name}]"' in error


@pytest.mark.parametrize("how", ["default", "variable", "settings"])
def test_a_backend_that_is_not_installed_names_the_one_that_is(tmp_path, how):
    there = keras.config.backend()
    wanted = "tensorflow" if there != "tensorflow" else "torch"
    missing = [name for name in BACKENDS if name != there]
    if how == "default" and there == "tensorflow":
        return  # Keras' default is there
    backend = {"variable": wanted}.get(how)
    settings = json.dumps({"backend": wanted}) if how == "settings" else None
    (error,) = failed_import(tmp_path, missing, backend, settings)
    assert f"a backend that is not installed; {there} is" in error
    assert error.endswith(f"Received: backend={wanted!r}")
    assert f"KERAS_BACKEND={there} " in error
    assert f'pip install "keras-rnnkit[{wanted}]"' in error


@pytest.mark.parametrize("backend", ["pytorch", "JAX", "theano", "numpy"])
def test_a_backend_that_is_none_of_the_three_is_named(tmp_path, backend):
    (error,) = failed_import(tmp_path, backend=backend)
    assert "backends jax, tensorflow, torch, and Keras is set to another one" in error
    assert error.endswith(f"Received: backend='{backend}'")
    assert "Set KERAS_BACKEND=" in error


def test_a_backend_that_keras_runs_on_already_is_looked_at_too(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "numpy")
    with pytest.raises(ImportError, match=r"Received: backend='numpy'$"):
        _backend.require_backend()


def test_settings_that_cannot_be_read_are_left_to_keras(tmp_path):
    (error,) = failed_import(tmp_path, BACKENDS, settings="{no json")
    assert "none is installed" in error
