"""Keeps the memory of a process that runs tests small, and says how large it was.

Backends keep what they compile, and a suite makes thousands of small programs: on JAX a process
grew to 4.7 GB. So compiled programs are forgotten whenever memory has grown by `GROWTH`, which is
seldom enough that few of them have to be compiled again.
"""

import ctypes
import gc
import sys
from pathlib import Path

import keras

GROWTH = 0.3  # GB
STATUS = Path("/proc/self/status")  # Linux alone has it


def memory(what="VmRSS"):
    """The GB in use, with `"VmHWM"` the most there ever were; zero if the system does not say."""
    if not STATUS.exists():
        return 0.0
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 2**20


def forget():
    """Free what the backend keeps of finished tests."""
    if keras.config.backend() == "jax":
        import jax

        jax.clear_caches()
    gc.collect()
    if sys.platform == "linux":
        # Else the allocator keeps what was freed in small pieces.
        getattr(ctypes.CDLL(None), "malloc_trim", int)(0)


class Thrift:
    """A plugin of pytest: forgets after tests that made memory grow, and reports the most.

    Args:
        limit: The GB that a process may take. The run fails where one took more.
    """

    def __init__(self, limit):
        self.limit = limit
        self.most = {}  # by process
        self.level = None

    def after_test(self):
        """To be called when a test is done."""
        now = memory()
        self.level = now if self.level is None else min(self.level, now)
        if now > self.level + GROWTH:
            forget()
            self.level = memory()

    def too_large(self):
        """The processes that took more than they may."""
        return [name for name, most in sorted(self.most.items()) if most > self.limit]

    def pytest_sessionfinish(self, session):
        """A worker hands its peak over; the process that started it fails where one is too high."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["memory"] = memory("VmHWM")
            return
        self.most = self.most or {"tests": memory("VmHWM")}
        if self.too_large() and session.exitstatus == 0:
            session.exitstatus = 1

    def pytest_terminal_summary(self, terminalreporter):
        peaks = ", ".join(f"{name} {most:.2f} GB" for name, most in sorted(self.most.items()))
        terminalreporter.write_line(f"Peak memory: {peaks}")
        if self.too_large():
            terminalreporter.write_line(
                f"ERROR: {', '.join(self.too_large())} took more than {self.limit} GB", red=True
            )


class OfWorkers:
    """The part of the plugin that pytest-xdist calls, where it is there."""

    def __init__(self, thrift):
        self.thrift = thrift

    def pytest_testnodedown(self, node):
        peak = getattr(node, "workeroutput", {}).get("memory")
        if peak is not None:
            self.thrift.most[node.gateway.id] = peak
