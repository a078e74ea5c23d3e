"""Settings and fixtures of every test."""

import importlib.util
import logging
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

IGNORED = pytest.StashKey[set]()  # the files of other parts
# Rooms whose code is the same on every backend; their examples run on PyTorch only.
EXAMPLES_ONCE = ("keras_rnnkit/data/", "keras_rnnkit/plots/", "keras_rnnkit/text/")


def other_parts(files, part):
    """The files that are not every n-th one, beginning with the k-th, where `part` is "k/n"."""
    if not re.fullmatch(r"[1-9]\d*/[1-9]\d*", part):
        raise pytest.UsageError(f"`--part` must be as in 1/3. Received: --part={part}")
    number, count = map(int, part.split("/"))
    return set(files) - set(files[number - 1 :: count])


def pytest_addoption(parser):
    parser.addoption("--part", help="run the k-th of n parts of the test files, as in 1/3")


def pytest_ignore_collect(collection_path, config):
    """Files of other parts are not imported, nor is help for tests, which has no examples."""
    if collection_path.suffix != ".py" or collection_path.name == "__init__.py":
        return None
    tests, package = (config.rootpath / name for name in config.getini("testpaths"))
    if tests in collection_path.parents and not collection_path.name.startswith("test_"):
        return True
    if config.getoption("--part") and config.stash.get(IGNORED, None) is None:
        files = [*sorted(tests.rglob("test_*.py")), *sorted(package.rglob("*.py"))]
        config.stash[IGNORED] = other_parts(files, config.getoption("--part"))
    return True if collection_path in config.stash.get(IGNORED, ()) else None


@pytest.hookimpl(tryfirst=True)  # before pytest deselects the slow tests
def pytest_collection_modifyitems(config, items):
    if importlib.util.find_spec("torch") is None:
        skip = pytest.mark.skip(reason="torch is not installed")
        for item in items:
            if isinstance(item, pytest.DoctestItem) and item.name.endswith(".to_torch"):
                item.add_marker(skip)
    backend = keras.config.backend()
    for item in items:
        if any(backend in mark.args for mark in item.iter_markers("slow_on")):
            item.add_marker("slow")
    if backend != "torch":  # the run on PyTorch has those without a backend
        without = [item for item in items if involves_no_backend(item)]
        items[:] = [item for item in items if not involves_no_backend(item)]
        config.hook.pytest_deselected(items=without)


def involves_no_backend(item):
    """Whether a test has the mark `no_backend`, or is an example of a room without one."""
    marked = item.get_closest_marker("no_backend") is not None
    return marked or item.nodeid.startswith(EXAMPLES_ONCE)


def pytest_configure(config):
    guard = MemoryGuard(limit=float(os.environ.get("KERAS_RNNKIT_MEMORY_LIMIT", math.inf)))
    config.pluginmanager.register(guard, "memory_guard")
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(WorkerPeaks(guard))


@pytest.fixture(autouse=True)
def seeded(request):
    """The same weights and data in every run, so that a test that passes goes on passing."""
    keras.utils.set_random_seed(0)
    yield
    request.config.pluginmanager.get_plugin("memory_guard").after_test()


class Warned(logging.Handler):
    """Keeps the warnings that are logged and not expected."""

    def __init__(self, expected):
        super().__init__(logging.WARNING)
        self.expected, self.messages = expected, []

    def emit(self, record):
        message = record.getMessage()
        if not any(part in message for part in self.expected):
            self.messages.append(message)


@pytest.fixture(autouse=True)
def logged_warnings_are_errors(request):
    """TensorFlow does not issue its warnings as Python's, but logs them."""
    expected = ["triggered tf.function retracing"]  # the tests compile many models of one kind
    for mark in request.node.iter_markers("logs"):
        expected += mark.args
    logger, warned = logging.getLogger("tensorflow"), Warned(expected)
    logger.addHandler(warned)
    yield
    logger.removeHandler(warned)
    assert warned.messages == []


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
