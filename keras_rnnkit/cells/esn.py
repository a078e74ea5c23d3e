"""The echo state cell."""

from functools import cache, partial
from numbers import Real
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_rnnkit.cells._eagerly import eagerly
from keras_rnnkit.cells._gated import GatedCell, like
from keras_rnnkit.cells.simple_rnn import SimpleRNNGates, SimpleRNNTrace


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class ESNCell(GatedCell, keras.layers.SimpleRNNCell):
    r"""Echo state cell (Jaeger, 2001): a reservoir that is never trained.

    Runs over time in `keras_rnnkit.RNN`. No weight is trainable; the layers that follow are trained
    on its states. The recurrent kernel is drawn at random, made sparse (`connectivity`) and scaled
    to `spectral_radius`, the largest absolute value of its eigenvalues. If all eigenvalues are
    zero, it is not scaled.

    Equations:

    $$
    \begin{aligned}
    g_t &= \tanh(x_t W + h_{t-1} U + b) \\
    h_t &= (1 - \alpha) \odot h_{t-1} + \alpha \odot g_t
    \end{aligned}
    $$

    $g$ is `candidate`; $h$ is the state `hidden`; $\alpha$ is `leaky`. $\tanh$ stands for
    `activation`. In training, `dropout` multiplies $x_t$ and `recurrent_dropout` $h_{t-1}$ (where
    it is multiplied by the kernel) by a mask that is drawn once for each sequence.

    Args:
        units: Positive integer, the width of the reservoir and of the output.
        connectivity: Fraction of the recurrent weights that are not zero, in `(0, 1]`.
        leaky: Fraction of the candidate in the new state, in `(0, 1]`; with `1` the candidate
            replaces the old state.
        spectral_radius: Positive number that the recurrent kernel is scaled to. Below one, the
            effect of an input on the state decays over time.
        use_norm2: Whether to scale by the Frobenius norm, an upper bound of the spectral radius
            that is computed without eigenvalues.
        use_bias: Whether there is a bias.
        activation: Activation of the candidate; `None` for the identity.
        kernel_initializer: Initializer of `kernel`.
        recurrent_initializer: Initializer of `recurrent_kernel`, before it is made sparse and
            scaled.
        bias_initializer: Initializer of `bias`.
        dropout: Fraction of the inputs to drop in training, in `[0, 1)`.
        recurrent_dropout: Fraction of the hidden state to drop in training, in `[0, 1)`.
        seed: Integer seed of the connections and of the dropout masks.
        **kwargs: `name`, `dtype` and what else a Keras layer takes.

    Call arguments:
        inputs: Tensor `(batch, features)`.
        states: List `[hidden]`, or `hidden` itself, `(batch, units)`.
        training: Whether dropout applies.

    Returns:
        `(hidden, [hidden])`, `(batch, units)`, in the compute dtype. If `states` is a single
        tensor, so are the new states.

    Raises:
        ValueError: If `units` is not a positive integer, `connectivity` or `leaky` is outside
            `(0, 1]`, `spectral_radius` is not positive, a rate is outside `[0, 1)`, a regularizer
            or constraint is given, or `states` does not hold one tensor.

    Weights:
        - `kernel`: $W$, `(features, units)`, not trainable.
        - `recurrent_kernel`: $U$, `(units, units)`, not trainable.
        - `bias`: $b$, `(units,)`, not trainable.

    Masking:
        A cell computes one step and takes no mask. The layers keep the state at masked steps.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> layer = kit.RNN(kit.ESNCell(40, spectral_radius=0.8, seed=0))
    >>> output = layer(np.ones((2, 5, 3), "float32"))
    >>> eigenvalues = np.linalg.eigvals(layer.get_weights()[1])
    >>> round(float(abs(eigenvalues).max()), 4), len(layer.trainable_weights)
    (0.8, 0)
    """

    state_names = ("hidden",)
    gates_type = SimpleRNNGates
    trace_type = SimpleRNNTrace

    def __init__(
        self,
        units: int,
        connectivity: float = 0.1,
        leaky: float = 1.0,
        spectral_radius: float = 0.9,
        use_norm2: bool = False,
        *,
        recurrent_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(units, recurrent_initializer=recurrent_initializer, **kwargs)
        self.connectivity = self._checked("connectivity", connectivity, 1)
        self.leaky = self._checked("leaky", leaky, 1)
        self.spectral_radius = self._checked("spectral_radius", spectral_radius, np.inf)
        self.use_norm2 = use_norm2
        for name, value in kwargs.items():
            if name.endswith(("_regularizer", "_constraint")) and value is not None:
                raise ValueError(
                    f"`{name}` of {type(self).__name__} must be None, as the reservoir is "
                    f"not trained. Received: {name}={value!r}"
                )

    def build(self, input_shape: Any) -> None:
        add = partial(self.add_weight, trainable=False)
        features, units = input_shape[-1], self.units
        self.kernel = add(
            name="kernel", shape=(features, units), initializer=self.kernel_initializer
        )
        # Cached: a variable that is not initialized yet calls its initializer at every read.
        numbers = cache(self._numbers)

        def reservoir(shape: Any, dtype: Any = None) -> Any:
            return ops.convert_to_tensor(eagerly(partial(numbers, tuple(shape))), dtype=dtype)

        self.recurrent_kernel = add(
            name="recurrent_kernel", shape=(units, units), initializer=reservoir
        )
        self.bias = None
        if self.use_bias:
            self.bias = add(name="bias", shape=(units,), initializer=self.bias_initializer)

    def gates(
        self, inputs: Any, states: Any, training: bool = False, masks: Any = None
    ) -> SimpleRNNGates:
        """The candidate of one step, after its activation.

        Args:
            inputs: Tensor `(batch, features)`.
            states: List `[hidden]`, or `hidden` itself, `(batch, units)`.
            training: Whether dropout applies.
            masks: `Masks` of the sequence; with `None`, the cell draws its own.

        Returns:
            `SimpleRNNGates(candidate)`, `(batch, units)`.
        """
        x, (h,) = self._prepare(inputs, states)
        return SimpleRNNGates(candidate=self._activate(self._weighted(x, h, training, masks)))

    def step(self, gates: SimpleRNNGates, states: Any, masks: Any = None) -> tuple[Any, Any]:
        """The new state from the candidate.

        Args:
            gates: `SimpleRNNGates`, `(batch, units)`.
            states: List `[hidden]`, or `hidden` itself, `(batch, units)`.
            masks: `Masks` of the sequence, unused here.

        Returns:
            `(hidden, [hidden])`, `(batch, units)`; a single tensor for `states` given as one.
        """
        g = gates.candidate
        (h,) = self._states(states)
        h = (1 - self.leaky) * h + self.leaky * g
        return h, like(states, [h])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "connectivity": self.connectivity,
            "leaky": self.leaky,
            "spectral_radius": self.spectral_radius,
            "use_norm2": self.use_norm2,
        }

    def _numbers(self, shape: Any) -> np.ndarray:
        """The recurrent kernel in NumPy, which has eigenvalues on every backend."""
        # Skip the first draw, which an initializer with the same seed uses for the kernel.
        self.seed_generator.next()
        draws = keras.random.uniform(shape, seed=self.seed_generator)
        connected = ops.convert_to_numpy(draws) < self.connectivity
        drawn = self.recurrent_initializer(shape, dtype="float32")
        kernel = np.where(connected, ops.convert_to_numpy(drawn), 0).astype("float64")
        if self.use_norm2:
            radius = np.linalg.norm(kernel)
        else:
            radius = np.abs(np.linalg.eigvals(kernel)).max()
        return kernel * (self.spectral_radius / radius) if radius > 0 else kernel

    def _checked(self, name: str, value: Any, most: float) -> float:
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) <= most:
            wanted = "a positive number" if most == np.inf else "a number in (0, 1]"
            raise ValueError(
                f"`{name}` of {type(self).__name__} must be {wanted}. Received: {name}={value!r}"
            )
        return float(value)
