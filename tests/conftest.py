"""Settings and fixtures of every test."""

import importlib.util
import math
import os

import hypothesis
import keras
import pytest

from tests.support.memory import MemoryGuard, WorkerPeaks

# The same examples in every run; `--hypothesis-profile=default` draws new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.load_profile("repeatable")


def memory_limit():
    """The GB that a process may take; TensorFlow keeps its programs of XLA until it ends."""
    if keras.config.backend() == "tensorflow":
        return math.inf
    return float(os.environ.get("KERAS_RNNKIT_MEMORY_LIMIT", math.inf))


def pytest_collection_modifyitems(items):
    if importlib.util.find_spec("torch") is None:
        skip = pytest.mark.skip(reason="torch is not installed")
        for item in items:
            if isinstance(item, pytest.DoctestItem) and item.name.endswith(".to_torch"):
                item.add_marker(skip)
    if keras.config.backend() != "torch":
        skip = pytest.mark.skip(reason="involves no backend: the run on PyTorch has it")
        for item in items:
            if item.get_closest_marker("no_backend"):
                item.add_marker(skip)


def pytest_configure(config):
    guard = MemoryGuard(limit=memory_limit())
    config.pluginmanager.register(guard, "memory_guard")
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(WorkerPeaks(guard))


@pytest.fixture(autouse=True)
def seeded(request):
    """The same weights and data in every run, so that a test that passes goes on passing."""
    keras.utils.set_random_seed(0)
    yield
    request.config.pluginmanager.get_plugin("memory_guard").after_test()


@pytest.fixture(autouse=True)
def without_xla(request, monkeypatch):
    """On TensorFlow, models, kernels and streams run as plain graphs.

    XLA takes seconds to compile each of them, and TensorFlow keeps 3 MB of every program until the
    process ends. Tests of what XLA compiles have the mark `xla`, or set `jit_compile`.
    """
    if keras.config.backend() == "tensorflow" and not request.node.get_closest_marker("xla"):
        from keras_rnnkit.kernels import _tensorflow_compiling
        from keras_rnnkit.kernels._tensorflow_calls import TensorFlowCalls

        compiled = TensorFlowCalls.compiled
        monkeypatch.setattr(keras.Model, "_resolve_auto_jit_compile", lambda model: False)
        monkeypatch.setattr(_tensorflow_compiling, "_exporting", lambda: True)
        monkeypatch.setattr(
            TensorFlowCalls,
            "compiled",
            lambda self, function, variables, xla: compiled(self, function, variables, False),
        )
