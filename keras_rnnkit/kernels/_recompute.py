"""The variables of a chunk that runs again in the backward pass, where its layer is not called."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops
from keras.utils import standardize_dtype


def values_of(variables: list[Any]) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The values of variables, and a function that makes the scope to read them in.

    In mixed precision, Keras casts a variable where it is read, but only in the call of a layer:
    the step has to run in one. Here they are cast as in the call, so that they have the same values
    in the second run. Those returned are in single precision or better, in which the gradients of
    all chunks are added.
    """
    read = [ops.convert_to_tensor(variable.value) for variable in variables]
    dtypes = [standardize_dtype(value.dtype) for value in read]
    values = [
        ops.cast(value, "float32") if dtype in ("float16", "bfloat16") else value
        for value, dtype in zip(read, dtypes, strict=True)
    ]

    def scope(values: list[Any]) -> Any:
        cast = map(ops.cast, values, dtypes)
        return keras.StatelessScope(state_mapping=list(zip(variables, cast, strict=True)))

    return values, scope
