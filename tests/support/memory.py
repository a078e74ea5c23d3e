"""Limits the memory of a process that runs tests, and reports its peak.

Backends cache what they compile, and the suite compiles thousands of small programs: on JAX a
process grew to 4.7 GB. So the caches are cleared whenever memory has grown by `GROWTH`, which is
rare enough that few programs are compiled twice. TensorFlow keeps each graph that it differentiates
(`free_graphs`). It never frees a program of XLA, so most tests run without it there (`without_xla`
in `tests/conftest.py`), and in several processes (`tests/in_parts.py`).
"""

import ctypes
import gc
import sys
from pathlib import Path

import keras

GROWTH = 0.4  # GB
STATUS = Path("/proc/self/status")  # Linux alone has it


def memory(what="VmRSS"):
    """The GB in use, or with `"VmHWM"` their peak; zero where the system does not report them."""
    if not STATUS.exists():
        return 0.0
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 2**20


def clear_caches():
    """Free the graphs, and the compiled programs on JAX, of finished tests."""
    keras.utils.clear_session()
    if keras.config.backend() == "jax":
        import jax

        jax.clear_caches()
    if keras.config.backend() == "tensorflow":
        free_graphs()
    gc.collect()
    if sys.platform == "linux":
        # Otherwise the allocator keeps the freed memory.
        getattr(ctypes.CDLL(None), "malloc_trim", int)(0)


def free_graphs():
    """Let go of the graphs that TensorFlow keeps until the process ends.

    In a graph, every `tf.custom_gradient` registers its backward pass under a name of its own, and
    nothing removes it. Through it the graph stays, with the model in it: several MB for each `fit`,
    also of layers of Keras. Only to take gradients of the old graphs would need the names again.
    """
    from tensorflow.python.framework import ops

    from keras_rnnkit.kernels import tensorflow

    tensorflow._kernels.cache_clear()
    tensorflow._linear_kernels.cache_clear()
    registry = ops.gradient_registry._registry
    for name in [name for name in registry if name.startswith("CustomGradient-")]:
        del registry[name]


class MemoryGuard:
    """A pytest plugin: clears caches between tests when memory has grown, and reports the peak.

    Args:
        limit: The GB that a process may take. The run fails where one took more.
    """

    def __init__(self, limit):
        self.limit = limit
        self.peaks = {}  # GB, by process
        self.level = None

    def after_test(self):
        """Call this at the end of each test."""
        now = memory()
        self.level = now if self.level is None else min(self.level, now)
        if now > self.level + GROWTH:
            clear_caches()
            self.level = memory()

    def too_large(self):
        """The processes whose peak is above the limit."""
        return [name for name, peak in sorted(self.peaks.items()) if peak > self.limit]

    def pytest_sessionfinish(self, session):
        """A worker sends its peak to the controller, which fails the run if one is too high."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["memory"] = memory("VmHWM")
            return
        self.peaks = self.peaks or {"tests": memory("VmHWM")}
        if self.too_large() and session.exitstatus == 0:
            session.exitstatus = 1

    def pytest_terminal_summary(self, terminalreporter):
        peaks = ", ".join(f"{name} {peak:.2f} GB" for name, peak in sorted(self.peaks.items()))
        terminalreporter.write_line(f"Peak memory: {peaks}")
        if self.too_large():
            terminalreporter.write_line(
                f"ERROR: {', '.join(self.too_large())} took more than {self.limit} GB", red=True
            )


class WorkerPeaks:
    """The hook of pytest-xdist, which exists only where that is installed."""

    def __init__(self, guard):
        self.guard = guard

    def pytest_testnodedown(self, node):
        peak = getattr(node, "workeroutput", {}).get("memory")
        if peak is not None:
            self.guard.peaks[node.gateway.id] = peak
