"""The LSTM cell."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_rnnkit.cells._edits import unedited
from keras_rnnkit.cells._gated import GatedCell, ImplementationConfig, like, project
from keras_rnnkit.cells._trace_repr import trace_repr
from keras_rnnkit.cells._weight_dropout import WeightDropout


class LSTMGates(NamedTuple):
    """The gates of one LSTM step, each after its activation, `(batch, units)`."""

    input: Any
    forget: Any
    candidate: Any
    output: Any


class LSTMTrace(NamedTuple):
    """Every gate and state of an LSTM at every step, `(batch, time, units)`, and the mask.

    `mask` is a boolean tensor `(batch, time)`, all true if no mask was given. At a masked step the
    states are those of the step before, and the gates are zero.
    """

    input: Any
    forget: Any
    candidate: Any
    output: Any
    hidden: Any
    cell: Any
    mask: Any

    def __repr__(self) -> str:
        return trace_repr(self)


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class LSTMCell(WeightDropout, GatedCell, ImplementationConfig, keras.layers.LSTMCell):
    r"""Long short-term memory cell (Hochreiter and Schmidhuber, 1997) that exposes its gates.

    One step of `keras_rnnkit.LSTM`; see the layer for whole sequences. The variant is the one
    with a forget gate (Gers et al., 2000), without peephole connections and without a projection.

    Equations:

    $$
    \begin{aligned}
    i_t &= \sigma(x_t W_i + h_{t-1} U_i + b_i) \\
    f_t &= \sigma(x_t W_f + h_{t-1} U_f + b_f) \\
    g_t &= \tanh(x_t W_g + h_{t-1} U_g + b_g) \\
    o_t &= \sigma(x_t W_o + h_{t-1} U_o + b_o) \\
    c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
    h_t &= o_t \odot \tanh(c_t)
    \end{aligned}
    $$

    $i$ is `input`, $f$ `forget`, $g$ `candidate`, $o$ `output`; $h$ is the state `hidden`, $c$ the
    state `cell`. $\sigma$ stands for `recurrent_activation`, $\tanh$ for `activation`. In training,
    `dropout` multiplies $x_t$ and `recurrent_dropout` $h_{t-1}$ by a mask that is drawn once for
    each sequence; with `implementation=1` or `recurrent_dropout`, each gate has its own mask.
    `recurrent_weight_dropout` multiplies $U$ by one mask for the whole batch and sequence.

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
        recurrent_weight_dropout: Fraction of the recurrent kernel's weights to drop in training, in
            `[0, 1)` (Merity et al., 2017).
        seed: Integer seed of the dropout masks.
        implementation: `2` (one input mask for all gates) or `1` (one for each gate).
        **kwargs: `name`, `dtype` and what else a Keras layer takes.

    Call arguments:
        inputs: Tensor `(batch, features)`.
        states: List `[hidden, cell]`, each `(batch, units)`.
        training: Whether dropout applies.

    Returns:
        `(hidden, [hidden, cell])`, each `(batch, units)`, in the compute dtype.

    Raises:
        ValueError: If `units` is not a positive integer, a rate is outside `[0, 1)`,
            or `states` does not hold two tensors.

    Weights:
        - `kernel`: `(features, 4 * units)`, $[W_i, W_f, W_g, W_o]$, concatenated.
        - `recurrent_kernel`: `(units, 4 * units)`, $[U_i, U_f, U_g, U_o]$.
        - `bias`: `(4 * units,)`, $[b_i, b_f, b_g, b_o]$.

        `torch.nn.LSTM` has the same order `i, f, g, o`, transposed, and two biases whose sum is
        `bias`.

    Masking:
        A cell computes one step and takes no mask. The layers keep the states at masked steps.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> cell = kit.LSTMCell(4)
    >>> x = np.ones((2, 3), "float32")
    >>> states = cell.get_initial_state(batch_size=2)
    >>> gates = cell.gates(x, states)
    >>> gates._fields
    ('input', 'forget', 'candidate', 'output')
    >>> tuple(gates.forget.shape)
    (2, 4)
    >>> hidden, (hidden, c) = cell.step(gates, states)
    >>> tuple(c.shape)
    (2, 4)
    """

    state_names = ("hidden", "cell")
    gates_type = LSTMGates
    trace_type = LSTMTrace
    chrono_signs = (-1, 1, 0, 0)

    def __init__(
        self, units: int, *args: Any, recurrent_weight_dropout: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(units, *args, **kwargs)
        self._set_weight_dropout(recurrent_weight_dropout)

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
        z = project(x, self._weight(self.kernel), self._input_masks(x, training, masks))
        z = z + project(
            h, self.recurrent_weights(training, masks), self._hidden_masks(h, training, masks)
        )
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
        c = edit("cell", f * c + i * g)
        h = o * self._activate(c)
        return h, like(states, [h, c])
