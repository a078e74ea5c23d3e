"""Biases of gates for dependencies of a known length."""

from numbers import Integral, Real
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class Chrono(keras.initializers.Initializer):
    r"""Biases of the gates for long memories (Tallec and Ollivier, 2018, arXiv 1804.11188).

    For the `bias_initializer` of a recurrent layer or cell of the kit. Of each unit, the gate that
    keeps the old state starts at $\sigma(b)$, so that the unit forgets over $e^b + 1$ steps or so:

    $$
    b = \ln u, \qquad u \sim \mathcal{U}(1, n - 1)
    $$

    $n$ is `max_steps`: the units start with memories of all lengths up to $n$. Which biases are
    $b$ is up to the cell; the others are zero:

    | Cell | Biases |
    |---|---|
    | `LSTM`, `PeepholeLSTMCell`, `ProjectedLSTMCell` | forget gate $b$, input gate $-b$ |
    | `LayerNormLSTMCell`, `MinLSTM` | forget gate $b$, input gate $-b$ |
    | `CoupledLSTMCell` | forget gate $b$; the input gate is one minus it |
    | `GRU`, `LayerNormGRUCell` | update gate $b$, in the first row of the bias |
    | `MinGRU` | update gate $-b$: it is the weight of the candidate |

    The biases take the place of those of `unit_forget_bias`. `SimpleRNN`, `LayerNormSimpleRNNCell`,
    `NASCell` and `ESNCell` have no such gate and raise an error; so does `RGLRU`, where
    `keras_rnnkit.initializers.Decay` sets how long the units remember. A layer that is not the
    kit's raises an error too, as its gates are not known. A cell of your own takes `Chrono` if it
    is a `keras_rnnkit.GatedCell` and sets the class attribute `chrono_signs`: a sign for each block
    of its bias, such as `(-1, 1, 0, 0)` for $-b$, $b$, 0 and 0.

    Args:
        max_steps: Number above 2, the length of the longest dependencies: the length of the
            sequences, where it is not known better.
        seed: Integer seed of $u$. With the default, it is drawn when the initializer is made. An
            initializer gives the same biases each time, as those of Keras do.

    Call arguments:
        shape: Shape of a weight.
        dtype: Its dtype.

    Raises:
        ValueError: If `max_steps` is not a number above 2 or `seed` not an integer. Also when it is
            called, as for the weights of a layer that is not the kit's.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> chrono = kit.initializers.Chrono(max_steps=400, seed=0)
    >>> layer = kit.LSTM(32, bias_initializer=chrono)
    >>> layer.build((None, 400, 2))
    >>> i, f, g, o = np.split(np.array(layer.get_weights()[2]), 4)
    >>> bool(np.all(i == -f)), bool(np.all(f >= 0)), bool(np.all(f <= np.log(399)))
    (True, True, True)
    >>> float(abs(g).max()), float(abs(o).max())
    (0.0, 0.0)
    """

    def __init__(self, max_steps: float, seed: int | None = None) -> None:
        number = isinstance(max_steps, Real) and not isinstance(max_steps, bool)
        if not number or not 2 < float(max_steps) < float("inf"):
            raise ValueError(
                "`max_steps` of Chrono must be a number above 2, the length of the longest "
                f"dependencies in steps. Received: max_steps={max_steps!r}"
            )
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, Integral)):
            raise ValueError(
                f"`seed` of Chrono must be an integer or None. Received: seed={seed!r}"
            )
        self.max_steps = max_steps
        self.seed = seed if seed is None else int(seed)
        self._uniform = keras.initializers.RandomUniform(1.0, float(max_steps) - 1.0, self.seed)

    def biases(self, units: int, dtype: Any = None) -> Any:
        r"""The bias $b$ of each unit, `(units,)`.

        Args:
            units: How many.
            dtype: Their dtype; that of `keras.config.floatx()` by default.

        Returns:
            A tensor `(units,)` of numbers from 0 to $\ln(n - 1)$.
        """
        dtype = keras.utils.standardize_dtype(dtype or keras.config.floatx())
        drawn = "float64" if dtype == "float64" else "float32"
        return ops.cast(ops.log(self._uniform((units,), dtype=drawn)), dtype)

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        raise ValueError(
            "Chrono must be the `bias_initializer` of a recurrent layer or cell of keras_rnnkit, "
            "which knows where in the bias each gate is: `keras_rnnkit.LSTM` in place of "
            "`keras.layers.LSTM`. Other layers and other weights cannot use it. "
            f"Received: shape={tuple(shape)}"
        )

    def __repr__(self) -> str:
        return f"Chrono(max_steps={self.max_steps}, seed={self.seed})"

    def get_config(self) -> dict[str, Any]:
        return {"max_steps": self.max_steps, "seed": self.seed}
