"""A capture context, to which recurrent layers report traces and, in streams, their carries.

A capture collects the trace of every layer that is called in its context. For a stream it holds the
carries from which the layers start, and collects those after the last step. The states of stateful
layers do not change in the context. A context belongs to its thread.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, NamedTuple

from keras_rnnkit.running.calls import Carry
from keras_rnnkit.running.names import name_of


class Capture(NamedTuple):
    """What is captured, and what the layers reported, by `id(layer)`."""

    capture_gates: bool  # whether layers report their traces
    first: dict[int, Carry]  # the carries to start from
    last: dict[int, Carry]  # the carries after the last step
    traces: dict[int, Any]
    initial_states: dict[int, Any]  # the states before the first step, in the cell's structure

    def report(self, layer: Any, initial_states: Any, last: Carry, trace: Any) -> None:
        """Take what a layer started from, its last carry and its trace.

        With `first`, only of the layers in it.
        """
        if self.first and id(layer) not in self.first:
            return
        if id(layer) in self.last:
            raise ValueError(
                f"{name_of(layer)} is called more than once in the model, so that its states "
                "cannot be distinguished. Use a layer of its own for each call. "
                f"Received: layer={name_of(layer)} a second time"
            )
        self.initial_states[id(layer)] = initial_states
        self.last[id(layer)] = last
        self.traces[id(layer)] = trace


_current: contextvars.ContextVar[Capture | None] = contextvars.ContextVar("capture", default=None)

current_capture = _current.get  # the capture of the context, or `None`


def carry_before(layer: Any) -> Carry | None:
    """The carry from which the capture has a layer start, if there is one."""
    capture = current_capture()
    return None if capture is None else capture.first.get(id(layer))


@contextlib.contextmanager
def capturing(
    *, capture_gates: bool = False, first: dict[int, Carry] | None = None
) -> Iterator[Capture]:
    """Capture every recurrent layer of the kit that is called in this context.

    Args:
        capture_gates: Whether to capture traces.
        first: The carries to start from, by `id(layer)`; other layers start from their own states.
    """
    capture = Capture(capture_gates, first or {}, {}, {}, {})
    token = _current.set(capture)
    try:
        yield capture
    finally:
        _current.reset(token)


@contextlib.contextmanager
def not_capturing() -> Iterator[None]:
    """Capture nothing in this context, for calls on single steps of the model's sequences."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)
