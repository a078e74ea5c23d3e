"""The base of the minimal cells: weights, input dropout, and a linear recurrence."""

from typing import Any, ClassVar

import keras
from keras import ops

from keras_rnnkit.cells._checks import check_rate, checked_units
from keras_rnnkit.cells._chrono import check_chrono
from keras_rnnkit.cells._gated import GatedCell, like


@keras.saving.register_keras_serializable(package="keras_rnnkit")
def positive(x: Any) -> Any:
    r"""The activation that makes a minimal cell's candidate, and so its state, positive.

    $x + 1/2$ for $x \ge 0$, else $\sigma(x)$ (Feng et al., 2024, appendix B).

    Args:
        x: A tensor.

    Returns:
        A tensor of the same shape.
    """
    return ops.where(x >= 0, x + 0.5, ops.sigmoid(x))


class MinCell(GatedCell, keras.layers.Layer):
    """A cell whose gates depend only on the input, so that $h_t = a_t h_{t-1} + b_t$.

    A subclass defines `gates`, `recurrence`, which computes $a$ and $b$ from them, and what a
    `GatedCell` needs.
    """

    state_names = ("hidden",)
    blocks: ClassVar[int]  # of the kernel, `units` wide each
    recurrent_dropout = 0.0

    def __init__(
        self,
        units: int,
        activation: Any = "linear",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # Not `super()`: a Keras layer takes no units.
        keras.layers.Layer.__init__(self, **kwargs)
        check_rate(type(self).__name__, "dropout", dropout)
        self.units = checked_units(type(self).__name__, units)
        self.activation = (
            positive if activation == "positive" else keras.activations.get(activation)
        )
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.dropout = float(dropout)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.state_size = self.units
        self.output_size = self.units
        self._dropout_mask: Any = None
        check_chrono(self)

    def build(self, inputs_shape: Any, states_shape: Any = None) -> None:
        width = self.blocks * self.units
        self.kernel = self.add_weight(
            shape=(inputs_shape[-1], width),
            name="kernel",
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(width,),
                name="bias",
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def recurrence(self, gates: Any) -> tuple[Any, Any]:
        raise NotImplementedError

    def step(self, gates: Any, states: Any, masks: Any = None) -> tuple[Any, Any]:
        """The new state from the gates.

        Args:
            gates: What `gates` returns, each `(batch, units)`.
            states: List `[hidden]`, or `hidden` itself, `(batch, units)`.
            masks: `Masks` of the sequence, unused here.

        Returns:
            `(hidden, [hidden])`, `(batch, units)`; a single tensor for `states` given as one.
        """
        a, b = self.recurrence(gates)
        (h,) = self._states(states)
        h = a * h + b
        return h, like(states, [h])

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype)]

    def get_dropout_mask(self, inputs: Any) -> Any:
        if self._dropout_mask is None and self.dropout:
            ones = ops.ones_like(inputs)
            self._dropout_mask = keras.random.dropout(ones, self.dropout, seed=self.seed_generator)
        return self._dropout_mask

    def get_recurrent_dropout_mask(self, hidden: Any) -> None:
        """No mask: the gates do not depend on the state."""

    def reset_dropout_mask(self) -> None:
        self._dropout_mask = None

    def reset_recurrent_dropout_mask(self) -> None:
        pass

    def get_config(self) -> dict[str, Any]:
        config = {
            "units": self.units,
            "activation": _activation_config(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
            "dropout": self.dropout,
            "seed": self.seed,
        }
        return {**super().get_config(), **config}

    def _project(self, x: Any, training: bool, masks: Any) -> list[Any]:
        """The pre-activations of each gate."""
        mask = self._input_masks(x, training, masks)
        if mask is not None:
            x = x * mask
        x = x @ self._weight(self.kernel)
        if self.use_bias:
            x = x + self._weight(self.bias)
        return ops.split(x, self.blocks, axis=-1)


def _activation_config(activation: Any) -> Any:
    return "positive" if activation is positive else keras.activations.serialize(activation)
