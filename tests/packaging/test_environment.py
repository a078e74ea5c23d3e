"""The tests run on the backend they say they run on."""

import importlib.util
import os

import keras
import pytest

BACKENDS = {"jax", "tensorflow", "torch"}


def test_keras_runs_on_a_backend_that_is_tested():
    assert keras.config.backend() in BACKENDS


@pytest.mark.skipif("KERAS_BACKEND" not in os.environ, reason="no backend was asked for")
def test_keras_runs_on_the_backend_that_was_asked_for():
    assert keras.config.backend() == os.environ["KERAS_BACKEND"]


@pytest.mark.skipif(
    os.environ.get("KERAS_RNNKIT_ISOLATED") != "1", reason="not one of tox's environments"
)
def test_no_other_backend_is_installed():
    installed = {name for name in BACKENDS if importlib.util.find_spec(name)}
    assert installed == {keras.config.backend()}
