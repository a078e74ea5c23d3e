"""How fast the units of an RG-LRU forget at the start."""

from numbers import Integral, Real
from typing import Any

import keras
import numpy as np
from keras import ops

# The exponent of RG-LRU's decay: c in De et al. (2024), section 2.4.
EXPONENT = 8.0


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class Decay(keras.initializers.Initializer):
    r"""Initial decay $\Lambda$ of an RG-LRU (De et al., 2024, arXiv 2402.19427, section 2.4).

    $e^{-8\,\mathrm{softplus}(\Lambda)}$, which a unit's state is multiplied by at a step whose
    recurrence gate is open, is uniform in `[low, high]`. The default range is the paper's.

    Args:
        low: The smallest factor, above 0.
        high: The largest factor, below 1 and not below `low`.
        seed: Integer seed. With the default, it is drawn when the initializer is made.

    Call arguments:
        shape: Shape of the weight.
        dtype: Its dtype.

    Returns:
        A tensor of the shape.

    Raises:
        ValueError: If `low` and `high` are not numbers with `0 < low <= high < 1` in float32, or
            `seed` is not an integer.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> cell = kit.RGLRUCell(4, decay_initializer=kit.initializers.Decay(0.99, 0.9999, seed=0))
    >>> cell.build((None, 3))
    >>> factor = np.exp(-8 * np.log1p(np.exp(np.array(cell.decay))))
    >>> bool(np.all((0.989 < factor) & (factor < 1)))
    True
    """

    def __init__(self, low: float = 0.9, high: float = 0.999, seed: int | None = None) -> None:
        numbers = all(isinstance(v, Real) and not isinstance(v, bool) for v in (low, high))
        if not numbers or not 0 < low <= high < 1 or np.float32(float(high)) >= 1:
            raise ValueError(
                "`low` and `high` of Decay must be numbers with 0 < low <= high < 1, also in "
                f"float32. Received: low={low!r}, high={high!r}"
            )
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, Integral)):
            raise ValueError(f"`seed` of Decay must be an integer or None. Received: seed={seed!r}")
        self.low, self.high = float(low), float(high)
        self.seed = seed if seed is None else int(seed)
        self._uniform = keras.initializers.RandomUniform(self.low, self.high, self.seed)

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        dtype = keras.utils.standardize_dtype(dtype or keras.config.floatx())
        drawn = "float64" if dtype == "float64" else "float32"
        rate = -ops.log(self._uniform(shape, dtype=drawn)) / EXPONENT  # softplus of the result
        return ops.cast(ops.log(ops.expm1(rate)), dtype)

    def __repr__(self) -> str:
        return f"Decay(low={self.low}, high={self.high}, seed={self.seed})"

    def get_config(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "seed": self.seed}
