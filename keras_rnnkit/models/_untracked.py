"""Recurrent layers that a model calls but Keras does not track: they are refused by name.

A layer in a plain Python object, or one that a `Lambda` calls, is in no attribute of the model from
which it could be found. So while a model is traced, each call of a recurrent layer or cell, of
Keras or of the kit, asks this context whether the layer is known; other threads are not affected.
"""

import contextlib
import contextvars
import threading
from collections.abc import Callable, Collection, Iterator
from typing import Any

import keras

from keras_rnnkit.cells import GatedCell
from keras_rnnkit.running.names import name_of

CELLS: Any = (
    GatedCell,
    keras.layers.GRUCell,
    keras.layers.LSTMCell,
    keras.layers.SimpleRNNCell,
    keras.layers.StackedRNNCells,
)
_CLASSES: Any = (keras.layers.RNN, *CELLS)

# The ids of the known layers, by which calls are checked; `None` where nothing is checked.
_known: contextvars.ContextVar[Collection[int] | None] = contextvars.ContextVar(
    "known", default=None
)
_lock = threading.Lock()
_blocks = 0  # how many blocks of `refusing_others` there are, in all threads


@contextlib.contextmanager
def refusing_others(layers: Collection[Any]) -> Iterator[None]:
    """Refuse calls of recurrent layers and cells that are not among these, in this context.

    Raises:
        ValueError: At the call of another one.
    """
    _install()
    token = _known.set(set(map(id, layers)))
    try:
        yield
    finally:
        _known.reset(token)
        _remove()


@contextlib.contextmanager
def allowing_all() -> Iterator[None]:
    """Refuse nothing in this context: a known layer calls its own parts."""
    token = _known.set(None)
    try:
        yield
    finally:
        _known.reset(token)


def _install() -> None:
    global _blocks
    with _lock:
        _blocks += 1
        if _blocks == 1:
            for kind in _CLASSES:
                kind.__call__ = _checking(kind, vars(kind).get("__call__"))


def _remove() -> None:
    global _blocks
    with _lock:
        _blocks -= 1
        if _blocks:
            return
        for kind in _CLASSES:
            own = vars(kind)["__call__"].own
            if own is None:
                del kind.__call__
            else:
                kind.__call__ = own


def _checking(kind: Any, own: Callable[..., Any] | None) -> Callable[..., Any]:
    """The method `__call__` of a class, with a check before."""

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        known = _known.get()
        if known is not None and id(layer) not in known:
            raise ValueError(_refused(layer))
        if own is not None:
            return own(layer, *args, **kwargs)
        return super(kind, layer).__call__(*args, **kwargs)

    call.own = own  # type: ignore[attr-defined]
    return call


def _refused(layer: Any) -> str:
    if isinstance(layer, CELLS) and layer.built:
        return (
            f"{name_of(layer)} is called by the model's own code, step by step, so that there are "
            "no sequences to trace. Put it into `keras_rnnkit.RNN` and call that alone, or choose "
            f"the layers to trace by `layers=`. Received: layer={name_of(layer)}"
        )
    return (
        f"{name_of(layer)} is called by the model, but is not among the layers that Keras tracks "
        "and builds, so that it cannot be traced: it is in a plain Python object, in the function "
        "of a `Lambda`, or was never called before. Make it an attribute of the model or layer "
        "that calls it, and call the model once; or choose the layers to trace by `layers=`. "
        f"Received: layer={name_of(layer)}"
    )
