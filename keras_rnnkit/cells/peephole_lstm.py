"""The LSTM cell with peephole connections."""

from typing import Any

import keras
from keras import ops

from keras_rnnkit.cells._edits import unedited
from keras_rnnkit.cells._gated import GatedCell, ImplementationConfig, like
from keras_rnnkit.cells.lstm import LSTMGates, LSTMTrace


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class PeepholeLSTMCell(GatedCell, ImplementationConfig, keras.layers.LSTMCell):
    r"""LSTM cell whose gates also read the cell state (Gers et al., 2002).

    Runs over time in `keras_rnnkit.RNN`. The peephole connections are diagonal: the gates of a unit
    read the cell state of that unit only. They help to learn the time between events.

    Equations:

    $$
    \begin{aligned}
    i_t &= \sigma(x_t W_i + h_{t-1} U_i + p_i \odot c_{t-1} + b_i) \\
    f_t &= \sigma(x_t W_f + h_{t-1} U_f + p_f \odot c_{t-1} + b_f) \\
    g_t &= \tanh(x_t W_g + h_{t-1} U_g + b_g) \\
    c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
    o_t &= \sigma(x_t W_o + h_{t-1} U_o + p_o \odot c_t + b_o) \\
    h_t &= o_t \odot \tanh(c_t)
    \end{aligned}
    $$

    $i$ is `input`, $f$ `forget`, $g$ `candidate`, $o$ `output`, which reads the new cell state; $h$
    is the state `hidden`, $c$ the state `cell`. $\sigma$ stands for `recurrent_activation`, $\tanh$
    for `activation`. In training, `dropout` multiplies $x_t$ and `recurrent_dropout` $h_{t-1}$ by a
    mask that is drawn once for each sequence; with `implementation=1` or `recurrent_dropout`, each
    gate has its own mask.

    Args:
        units: Positive integer, the width of both states and of the output.
        activation: Activation of the candidate, and of the cell state in the output.
        recurrent_activation: Activation of the three gates.
        use_bias: Whether the gates have a bias.
        kernel_initializer: Initializer of `kernel` and of the three peephole weights.
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
        - `kernel`: `(features, 4 * units)`, $[W_i, W_f, W_g, W_o]$, concatenated.
        - `recurrent_kernel`: `(units, 4 * units)`, $[U_i, U_f, U_g, U_o]$.
        - `bias`: `(4 * units,)`, $[b_i, b_f, b_g, b_o]$.
        - `input_peephole`, `forget_peephole`, `output_peephole`: $p_i$, $p_f$, $p_o$, `(units,)`.

    Masking:
        A cell computes one step and takes no mask. The layers keep the states at masked steps.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> layer = kit.RNN(kit.PeepholeLSTMCell(4), return_gates=True)
    >>> output, trace = layer(np.ones((2, 5, 3), "float32"))
    >>> tuple(trace.output.shape)
    (2, 5, 4)
    """

    state_names = ("hidden", "cell")
    gates_type = LSTMGates
    trace_type = LSTMTrace
    chrono_signs = (-1, 1, 0, 0)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.input_peephole, self.forget_peephole, self.output_peephole = (
            self.add_weight(
                shape=(self.units,), name=f"{gate}_peephole", initializer=self.kernel_initializer
            )
            for gate in ("input", "forget", "output")
        )

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
        x, (h, c) = self._prepare(inputs, states)
        p_i, p_f, p_o = map(
            self._weight, (self.input_peephole, self.forget_peephole, self.output_peephole)
        )
        i, f, g, o = ops.split(self._weighted(x, h, training, masks), 4, axis=-1)
        i = edit("input", self.recurrent_activation(i + p_i * c))
        f = edit("forget", self.recurrent_activation(f + p_f * c))
        g = edit("candidate", self._activate(g))
        new_c = edit("cell", f * c + i * g)
        o = self.recurrent_activation(o + p_o * new_c)
        return LSTMGates(input=i, forget=f, candidate=g, output=o)

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
