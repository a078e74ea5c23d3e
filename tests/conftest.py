"""Settings and fixtures of every test."""

import importlib.util
import math
import os
import re

import hypothesis
import keras
import pytest

from tests.support.memory import MemoryGuard, WorkerPeaks

# The same examples in every run; `--hypothesis-profile=default` draws new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.load_profile("repeatable")


def part_of(items, part):
    """The tests of every n-th file, beginning with the k-th one, where `part` is "k/n"."""
    if not re.fullmatch(r"[1-9]\d*/[1-9]\d*", part):
        raise pytest.UsageError(f"`--part` must be as in 1/3. Received: --part={part}")
    number, count = map(int, part.split("/"))
    files = list(dict.fromkeys(item.path for item in items))[number - 1 :: count]
    return [item for item in items if item.path in files]


def pytest_addoption(parser):
    parser.addoption("--part", help="run the k-th of n parts of the test files, as in 1/3")


@pytest.hookimpl(tryfirst=True)  # before pytest deselects the slow tests
def pytest_collection_modifyitems(config, items):
    if config.getoption("--part"):
        items[:] = part_of(items, config.getoption("--part"))
    if importlib.util.find_spec("torch") is None:
        skip = pytest.mark.skip(reason="torch is not installed")
        for item in items:
            if isinstance(item, pytest.DoctestItem) and item.name.endswith(".to_torch"):
                item.add_marker(skip)
    backend = keras.config.backend()
    for item in items:
        if any(backend in mark.args for mark in item.iter_markers("slow_on")):
            item.add_marker("slow")
    if backend != "torch":
        skip = pytest.mark.skip(reason="involves no backend: the run on PyTorch has it")
        for item in items:
            if item.get_closest_marker("no_backend"):
                item.add_marker(skip)


def pytest_configure(config):
    name = "KERAS_RNNKIT_MEMORY_LIMIT"
    limit = os.environ.get(f"{name}_{keras.config.backend().upper()}")
    limit = limit or os.environ.get(name, math.inf)
    guard = MemoryGuard(limit=float(limit))
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
