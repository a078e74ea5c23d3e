"""Activity regularization where the steps of a sequence are rows of the batch."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from keras import ops

from keras_rnnkit.layers._walk import layers_in

# Held while the regularizers of a layer are exchanged, so that one thread does so at a time.
_exchanging = threading.RLock()


@contextlib.contextmanager
def of_steps(layer: Any, steps: Any) -> Iterator[None]:
    """In this context, a layer's penalties are sums over the steps, not means.

    Keras divides the penalty of an `activity_regularizer` by the number of rows, which is the batch
    size times the number of steps here.

    Args:
        layer: The layer that is called, with the layers inside it.
        steps: How many rows of its input belong to one row of the batch.
    """
    parts = [part for part in layers_in(layer) if part.activity_regularizer is not None]
    if not parts:
        yield
        return
    with _exchanging:
        regularizers = [part.activity_regularizer for part in parts]
        try:
            for part, regularizer in zip(parts, regularizers, strict=True):
                part.activity_regularizer = _Times(regularizer, steps)
            yield
        finally:
            for part, regularizer in zip(parts, regularizers, strict=True):
                part.activity_regularizer = regularizer


class _Times:
    """A regularizer multiplied by a number."""

    def __init__(self, regularizer: Any, times: Any) -> None:
        self.regularizer, self.times = regularizer, times

    def __call__(self, x: Any) -> Any:
        penalty = self.regularizer(x)
        return penalty * ops.cast(self.times, penalty.dtype)
