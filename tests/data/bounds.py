"""A bound on the memory and the time that a file may take."""

import contextlib
import resource
import time
from pathlib import Path

import pytest

from keras_rnnkit.data import DataFileError

MOST_SECONDS, MOST_BYTES = 5, 2**30


@contextlib.contextmanager
def bounded(most=MOST_BYTES):
    """No more than a GiB on top of what there is, and 5 seconds of this process."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("needs Linux, which says how much memory a process has")
    used = int(statm.read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + most, limits[1]))
    start = time.process_time()
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert time.process_time() - start < MOST_SECONDS


def load_or_refuse(load, most=MOST_BYTES):
    """What `load` returns, or the message of a refusal that is not for want of memory."""
    with bounded(most):
        try:
            return load()
        except DataFileError as error:
            refusal = error
    cause = refusal.__cause__
    while cause is not None:
        assert not isinstance(cause, MemoryError)
        cause = cause.__cause__
    return str(refusal)


def assert_refused(load, *words, most=MOST_BYTES):
    message = load_or_refuse(load, most)
    assert isinstance(message, str), "loaded"
    for word in words:
        assert str(word) in message
