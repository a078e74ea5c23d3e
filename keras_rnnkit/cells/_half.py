"""Initial weights in half precision."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def in_float32(initializer: Any) -> Any:
    """The initializer, computed in float32 if it does not support half precision.

    An orthogonal matrix needs a decomposition, which LAPACK has only in single and double
    precision.
    """
    initializer = keras.initializers.get(initializer)
    if not isinstance(initializer, keras.initializers.Orthogonal):
        return initializer
    orthogonal: Callable[..., Any] = initializer

    def initial(shape: Any, dtype: Any = None) -> Any:
        return ops.cast(orthogonal(shape, dtype="float32"), dtype)

    return initial
