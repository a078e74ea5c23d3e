"""The GRU cell."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_rnnkit.cells._edits import unedited
from keras_rnnkit.cells._gated import GatedCell, ImplementationConfig, like, project
from keras_rnnkit.cells._trace_repr import trace_repr
from keras_rnnkit.cells._weight_dropout import WeightDropout


class GRUGates(NamedTuple):
    """The gates of one GRU step, each after its activation, `(batch, units)`."""

    update: Any
    reset: Any
    candidate: Any


class GRUTrace(NamedTuple):
    """Every gate and state of a GRU at every step, `(batch, time, units)`, and the mask.

    `mask` is a boolean tensor `(batch, time)`, all true if no mask was given. At a masked step the
    state is that of the step before, and the gates are zero.
    """

    update: Any
    reset: Any
    candidate: Any
    hidden: Any
    mask: Any

    def __repr__(self) -> str:
        return trace_repr(self)


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class GRUCell(WeightDropout, GatedCell, ImplementationConfig, keras.layers.GRUCell):
    r"""Gated recurrent unit cell (Cho et al., 2014) that exposes its gates.

    One step of `keras_rnnkit.GRU`; see the layer for whole sequences. `reset_after=True`, the
    default, applies the reset gate after the matrix product and has two rows of bias, as cuDNN
    and PyTorch do (arXiv 1406.1078v1); `reset_after=False` applies it before (1406.1078v3).

    Equations:

    $$
    \begin{aligned}
    z_t &= \sigma(x_t W_z + h_{t-1} U_z + b_z) \\
    r_t &= \sigma(x_t W_r + h_{t-1} U_r + b_r) \\
    g_t &= \tanh(x_t W_g + b_g + r_t \odot (h_{t-1} U_g + b'_g)) && \text{reset\_after=True} \\
    g_t &= \tanh(x_t W_g + b_g + (r_t \odot h_{t-1}) U_g) && \text{reset\_after=False} \\
    h_t &= z_t \odot h_{t-1} + (1 - z_t) \odot g_t
    \end{aligned}
    $$

    $z$ is `update`, $r$ `reset`, $g$ `candidate` (Keras calls it $hh$, PyTorch $n$); $h$ is the
    state `hidden`. With `reset_after=True`, $b_z$ and $b_r$ are each the sum of the two rows of
    `bias`, $b_g$ is of the first row and $b'_g$ of the second. $\sigma$ stands for
    `recurrent_activation`, $\tanh$ for `activation`. In training, `dropout` multiplies $x_t$ and
    `recurrent_dropout` $h_{t-1}$ (where it is multiplied by a kernel) by a mask that is drawn once
    for each sequence; with `implementation=1` or `recurrent_dropout`, each gate has its own mask.
    `recurrent_weight_dropout` multiplies $U$ by one mask for the whole batch and sequence.

    Args:
        units: Positive integer, the width of the state and of the output.
        activation: Activation of the candidate.
        recurrent_activation: Activation of the update and the reset gate.
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
        reset_after: Whether the reset gate is applied after the matrix product (see above).
        recurrent_weight_dropout: Fraction of the recurrent kernel's weights to drop in training, in
            `[0, 1)` (Merity et al., 2017).
        seed: Integer seed of the dropout masks.
        implementation: `2` (one input mask for all gates) or `1` (one for each gate).
        **kwargs: `name`, `dtype` and what else a Keras layer takes.

    Call arguments:
        inputs: Tensor `(batch, features)`.
        states: List `[hidden]`, or `hidden` itself, `(batch, units)`.
        training: Whether dropout applies.

    Returns:
        `(hidden, [hidden])`, `(batch, units)`, in the compute dtype. If `states` is a single
        tensor, so are the new states.

    Raises:
        ValueError: If `units` is not a positive integer, a rate is outside `[0, 1)`,
            or `states` does not hold one tensor.

    Weights:
        - `kernel`: `(features, 3 * units)`, $[W_z, W_r, W_g]$, concatenated.
        - `recurrent_kernel`: `(units, 3 * units)`, $[U_z, U_r, U_g]$.
        - `bias`: `(2, 3 * units)` with `reset_after=True`, else `(3 * units,)`.

        `torch.nn.GRU` has the order `r, z, n`, transposed: the first two blocks are swapped.

    Masking:
        A cell computes one step and takes no mask. The layers keep the state at masked steps.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> cell = kit.GRUCell(4)
    >>> x = np.ones((2, 3), "float32")
    >>> states = cell.get_initial_state(batch_size=2)
    >>> gates = cell.gates(x, states)
    >>> gates._fields
    ('update', 'reset', 'candidate')
    >>> hidden, states = cell.step(gates, states)
    >>> tuple(hidden.shape)
    (2, 4)
    """

    state_names = ("hidden",)
    gates_type = GRUGates
    trace_type = GRUTrace
    chrono_signs = (1, 0, 0)

    def __init__(
        self, units: int, *args: Any, recurrent_weight_dropout: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(units, *args, **kwargs)
        self._set_weight_dropout(recurrent_weight_dropout)

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
        m = self._hidden_masks(h, training, masks)
        m_zr, m_g = (m[:2], m[2:]) if isinstance(m, list | tuple) else (m, m)
        input_bias, recurrent_bias = self._biases()
        x = project(x, self._weight(self.kernel), self._input_masks(x, training, masks))
        x = x + input_bias
        x_z, x_r, x_g = ops.split(x, 3, axis=-1)
        u, kernel = self.units, self.recurrent_weights(training, masks)
        if self.reset_after:
            h_z, h_r, h_g = ops.split(project(h, kernel, m) + recurrent_bias, 3, axis=-1)
        else:
            kernel_zr, kernel_g = ops.split(kernel, [2 * u], axis=-1)
            h_z, h_r = ops.split(project(h, kernel_zr, m_zr), 2, axis=-1)
        z = self.recurrent_activation(x_z + h_z)
        r = edit("reset", self.recurrent_activation(x_r + h_r))
        if self.reset_after:
            g = self._activate(x_g + r * h_g)
        else:
            g = self._activate(x_g + project(r * h, kernel_g, m_g))
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

    def _biases(self) -> tuple[Any, Any]:
        """The bias beside the inputs, and the one beside the hidden state."""
        if not self.use_bias:
            return 0, 0
        bias = self._weight(self.bias)
        return tuple(ops.unstack(bias)) if self.reset_after else (bias, 0)
