"""The layer-normalised LSTM cell."""

from typing import Any

import keras
from keras import ops

from keras_rnnkit.cells._edits import unedited
from keras_rnnkit.cells._gated import GatedCell, ImplementationConfig, like, project
from keras_rnnkit.cells._norm import Normalized, normalized
from keras_rnnkit.cells.lstm import LSTMGates, LSTMTrace


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class LayerNormLSTMCell(Normalized, GatedCell, ImplementationConfig, keras.layers.LSTMCell):
    r"""LSTM cell with layer normalisation (Ba et al., 2016).

    Runs over time in `keras_rnnkit.RNN`. The products of the inputs and of the state are normalised
    separately, each over all four gates together. The cell state is normalised too: the state
    `cell`, from which the output and the next step are computed, is the normalised one.

    Equations:

    $$
    \begin{aligned}
    N(a) &= \frac{a - \mu(a)}{\sqrt{\sigma^2(a) + \epsilon}} \\
    (\hat i_t, \hat f_t, \hat g_t, \hat o_t)
        &= \gamma_x \odot N(x_t W) + \beta_x + \gamma_h \odot N(h_{t-1} U) + \beta_h + b \\
    i_t, f_t, g_t, o_t
        &= \sigma(\hat i_t), \sigma(\hat f_t), \tanh(\hat g_t), \sigma(\hat o_t) \\
    c_t &= \gamma_c \odot N(f_t \odot c_{t-1} + i_t \odot g_t) + \beta_c \\
    h_t &= o_t \odot \tanh(c_t)
    \end{aligned}
    $$

    $\mu(a)$ and $\sigma^2(a)$ are mean and variance over one row. $i$ is `input`, $f$ `forget`, $g$
    `candidate`, $o$ `output`; $h$ is the state `hidden`, $c$ the state `cell`. $\sigma$ stands for
    `recurrent_activation`, $\tanh$ for `activation`. In training, `dropout` multiplies $x_t$ and
    `recurrent_dropout` $h_{t-1}$ by a mask that is drawn once for each sequence; with
    `implementation=1` or `recurrent_dropout`, each gate has its own mask.

    Args:
        units: Positive integer, the width of both states and of the output.
        activation: Activation of the candidate, and of the cell state in the output.
        recurrent_activation: Activation of the three gates.
        use_bias: Whether the gates have a bias.
        kernel_initializer: Initializer of `kernel`.
        recurrent_initializer: Initializer of `recurrent_kernel`.
        bias_initializer: Initializer of `bias`.
        unit_forget_bias: Whether the forget gate's bias starts at one (Jozefowicz et al., 2015).
        kernel_regularizer: Regularizer of `kernel`.
        recurrent_regularizer: Regularizer of `recurrent_kernel`.
        bias_regularizer: Regularizer of `bias`.
        kernel_constraint: Constraint of `kernel`.
        recurrent_constraint: Constraint of `recurrent_kernel`.
        bias_constraint: Constraint of `bias`.
        dropout: Fraction of the inputs to drop in training, in `[0, 1)`.
        recurrent_dropout: Fraction of the hidden state to drop in training, in `[0, 1)`.
        seed: Integer seed of the dropout masks.
        implementation: `2` (one input mask for all gates) or `1` (one for each gate).
        gamma_initializer: Initializer of the gains.
        gamma_regularizer: Regularizer of the gains.
        gamma_constraint: Constraint of the gains.
        epsilon: Positive number that keeps the normalisation from dividing by zero.
        beta_initializer: Initializer of the three shifts.
        **kwargs: `name`, `dtype` and what else a Keras layer takes.

    Call arguments:
        inputs: Tensor `(batch, features)`.
        states: List `[hidden, cell]`, each `(batch, units)`.
        training: Whether dropout applies.

    Returns:
        `(hidden, [hidden, cell])`, each `(batch, units)`, in the compute dtype.

    Raises:
        ValueError: If `units` is not a positive integer, `epsilon` not a positive number, a rate
            is outside `[0, 1)`, or `states` does not hold two tensors.

    Weights:
        - `kernel`: `(features, 4 * units)`, $[W_i, W_f, W_g, W_o]$, concatenated.
        - `recurrent_kernel`: `(units, 4 * units)`, $[U_i, U_f, U_g, U_o]$.
        - `bias`: `(4 * units,)`, $[b_i, b_f, b_g, b_o]$.
        - `kernel_gamma`, `kernel_beta`: $\gamma_x$, $\beta_x$, `(4 * units,)`.
        - `recurrent_gamma`, `recurrent_beta`: $\gamma_h$, $\beta_h$, `(4 * units,)`.
        - `state_gamma`, `state_beta`: $\gamma_c$, $\beta_c$, `(units,)`.

    Masking:
        A cell computes one step and takes no mask. The layers keep the states at masked steps.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> layer = kit.RNN(kit.LayerNormLSTMCell(4), return_gates=True)
    >>> output, trace = layer(np.ones((2, 5, 3), "float32"))
    >>> tuple(trace.forget.shape)
    (2, 5, 4)
    """

    state_names = ("hidden", "cell")
    gates_type = LSTMGates
    trace_type = LSTMTrace
    chrono_signs = (-1, 1, 0, 0)

    def __init__(
        self,
        units: int,
        *args: Any,
        epsilon: float = 1e-3,
        beta_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(units, *args, epsilon=epsilon, **kwargs)
        self.beta_initializer = keras.initializers.get(beta_initializer)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        wide = 4 * self.units
        self.kernel_gamma, self.kernel_beta = self._add_norm("kernel", wide)
        self.recurrent_gamma, self.recurrent_beta = self._add_norm("recurrent", wide)
        self.state_gamma, self.state_beta = self._add_norm("state", self.units)

    def gates(
        self, inputs: Any, states: Any, training: bool = False, masks: Any = None
    ) -> LSTMGates:
        """The four gates of one step, after their activations.

        Args:
            inputs: Tensor `(batch, features)`.
            states: List `[hidden, cell]`, each `(batch, units)`.
            training: Whether dropout applies.
            masks: `Masks` of the sequence; with `None`, the cell draws its own.

        Returns:
            `LSTMGates(input, forget, candidate, output)`, each `(batch, units)`.
        """
        x, (h, _) = self._prepare(inputs, states)
        x = project(x, self._weight(self.kernel), self._input_masks(x, training, masks))
        h = project(h, self._weight(self.recurrent_kernel), self._hidden_masks(h, training, masks))
        z = self._norm(x, self.kernel_gamma, self.kernel_beta)
        z = z + self._norm(h, self.recurrent_gamma, self.recurrent_beta)
        if self.use_bias:
            z = z + self._weight(self.bias)
        i, f, g, o = ops.split(z, 4, axis=-1)
        return LSTMGates(
            input=self.recurrent_activation(i),
            forget=self.recurrent_activation(f),
            candidate=self._activate(g),
            output=self.recurrent_activation(o),
        )

    def step(
        self, gates: LSTMGates, states: Any, masks: Any = None, edit: Any = unedited
    ) -> tuple[Any, Any]:
        """The new states from the gates.

        Args:
            gates: `LSTMGates`, each `(batch, units)`.
            states: List `[hidden, cell]`, each `(batch, units)`.
            masks: `Masks` of the sequence, unused here.
            edit: Function of the name of a state and its value, for gradients.

        Returns:
            `(hidden, [hidden, cell])`, each `(batch, units)`.
        """
        i, f, g, o = gates
        _, c = self._states(states)
        c = edit("cell", self._norm(f * c + i * g, self.state_gamma, self.state_beta))
        h = o * self._activate(c)
        return h, like(states, [h, c])

    def get_config(self) -> dict[str, Any]:
        beta = keras.initializers.serialize(self.beta_initializer)
        return {**super().get_config(), "beta_initializer": beta}

    def _add_norm(self, part: str, width: int) -> tuple[Any, Any]:
        gamma = self._add_gain(width, f"{part}_gamma")
        beta = self.add_weight(
            name=f"{part}_beta", shape=(width,), initializer=self.beta_initializer
        )
        return gamma, beta

    def _norm(self, a: Any, gamma: Any, beta: Any) -> Any:
        return self._weight(gamma) * normalized(a, self.epsilon) + self._weight(beta)
