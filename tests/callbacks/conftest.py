"""What the tests of callbacks have in common."""

import signal

import pytest


@pytest.fixture(autouse=True)
def _interrupts_as_in_a_terminal():
    """A process in the background of a shell ignores Ctrl-C, and so would the tests of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
