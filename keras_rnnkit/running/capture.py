"""A look over the shoulder of the recurrent layers of a model while it runs.

Whoever watches sees every layer's trace, or gives the states from which the layers start and
takes those in which they end. The layers' own states stay where they are meanwhile.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, NamedTuple

from keras_rnnkit.running.names import name_of


class Capture(NamedTuple):
    """What is asked of the layers, and what they reported, by `id(layer)`."""

    capture_gates: bool  # whether to tell the traces
    first: dict[int, Any]  # the carries to start from
    last: dict[int, Any]  # the carries at the end
    traces: dict[int, Any]

    def report(self, layer: Any, last: Any, trace: Any) -> None:
        """What a layer tells at the end of its call; where some are given states, only they do."""
        if self.first and id(layer) not in self.first:
            return
        if id(layer) in self.last:
            raise ValueError(
                f"{name_of(layer)} is called more than once in the model, so "
                "that its states cannot be distinguished. Use a layer of its own for each call."
            )
        self.last[id(layer)] = last
        self.traces[id(layer)] = trace


_current: contextvars.ContextVar[Capture | None] = contextvars.ContextVar("capture", default=None)


def current_capture() -> Capture | None:
    """The capture that is on, if any."""
    return _current.get()


@contextlib.contextmanager
def capturing(
    *, capture_gates: bool = False, first: dict[int, Any] | None = None
) -> Iterator[Capture]:
    """Capture every recurrent layer of the kit that is called in this block.

    Args:
        capture_gates: Whether to capture the gates.
        first: The carries to start from, by `id(layer)`; layers that are not there start from
            their own states.
    """
    capture = Capture(capture_gates, first or {}, {}, {})
    token = _current.set(capture)
    try:
        yield capture
    finally:
        _current.reset(token)


@contextlib.contextmanager
def not_capturing() -> Iterator[None]:
    """Let nobody capture in this block: the sequences there are not those of the model."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)
