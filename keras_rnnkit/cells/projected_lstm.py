"""The LSTM cell with a projected hidden state."""

from typing import Any

import keras
from keras import ops

from keras_rnnkit.cells._checks import checked_units
from keras_rnnkit.cells._edits import unedited
from keras_rnnkit.cells._gated import GatedCell, ImplementationConfig, like
from keras_rnnkit.cells._weights import add_gate_weights, add_part, part_config, take_part
from keras_rnnkit.cells.lstm import LSTMGates, LSTMTrace


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class ProjectedLSTMCell(GatedCell, ImplementationConfig, keras.layers.LSTMCell):
    r"""LSTM cell with a projected hidden state, smaller than the cell state (Sak et al., 2014).

    Runs over time in `keras_rnnkit.RNN`. The projection reduces the number of weights: the
    recurrent kernel has `projection` rows instead of `units`. As in PyTorch, and unlike in the
    paper, there are no peephole connections and no second projection besides the recurrent one.

    Equations:

    $$
    \begin{aligned}
    i_t &= \sigma(x_t W_i + h_{t-1} U_i + b_i) \\
    f_t &= \sigma(x_t W_f + h_{t-1} U_f + b_f) \\
    g_t &= \tanh(x_t W_g + h_{t-1} U_g + b_g) \\
    o_t &= \sigma(x_t W_o + h_{t-1} U_o + b_o) \\
    c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
    h_t &= (o_t \odot \tanh(c_t)) W_h
    \end{aligned}
    $$

    $i$ is `input`, $f$ `forget`, $g$ `candidate`, $o$ `output`; $h$ is the state `hidden`, as wide
    as `projection`, $c$ the state `cell`, as wide as `units`. $\sigma$ stands for
    `recurrent_activation`, $\tanh$ for `activation`. In training, `dropout` multiplies $x_t$ and
    `recurrent_dropout` $h_{t-1}$ by a mask that is drawn once for each sequence; with
    `implementation=1` or `recurrent_dropout`, each gate has its own mask.

    Args:
        units: Positive integer, the width of the gates and of the cell state.
        projection: Positive integer, the width of the hidden state and of the output.
        projection_initializer: Initializer of `projection_kernel`.
        projection_regularizer: Regularizer of `projection_kernel`.
        projection_constraint: Constraint of `projection_kernel`.
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
        **kwargs: `name`, `dtype` and what else a Keras layer takes.

    Call arguments:
        inputs: Tensor `(batch, features)`.
        states: List `[hidden, cell]`, `(batch, projection)` and `(batch, units)`.
        training: Whether dropout applies.

    Returns:
        `(hidden, [hidden, cell])`, hidden `(batch, projection)` and cell `(batch, units)`, in the
        compute dtype.

    Raises:
        ValueError: If `units` or `projection` is not a positive integer, a rate is outside
            `[0, 1)`, or `states` does not hold two tensors.

    Weights:
        - `kernel`: `(features, 4 * units)`, $[W_i, W_f, W_g, W_o]$, concatenated.
        - `recurrent_kernel`: `(projection, 4 * units)`, $[U_i, U_f, U_g, U_o]$.
        - `bias`: `(4 * units,)`, $[b_i, b_f, b_g, b_o]$.
        - `projection_kernel`: $W_h$, `(units, projection)`.

        `torch.nn.LSTM(proj_size=projection)` has the same order `i, f, g, o`, transposed, and two
        biases whose sum is `bias`.

    Masking:
        A cell computes one step and takes no mask. The layers keep the states at masked steps.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> layer = kit.RNN(kit.ProjectedLSTMCell(8, projection=2), return_gates=True)
    >>> output, trace = layer(np.ones((2, 5, 3), "float32"))
    >>> tuple(trace.hidden.shape), tuple(trace.cell.shape)
    ((2, 5, 2), (2, 5, 8))
    """

    state_names = ("hidden", "cell")
    gates_type = LSTMGates
    trace_type = LSTMTrace
    chrono_signs = (-1, 1, 0, 0)

    def __init__(
        self,
        units: int,
        projection: int,
        projection_initializer: Any = "glorot_uniform",
        projection_regularizer: Any = None,
        projection_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, **kwargs)
        self.projection = checked_units(type(self).__name__, projection, "projection")
        take_part(
            self,
            "projection",
            projection_initializer,
            projection_regularizer,
            projection_constraint,
        )
        self.state_size = [self.projection, self.units]
        self.output_size = self.projection

    def build(self, input_shape: Any) -> None:
        forget = 1 if self.unit_forget_bias else None
        add_gate_weights(self, input_shape[-1], self.projection, gates=4, forget=forget)
        shape = (self.units, self.projection)
        self.projection_kernel = add_part(self, "projection", shape, "projection_kernel")

    def gates(
        self, inputs: Any, states: Any, training: bool = False, masks: Any = None
    ) -> LSTMGates:
        """The four gates of one step, after their activations.

        Args:
            inputs: Tensor `(batch, features)`.
            states: List `[hidden, cell]`, `(batch, projection)` and `(batch, units)`.
            training: Whether dropout applies.
            masks: `Masks` of the sequence; with `None`, the cell draws its own.

        Returns:
            `LSTMGates(input, forget, candidate, output)`, each `(batch, units)`.
        """
        x, (h, _) = self._prepare(inputs, states)
        i, f, g, o = ops.split(self._weighted(x, h, training, masks), 4, axis=-1)
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
            states: List `[hidden, cell]`, `(batch, projection)` and `(batch, units)`.
            masks: `Masks` of the sequence, unused here.
            edit: Function of the name of a state and its value, for gradients.

        Returns:
            `(hidden, [hidden, cell])`, `(batch, projection)` and `(batch, units)`.
        """
        i, f, g, o = gates
        _, c = self._states(states)
        c = edit("cell", f * c + i * g)
        h = (o * self._activate(c)) @ self._weight(self.projection_kernel)
        return h, like(states, [h, c])

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **part_config(self, "projection")}
        return {**config, "projection": self.projection}
