"""The simple recurrent cell."""

from typing import Any, NamedTuple

import keras

from keras_rnnkit.cells._gated import GatedCell, like, project
from keras_rnnkit.cells._trace_repr import trace_repr


class SimpleRNNGates(NamedTuple):
    """The candidate of one simple recurrent step, after its activation, `(batch, units)`."""

    candidate: Any


class SimpleRNNTrace(NamedTuple):
    """The candidate and the state at every step, `(batch, time, units)`, and the mask.

    `mask` is a boolean tensor `(batch, time)`, all true if no mask was given. At a masked step the
    state is that of the step before, and the candidate is zero.
    """

    candidate: Any
    hidden: Any
    mask: Any

    def __repr__(self) -> str:
        return trace_repr(self)


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class SimpleRNNCell(GatedCell, keras.layers.SimpleRNNCell):
    r"""Simple recurrent cell (Elman, 1990), with the methods of the kit's gated cells.

    One step of `keras_rnnkit.SimpleRNN`; see the layer for whole sequences. It has no gates: the
    candidate is the new state.

    Equations:

    $$
    \begin{aligned}
    g_t &= \tanh(x_t W + h_{t-1} U + b) \\
    h_t &= g_t
    \end{aligned}
    $$

    $g$ is `candidate`; $h$ is the state `hidden`. $\tanh$ stands for `activation`. In training,
    `dropout` multiplies $x_t$ and `recurrent_dropout` $h_{t-1}$ by a mask that is drawn once for
    each sequence.

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
        - `kernel`: $W$, `(features, units)`.
        - `recurrent_kernel`: $U$, `(units, units)`.
        - `bias`: $b$, `(units,)`.

        `torch.nn.RNN` has the same weights, transposed, and two biases whose sum is `bias`.

    Masking:
        A cell computes one step and takes no mask. The layers keep the state at masked steps.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> cell = kit.SimpleRNNCell(4)
    >>> gates = cell.gates(np.ones((2, 3), "float32"), cell.get_initial_state(batch_size=2))
    >>> tuple(gates.candidate.shape)
    (2, 4)
    """

    state_names = ("hidden",)
    gates_type = SimpleRNNGates
    trace_type = SimpleRNNTrace

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
