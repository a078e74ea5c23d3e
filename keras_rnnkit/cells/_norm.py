"""Layer normalisation inside a cell: plain arithmetic, the same in every dtype and backend."""

from numbers import Real
from typing import Any

import keras
from keras import ops

from keras_rnnkit.cells._weights import add_part, part_config, take_part


class Normalized:
    """The additional arguments of a layer-normalised cell: those of the gain, and epsilon.

    A mixin before `GatedCell`.
    """

    add_weight: Any
    epsilon: float

    def __init__(
        self,
        units: int,
        *args: Any,
        gamma_initializer: Any = "ones",
        gamma_regularizer: Any = None,
        gamma_constraint: Any = None,
        epsilon: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, *args, **kwargs)  # type: ignore[call-arg]
        take_part(self, "gamma", gamma_initializer, gamma_regularizer, gamma_constraint)
        if isinstance(epsilon, bool) or not isinstance(epsilon, Real) or float(epsilon) <= 0:
            raise ValueError(
                f"`epsilon` of {type(self).__name__} must be a positive number. "
                f"Received: epsilon={epsilon!r}"
            )
        self.epsilon = float(epsilon)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()  # type: ignore[misc]
        return {**config, **part_config(self, "gamma"), "epsilon": self.epsilon}

    def _add_gain(self, width: int, name: str = "gamma") -> Any:
        return add_part(self, "gamma", (width,), name)


def normalized(values: Any, epsilon: float) -> Any:
    """The rows of `values` with mean zero and variance one, up to `epsilon`.

    `keras.layers.LayerNormalization` would make float32 of float64 on JAX. Half precision is
    computed in float32: neither the squares nor a small epsilon fit into float16.
    """
    dtype = keras.utils.standardize_dtype(values.dtype)
    wide = values if dtype in ("float32", "float64") else ops.cast(values, "float32")
    size = values.shape[-1]
    centred = wide - ops.sum(wide, axis=-1, keepdims=True) / size
    variance = ops.sum(centred * centred, axis=-1, keepdims=True) / size
    return ops.cast(centred * (variance + epsilon) ** -0.5, dtype)
