"""A context in which recurrent layers report their traces and, in streams, their carries.

A capture collects the trace and the last carry of every layer that is called in its context. For a
stream it also provides the carries from which the layers start. In the context, stateful layers do
not assign their states. The context is local to a thread (a `contextvars.ContextVar`).
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, NamedTuple

from keras_rnnkit.running.calls import Call, Carry, fresh_or_zeros
from keras_rnnkit.running.names import name_of


class Capture(NamedTuple):
    """What is captured, and what the layers reported, by `id(layer)`."""

    capture_gates: bool  # whether layers report their traces
    initial_carries: dict[int, Carry]  # to start from, in a stream
    last_carries: dict[int, Carry]  # after the last step
    traces: dict[int, Any]
    initial_states: dict[int, Any]  # before the first step, in the structure of the cell
    # The resets in running order, and the states that new sequences start from; `()` for no resets.
    resets: dict[int, Any]
    edits: dict[int, Any]  # edits of gates and states, see `cells/_edits.py`

    def report(self, layer: Any, call: Call, last: Carry, trace: Any) -> None:
        """Store where a call of a layer starts, its last carry and its trace.

        A capture that has initial carries ignores layers without one.
        """
        if self.initial_carries and id(layer) not in self.initial_carries:
            return
        if id(layer) in self.last_carries:
            raise ValueError(
                f"{name_of(layer)} is called more than once in the model, so that the states "
                "of the calls cannot be told apart. Use a separate layer for each call. "
                f"Received: layer={name_of(layer)} a second time"
            )
        self.initial_states[id(layer)] = call.initial_states
        self.resets[id(layer)] = _resets_of(call)
        self.last_carries[id(layer)] = last
        self.traces[id(layer)] = trace


def _resets_of(call: Call) -> Any:
    if call.resets is None:
        return ()
    return call.resets, fresh_or_zeros(call.fresh_states, call.initial_states)


_current: contextvars.ContextVar[Capture | None] = contextvars.ContextVar("capture", default=None)

current_capture = _current.get  # the capture of the context, or `None`


@contextlib.contextmanager
def capturing(
    *,
    capture_gates: bool = False,
    initial_carries: dict[int, Carry] | None = None,
    edits: dict[int, Any] | None = None,
) -> Iterator[Capture]:
    """Capture every recurrent layer of the kit that is called in this context.

    Args:
        capture_gates: Whether to capture traces.
        initial_carries: Carries before the first step, by `id(layer)`. If there are any, the layers
            that are not in it start from their own initial states, and report nothing.
        edits: The edits of each layer's cell, by `id(layer)`, in running order, time first.
    """
    capture = Capture(capture_gates, initial_carries or {}, {}, {}, {}, {}, edits or {})
    token = _current.set(capture)
    try:
        yield capture
    finally:
        _current.reset(token)


@contextlib.contextmanager
def not_capturing() -> Iterator[None]:
    """Turn capturing off, so that a layer inside `TimeDistributed` does not report every step."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)
