"""A look over the shoulder of the recurrent layers of a model while it runs.

Whoever watches sees every layer's trace, or gives the states from which the layers start and
takes those in which they end. The layers' own states stay where they are meanwhile.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, NamedTuple

from keras_rnnkit.layers._names import name_of


class Watch(NamedTuple):
    """What is asked of the layers, and what they told, by `id(layer)`."""

    record: bool  # whether to tell the traces
    first: dict[int, Any]  # the carries to start from
    last: dict[int, Any]  # the carries at the end
    traces: dict[int, Any]

    def tell(self, layer: Any, last: Any, trace: Any) -> None:
        """What a layer tells at the end of its call; where some are given states, only they do."""
        if self.first and id(layer) not in self.first:
            return
        if id(layer) in self.last:
            raise ValueError(
                f"{name_of(layer)} is called more than once in the model, so "
                "that its states cannot be told apart. Use a layer of its own for each call."
            )
        self.last[id(layer)] = last
        self.traces[id(layer)] = trace


_current: contextvars.ContextVar[Watch | None] = contextvars.ContextVar("watch", default=None)


def current_watch() -> Watch | None:
    """The watch that is on, if any."""
    return _current.get()


@contextlib.contextmanager
def watching(*, record: bool = False, first: dict[int, Any] | None = None) -> Iterator[Watch]:
    """Watch every recurrent layer of the kit that is called in this block.

    Args:
        record: Whether to record traces.
        first: The carries to start from, by `id(layer)`; layers that are not there start from
            their own states.
    """
    watch = Watch(record, first or {}, {}, {})
    token = _current.set(watch)
    try:
        yield watch
    finally:
        _current.reset(token)


@contextlib.contextmanager
def unwatched() -> Iterator[None]:
    """Let nobody watch in this block: the sequences there are not those of the model."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)
