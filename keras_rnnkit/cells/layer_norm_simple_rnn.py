"""The layer-normalised simple recurrent cell."""

from typing import Any

import keras

from keras_rnnkit.cells._gated import GatedCell, like, project
from keras_rnnkit.cells._norm import Normalized, normalized
from keras_rnnkit.cells.simple_rnn import SimpleRNNGates, SimpleRNNTrace


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class LayerNormSimpleRNNCell(Normalized, GatedCell, keras.layers.SimpleRNNCell):
    r"""Simple recurrent cell with layer normalisation (Ba et al., 2016).

    Runs over time in `keras_rnnkit.RNN`. The sum of both products is normalised, as in equation 4
    of the paper. The shift of the normalisation is the bias.

    Equations:

    $$
    \begin{aligned}
    N(a) &= \frac{a - \mu(a)}{\sqrt{\sigma^2(a) + \epsilon}} \\
    g_t &= \tanh(\gamma \odot N(x_t W + h_{t-1} U) + b) \\
    h_t &= g_t
    \end{aligned}
    $$

    $\mu(a)$ and $\sigma^2(a)$ are mean and variance over the units of one row. $g$ is `candidate`;
    $h$ is the state `hidden`. $\tanh$ stands for `activation`. In training, `dropout` multiplies
    $x_t$ and `recurrent_dropout` $h_{t-1}$ by a mask that is drawn once for each sequence.

    Args:
        units: Positive integer, the width of the state and of the output.
        activation: Activation of the candidate; `None` for the identity.
        use_bias: Whether there is a bias.
        kernel_initializer: Initializer of `kernel`.
        recurrent_initializer: Initializer of `recurrent_kernel`.
        bias_initializer: Initializer of `bias`.
        kernel_regularizer: Regularizer of `kernel`.
        recurrent_regularizer: Regularizer of `recurrent_kernel`.
        bias_regularizer: Regularizer of `bias`.
        kernel_constraint: Constraint of `kernel`.
        recurrent_constraint: Constraint of `recurrent_kernel`.
        bias_constraint: Constraint of `bias`.
        dropout: Fraction of the inputs to drop in training, in `[0, 1)`.
        recurrent_dropout: Fraction of the hidden state to drop in training, in `[0, 1)`.
        seed: Integer seed of the dropout masks.
        gamma_initializer: Initializer of the gains.
        gamma_regularizer: Regularizer of the gains.
        gamma_constraint: Constraint of the gains.
        epsilon: Positive number that keeps the normalisation from dividing by zero.
        **kwargs: `name`, `dtype` and what else a Keras layer takes.

    Call arguments:
        inputs: Tensor `(batch, features)`.
        states: List `[hidden]`, or `hidden` itself, `(batch, units)`.
        training: Whether dropout applies.

    Returns:
        `(hidden, [hidden])`, `(batch, units)`, in the compute dtype. If `states` is a single
        tensor, so are the new states.

    Raises:
        ValueError: If `units` is not a positive integer, `epsilon` not a positive number, a rate
            is outside `[0, 1)`, or `states` does not hold one tensor.

    Weights:
        - `kernel`: $W$, `(features, units)`.
        - `recurrent_kernel`: $U$, `(units, units)`.
        - `bias`: $b$, `(units,)`.
        - `gamma`: $\gamma$, `(units,)`.

    Masking:
        A cell computes one step and takes no mask. The layers keep the state at masked steps.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> layer = kit.RNN(kit.LayerNormSimpleRNNCell(4), return_gates=True)
    >>> output, trace = layer(np.ones((2, 5, 3), "float32"))
    >>> tuple(trace.candidate.shape)
    (2, 5, 4)
    """

    state_names = ("hidden",)
    gates_type = SimpleRNNGates
    trace_type = SimpleRNNTrace

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.gamma = self._add_gain(self.units)

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
        g = project(x, self._weight(self.kernel), self._input_masks(x, training, masks))
        g = g + project(
            h, self._weight(self.recurrent_kernel), self._hidden_masks(h, training, masks)
        )
        g = self._weight(self.gamma) * normalized(g, self.epsilon)
        if self.use_bias:
            g = g + self._weight(self.bias)
        return SimpleRNNGates(candidate=self._activate(g))

    def step(self, gates: SimpleRNNGates, states: Any, masks: Any = None) -> tuple[Any, Any]:
        """The new state, which is the candidate.

        Args:
            gates: `SimpleRNNGates`, `(batch, units)`.
            states: List `[hidden]`, or `hidden` itself; only its form is used.
            masks: `Masks` of the sequence, unused here.

        Returns:
            `(hidden, [hidden])`, `(batch, units)`; a single tensor for `states` given as one.
        """
        h = gates.candidate
        return h, like(states, [h])
