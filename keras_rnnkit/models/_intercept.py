"""Running other code in place of the call of a layer, for one thread and without changing a model.

Keras looks up `layer.call` at every call, so an attribute of the instance takes precedence over the
method. While a block of `intercepting` runs, that attribute asks the context which code to run: in
every other thread it is the layer's own call. The attribute goes when the last block ends.
"""

import contextlib
import contextvars
import functools
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from keras_rnnkit.running.names import name_of

# `handler(original, *args, **kwargs)`, where `original` is the call of the layer.
Handler = Callable[..., Any]

_handlers: contextvars.ContextVar[dict[int, Handler] | None] = contextvars.ContextVar(
    "handlers", default=None
)
_lock = threading.Lock()
_blocks: dict[int, int] = {}  # by `id(layer)`, how many blocks use its attribute


@contextlib.contextmanager
def intercepting(handlers: Mapping[Any, Handler]) -> Iterator[None]:
    """Run handlers in place of the calls of layers, in this context.

    Keras' own work around a call, such as finding the mask and casting the inputs, stays. Blocks
    can be nested: the handlers of the inner block come first.

    Args:
        handlers: By layer, `handler(original, *args, **kwargs)`; `original` is its own call.

    Raises:
        ValueError: For a quantized layer, which Keras runs by other code than `call`.
    """
    for layer in handlers:
        if getattr(layer, "quantization_mode", None) is not None:
            raise ValueError(
                f"{name_of(layer)} is quantized, and Keras runs it by code that cannot be "
                "intercepted. Use the model as it was before `quantize`. "
                f"Received: layer.quantization_mode={layer.quantization_mode!r}"
            )
    layers = list(handlers)
    new = {id(layer): handler for layer, handler in handlers.items()}
    token = _handlers.set({**(_handlers.get() or {}), **new})
    for layer in layers:
        _install(layer)
    try:
        yield
    finally:
        _handlers.reset(token)
        for layer in layers:
            _remove(layer)


@contextlib.contextmanager
def not_intercepting(layers: Collection[Any]) -> Iterator[None]:
    """Run the own calls of these layers in this context."""
    skipped = set(map(id, layers))
    handlers = (_handlers.get() or {}).items()
    token = _handlers.set({key: handler for key, handler in handlers if key not in skipped})
    try:
        yield
    finally:
        _handlers.reset(token)


def _install(layer: Any) -> None:
    with _lock:
        _blocks[id(layer)] = _blocks.get(id(layer), 0) + 1
        if _blocks[id(layer)] == 1:
            vars(layer)["call"] = _dispatcher(layer, layer.call)


def _remove(layer: Any) -> None:
    with _lock:
        _blocks[id(layer)] -= 1
        if _blocks[id(layer)]:
            return
        del _blocks[id(layer)]
        own = vars(layer).pop("call").__wrapped__
        if getattr(own, "__func__", None) is not type(layer).call:  # it was set on the instance
            vars(layer)["call"] = own


def _dispatcher(layer: Any, own: Callable[..., Any]) -> Callable[..., Any]:
    key = id(layer)  # the layer holds the dispatcher, which therefore does not hold the layer

    def call(*args: Any, **kwargs: Any) -> Any:
        handler = (_handlers.get() or {}).get(key)
        return own(*args, **kwargs) if handler is None else handler(own, *args, **kwargs)

    return Dispatcher(call, own)


class Dispatcher:
    """The attribute `call` of a layer in a block of `intercepting`, here or in another thread."""

    def __init__(self, call: Callable[..., Any], own: Callable[..., Any]) -> None:
        functools.update_wrapper(self, own)
        self._call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)


def attributes_of(layer: Any) -> dict[str, Any]:
    """The attributes of a layer as they are outside every block of `intercepting`."""
    with _lock:
        attributes = dict(vars(layer))
    call = attributes.get("call")
    if isinstance(call, Dispatcher):
        del attributes["call"]
        own = call.__wrapped__  # type: ignore[attr-defined]
        if getattr(own, "__func__", None) is not type(layer).call:
            attributes["call"] = own
    return attributes
