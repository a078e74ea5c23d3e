"""The cell that an architecture search found."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_rnnkit.cells._checks import checked_units
from keras_rnnkit.cells._edits import unedited
from keras_rnnkit.cells._gated import GatedCell, ImplementationConfig, like, project
from keras_rnnkit.cells._trace_repr import trace_repr
from keras_rnnkit.cells._weights import add_gate_weights, add_part, part_config, take_part


class NASGates(NamedTuple):
    """The three values of one NAS step that do not depend on the cell state, `(batch, units)`.

    `candidate` and `scale` are in `[0, 1)`, `output` in `(-1, 1)`.
    """

    candidate: Any
    scale: Any
    output: Any


class NASTrace(NamedTuple):
    """Every gate and state of a NAS cell at every step, `(batch, time, units)`, and the mask.

    With a projection, `hidden` is as wide as that. `mask` is a boolean tensor `(batch, time)`, all
    true where no mask was given. At a masked step the states are carried over and the gates are
    zero: no gate acted.
    """

    candidate: Any
    scale: Any
    output: Any
    hidden: Any
    cell: Any
    mask: Any

    def __repr__(self) -> str:
        return trace_repr(self)


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class NASCell(GatedCell, ImplementationConfig, keras.layers.LSTMCell):
    r"""Recurrent cell found by neural architecture search (Zoph and Le, 2017).

    Runs over time in `keras_rnnkit.RNN`. The cell is a tree with eight leaves. They are combined in
    pairs into three values that update the cell state and the output; these are called gates here.

    Equations:

    $$
    \begin{aligned}
    u_k &= x_t W_k, \quad v_k = h_{t-1} U_k + b_k, \quad k = 1, \dots, 8 \\
    g_t &= \tanh(\sigma(u_1 + v_1) \odot \mathrm{relu}(u_2 + v_2)) \\
    s_t &= \tanh(\sigma(u_3 + v_3) + \mathrm{relu}(u_4 \odot v_4)) \\
    o_t &= \tanh(\tanh(\tanh(u_5 + v_5) \odot \sigma(u_6 + v_6))
        + \sigma(\tanh(u_7 + v_7) + \sigma(u_8 + v_8))) \\
    c_t &= s_t \odot \tanh(g_t + c_{t-1}) \\
    h_t &= \tanh(o_t \odot c_t) && \text{projection=None} \\
    h_t &= \tanh(o_t \odot c_t) W_h && \text{else}
    \end{aligned}
    $$

    $g$ is `candidate`, $s$ `scale`, $o$ `output`; $h$ is the state `hidden`, $c$ the state `cell`.
    $\sigma$ stands for `recurrent_activation`, $\tanh$ for `activation`. In training, `dropout`
    multiplies $x_t$ and `recurrent_dropout` $h_{t-1}$ by a mask that is drawn once for each
    sequence; with `implementation=1` or `recurrent_dropout`, each leaf has its own mask.

    Args:
        units: Positive integer, the width of the gates and of the cell state.
        projection: Positive integer, the width of the hidden state and of the output; `None` for no
            projection: both have the width `units`.
        projection_initializer: Initializer of `projection_kernel`.
        projection_regularizer: Regularizer of `projection_kernel`.
        projection_constraint: Constraint of `projection_kernel`.
        activation: The function in place of $\tanh$.
        recurrent_activation: The function in place of $\sigma$.
        use_bias: Whether the leaves have a bias.
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
        implementation: `2` (one input mask for all leaves) or `1` (one for each leaf).
        **kwargs: `name`, `dtype` and what else a Keras layer takes.

    Call arguments:
        inputs: Tensor `(batch, features)`.
        states: List `[hidden, cell]`, `(batch, projection or units)` and `(batch, units)`.
        training: Whether dropout applies.

    Returns:
        `(hidden, [hidden, cell])`, hidden `(batch, projection or units)` and cell
        `(batch, units)`, in the compute dtype.

    Raises:
        ValueError: If `units` or `projection` is not a positive integer, a rate is outside
            `[0, 1)`, or `states` does not hold two tensors.

    Weights:
        - `kernel`: `(features, 8 * units)`, $[W_1, \dots, W_8]$, concatenated.
        - `recurrent_kernel`: `(projection or units, 8 * units)`, $[U_1, \dots, U_8]$.
        - `bias`: `(8 * units,)`, $[b_1, \dots, b_8]$, with `use_bias=True`.
        - `projection_kernel`: $W_h$, `(units, projection)`, with a projection.

    Masking:
        A cell computes one step and takes no mask. The layers keep the states at masked steps.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> layer = kit.RNN(kit.NASCell(4), return_gates=True)
    >>> output, trace = layer(np.ones((2, 5, 3), "float32"))
    >>> tuple(trace.scale.shape)
    (2, 5, 4)
    """

    state_names = ("hidden", "cell")
    gates_type = NASGates
    trace_type = NASTrace

    def __init__(
        self,
        units: int,
        projection: int | None = None,
        use_bias: bool = False,
        *,
        recurrent_initializer: Any = "glorot_uniform",
        projection_initializer: Any = "glorot_uniform",
        projection_regularizer: Any = None,
        projection_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            use_bias=use_bias,
            recurrent_initializer=recurrent_initializer,
            unit_forget_bias=False,  # there is no forget gate
            **kwargs,
        )
        if projection is not None:
            projection = checked_units(type(self).__name__, projection, "projection")
        self.projection = projection
        take_part(
            self,
            "projection",
            projection_initializer,
            projection_regularizer,
            projection_constraint,
        )
        self.output_size = projection or self.units
        self.state_size = [self.output_size, self.units]
        if self.implementation == 1:
            self.dropout_mask_count = 8  # a mask for each block of the kernels

    def build(self, input_shape: Any) -> None:
        add_gate_weights(self, input_shape[-1], self.output_size, gates=8)
        if self.projection is not None:
            shape = (self.units, self.projection)
            self.projection_kernel = add_part(self, "projection", shape, "projection_kernel")

    def gates(
        self, inputs: Any, states: Any, training: bool = False, masks: Any = None
    ) -> NASGates:
        """The three gates of one step, after their activations.

        Args:
            inputs: Tensor `(batch, features)`.
            states: List `[hidden, cell]`, `(batch, projection or units)` and `(batch, units)`.
            training: Whether dropout applies.
            masks: `Masks` of the sequence; with `None`, the cell draws its own.

        Returns:
            `NASGates(candidate, scale, output)`, each `(batch, units)`.
        """
        x, (h, _) = self._prepare(inputs, states)
        u = project(x, self._weight(self.kernel), self._input_masks(x, training, masks))
        v = project(h, self._weight(self.recurrent_kernel), self._hidden_masks(h, training, masks))
        if self.use_bias:
            v = v + self._weight(self.bias)
        u1, u2, u3, u4, u5, u6, u7, u8 = ops.split(u, 8, axis=-1)
        v1, v2, v3, v4, v5, v6, v7, v8 = ops.split(v, 8, axis=-1)
        sigma, tanh, relu = self.recurrent_activation, self._activate, ops.relu
        g = tanh(sigma(u1 + v1) * relu(u2 + v2))
        s = tanh(sigma(u3 + v3) + relu(u4 * v4))
        o = tanh(tanh(tanh(u5 + v5) * sigma(u6 + v6)) + sigma(tanh(u7 + v7) + sigma(u8 + v8)))
        return NASGates(candidate=g, scale=s, output=o)

    def step(
        self, gates: NASGates, states: Any, masks: Any = None, edit: Any = unedited
    ) -> tuple[Any, Any]:
        """The new states from the gates.

        Args:
            gates: `NASGates`, each `(batch, units)`.
            states: List `[hidden, cell]`, `(batch, projection or units)` and `(batch, units)`.
            masks: `Masks` of the sequence, unused here.
            edit: Function of the name of a state and its value, for gradients.

        Returns:
            `(hidden, [hidden, cell])`, `(batch, projection or units)` and `(batch, units)`.
        """
        g, s, o = gates
        _, c = self._states(states)
        c = edit("cell", s * self._activate(g + c))
        h = self._activate(o * c)
        if self.projection is not None:
            h = h @ self._weight(self.projection_kernel)
        return h, like(states, [h, c])

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **part_config(self, "projection")}
        del config["unit_forget_bias"]
        return {**config, "projection": self.projection}
