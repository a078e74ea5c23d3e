"""Initializers that refuse to allocate more weights than a file holds."""

import contextlib
import contextvars
import math
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_rnnkit.layers._walk import layers_in

# How many values may still be made; a list, so that nested calls count down the same number.
_left: contextvars.ContextVar[list[int]] = contextvars.ContextVar("left")


class Bounded(keras.initializers.Initializer):
    """Zeros in the place of an initializer, as the values are replaced by those of a file.

    Args:
        name: The initializer that the layer has in the end.
    """

    def __init__(self, name: Any) -> None:
        self.name = name

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        left = _left.get()
        left[0] -= math.prod(shape)
        if left[0] < 0:
            raise ValueError(
                f"its config asks for a weight of the shape {tuple(shape)}, more than the file has"
            )
        return ops.zeros(shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


@contextlib.contextmanager
def at_most(values: int) -> Iterator[None]:
    """Let the layers that are built in this block have this many values in all."""
    token = _left.set([values])
    try:
        with keras.saving.custom_object_scope({"Bounded": Bounded}):
            yield
    finally:
        _left.reset(token)


def restore_initializers(model: Any) -> None:
    """Give the layers the initializers in the place of which they were built with `Bounded`."""
    for layer in layers_in(model):
        for name, value in list(vars(layer).items()):
            if isinstance(value, Bounded):
                setattr(layer, name, keras.initializers.get(value.name))
