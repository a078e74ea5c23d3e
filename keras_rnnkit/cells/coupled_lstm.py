"""The LSTM cell with coupled input and forget gates."""

from typing import Any

import keras
from keras import ops

from keras_rnnkit.cells._edits import unedited
from keras_rnnkit.cells._gated import GatedCell, ImplementationConfig, like
from keras_rnnkit.cells._weights import add_gate_weights
from keras_rnnkit.cells.lstm import LSTMGates, LSTMTrace


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class CoupledLSTMCell(GatedCell, ImplementationConfig, keras.layers.LSTMCell):
    r"""LSTM cell with coupled input and forget gates (Greff et al., 2015, "CIFG").

    Runs over time in `keras_rnnkit.RNN`. The input gate is one minus the forget gate, as in a GRU,
    so the cell has three quarters of an LSTM's weights. The paper computes the input gate and sets
    the forget gate to one minus it. This cell computes the forget gate, so that `unit_forget_bias`
    has the same meaning as in an LSTM. Both forms are the same function, with opposite signs of
    that gate's weights.

    Equations:

    $$
    \begin{aligned}
    f_t &= \sigma(x_t W_f + h_{t-1} U_f + b_f) \\
    i_t &= 1 - f_t \\
    g_t &= \tanh(x_t W_g + h_{t-1} U_g + b_g) \\
    o_t &= \sigma(x_t W_o + h_{t-1} U_o + b_o) \\
    c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
    h_t &= o_t \odot \tanh(c_t)
    \end{aligned}
    $$

    $f$ is `forget`, $i$ `input`, $g$ `candidate`, $o$ `output`; $h$ is the state `hidden`, $c$ the
    state `cell`. $\sigma$ stands for `recurrent_activation`, $\tanh$ for `activation`. In training,
    `dropout` multiplies $x_t$ and `recurrent_dropout` $h_{t-1}$ by a mask that is drawn once for
    each sequence; with `implementation=1` or `recurrent_dropout`, $f$, $g$ and $o$ each have their
    own mask.

    Args:
        units: Positive integer, the width of both states and of the output.
        activation: Activation of the candidate, and of the cell state in the output.
        recurrent_activation: Activation of the two gates.
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
        - `kernel`: `(features, 3 * units)`, $[W_f, W_g, W_o]$, concatenated.
        - `recurrent_kernel`: `(units, 3 * units)`, $[U_f, U_g, U_o]$.
        - `bias`: `(3 * units,)`, $[b_f, b_g, b_o]$.

    Masking:
        A cell computes one step and takes no mask. The layers keep the states at masked steps.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> layer = kit.RNN(kit.CoupledLSTMCell(4), return_gates=True)
    >>> output, trace = layer(np.ones((2, 5, 3), "float32"))
    >>> tuple(trace.forget.shape)
    (2, 5, 4)
    """

    state_names = ("hidden", "cell")
    gates_type = LSTMGates
    trace_type = LSTMTrace
    chrono_signs = (1, 0, 0)

    def __init__(self, units: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(units, *args, **kwargs)
        if self.implementation == 1:
            self.dropout_mask_count = 3  # a mask for each block of the kernels

    def build(self, input_shape: Any) -> None:
        forget = 0 if self.unit_forget_bias else None
        add_gate_weights(self, input_shape[-1], self.units, gates=3, forget=forget)

    def gates(
        self,
        inputs: Any,
        states: Any,
        training: bool = False,
        masks: Any = None,
        edit: Any = unedited,
    ) -> LSTMGates:
        """The four gates of one step, after their activations.

        Args:
            inputs: Tensor `(batch, features)`.
            states: List `[hidden, cell]`, each `(batch, units)`.
            training: Whether dropout applies.
            masks: `Masks` of the sequence; with `None`, the cell draws its own.
            edit: Function of the name of a gate and its value, for `keras_rnnkit.edit`.

        Returns:
            `LSTMGates(input, forget, candidate, output)`, each `(batch, units)`.
        """
        x, (h, _) = self._prepare(inputs, states)
        f, g, o = ops.split(self._weighted(x, h, training, masks), 3, axis=-1)
        f = edit("forget", self.recurrent_activation(f))
        return LSTMGates(
            input=1 - f,
            forget=f,
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
