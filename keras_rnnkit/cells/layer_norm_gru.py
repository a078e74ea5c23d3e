"""The layer-normalised GRU cell."""

from typing import Any

import keras
from keras import ops

from keras_rnnkit.cells._edits import unedited
from keras_rnnkit.cells._gated import GatedCell, ImplementationConfig, like, project
from keras_rnnkit.cells._norm import Normalized, normalized
from keras_rnnkit.cells.gru import GRUGates, GRUTrace


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class LayerNormGRUCell(Normalized, GatedCell, ImplementationConfig, keras.layers.GRUCell):
    r"""Gated recurrent unit cell with layer normalisation (Ba et al., 2016).

    Runs over time in `keras_rnnkit.RNN`. As in the paper, the products of the inputs and of the
    state are normalised separately. In each, update and reset gate are normalised together and the
    candidate by itself, and the reset gate is applied after the matrix product. There is no
    `reset_after=False`.

    Equations:

    $$
    \begin{aligned}
    N(a) &= \frac{a - \mu(a)}{\sqrt{\sigma^2(a) + \epsilon}} \\
    (\hat x_z, \hat x_r)
        &= \gamma_{x,zr} \odot N(x_t [W_z, W_r]) + b_{zr},
        & \hat x_g &= \gamma_{x,g} \odot N(x_t W_g) + b_g \\
    (\hat h_z, \hat h_r)
        &= \gamma_{h,zr} \odot N(h_{t-1} [U_z, U_r]) + b'_{zr},
        & \hat h_g &= \gamma_{h,g} \odot N(h_{t-1} U_g) + b'_g \\
    z_t &= \sigma(\hat x_z + \hat h_z) \\
    r_t &= \sigma(\hat x_r + \hat h_r) \\
    g_t &= \tanh(\hat x_g + r_t \odot \hat h_g) \\
    h_t &= z_t \odot h_{t-1} + (1 - z_t) \odot g_t
    \end{aligned}
    $$

    $\mu(a)$ and $\sigma^2(a)$ are mean and variance over one row. $z$ is `update`, $r$ `reset`, $g$
    `candidate`; $h$ is the state `hidden`. The shifts are the two rows of `bias`, $b$ and $b'$.
    $\sigma$ stands for `recurrent_activation`, $\tanh$ for `activation`. The $z$ of the paper is
    one minus this $z$. In training, `dropout` multiplies $x_t$ and `recurrent_dropout` $h_{t-1}$
    (where it is multiplied by a kernel) by a mask that is drawn once for each sequence; with
    `implementation=1` or `recurrent_dropout`, each gate has its own mask.

    Args:
        units: Positive integer, the width of the state and of the output.
        activation: Activation of the candidate.
        recurrent_activation: Activation of the two gates.
        use_bias: Whether the gates have a bias.
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
        implementation: `2` (one input mask for all gates) or `1` (one for each gate).
        gamma_initializer: Initializer of the gains.
        gamma_regularizer: Regularizer of the gains.
        gamma_constraint: Constraint of the gains.
        epsilon: Positive number that keeps the normalisation from dividing by zero.
        reset_after: `True`, the only variant.
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
            is outside `[0, 1)`, `reset_after` is false, or `states` does not hold one tensor.

    Weights:
        - `kernel`: `(features, 3 * units)`, $[W_z, W_r, W_g]$, concatenated.
        - `recurrent_kernel`: `(units, 3 * units)`, $[U_z, U_r, U_g]$.
        - `bias`: `(2, 3 * units)`, $b$ and $b'$ in the same order.
        - `kernel_gamma`: `(3 * units,)`, $[\gamma_{x,zr}, \gamma_{x,g}]$.
        - `recurrent_gamma`: `(3 * units,)`, $[\gamma_{h,zr}, \gamma_{h,g}]$.

    Masking:
        A cell computes one step and takes no mask. The layers keep the state at masked steps.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> layer = kit.RNN(kit.LayerNormGRUCell(4), return_gates=True)
    >>> output, trace = layer(np.ones((2, 5, 3), "float32"))
    >>> tuple(trace.update.shape)
    (2, 5, 4)
    """

    state_names = ("hidden",)
    gates_type = GRUGates
    trace_type = GRUTrace
    chrono_signs = (1, 0, 0)

    def __init__(self, units: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(units, *args, **kwargs)
        if not self.reset_after:
            raise ValueError(
                f"`reset_after` of {type(self).__name__} must be True, as the reset gate acts "
                f"on the normalised product. Received: reset_after={self.reset_after!r}"
            )

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.kernel_gamma = self._add_gain(3 * self.units, "kernel_gamma")
        self.recurrent_gamma = self._add_gain(3 * self.units, "recurrent_gamma")

    def gates(
        self,
        inputs: Any,
        states: Any,
        training: bool = False,
        masks: Any = None,
        edit: Any = unedited,
    ) -> GRUGates:
        """The three gates of one step, after their activations.

        Args:
            inputs: Tensor `(batch, features)`.
            states: List `[hidden]`, or `hidden` itself, `(batch, units)`.
            training: Whether dropout applies.
            masks: `Masks` of the sequence; with `None`, the cell draws its own.
            edit: Function of the name of a gate and its value, for `keras_rnnkit.edit`.

        Returns:
            `GRUGates(update, reset, candidate)`, each `(batch, units)`.
        """
        x, (h,) = self._prepare(inputs, states)
        x = project(x, self._weight(self.kernel), self._input_masks(x, training, masks))
        h = project(h, self._weight(self.recurrent_kernel), self._hidden_masks(h, training, masks))
        x, h = self._norm(x, self.kernel_gamma), self._norm(h, self.recurrent_gamma)
        if self.use_bias:
            input_bias, recurrent_bias = ops.unstack(self._weight(self.bias))
            x, h = x + input_bias, h + recurrent_bias
        x_z, x_r, x_g = ops.split(x, 3, axis=-1)
        h_z, h_r, h_g = ops.split(h, 3, axis=-1)
        z = self.recurrent_activation(x_z + h_z)
        r = edit("reset", self.recurrent_activation(x_r + h_r))
        g = self._activate(x_g + r * h_g)
        return GRUGates(update=z, reset=r, candidate=g)

    def step(self, gates: GRUGates, states: Any, masks: Any = None) -> tuple[Any, Any]:
        """The new state from the gates.

        Args:
            gates: `GRUGates`, each `(batch, units)`.
            states: List `[hidden]`, or `hidden` itself, `(batch, units)`.
            masks: `Masks` of the sequence, unused here.

        Returns:
            `(hidden, [hidden])`, `(batch, units)`; a single tensor for `states` given as one.
        """
        z, _, g = gates
        (h,) = self._states(states)
        h = z * h + (1 - z) * g
        return h, like(states, [h])

    def _norm(self, a: Any, gamma: Any) -> Any:
        """Update and reset gate together, the candidate alone."""
        zr, g = a[:, : 2 * self.units], a[:, 2 * self.units :]
        parts = [normalized(zr, self.epsilon), normalized(g, self.epsilon)]
        return self._weight(gamma) * ops.concatenate(parts, axis=-1)
