"""The GRU layer."""

from typing import Any

import keras

from keras_rnnkit.cells import GRUCell
from keras_rnnkit.layers._checks import checked_cudnn
from keras_rnnkit.layers._recurrent import Recurrent


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class GRU(Recurrent, keras.layers.GRU):
    r"""Gated recurrent unit layer (Cho et al., 2014) that returns its gates.

    A drop-in replacement for `keras.layers.GRU`: same arguments, same weights in the same order.
    Equations, packing of the weights and paper are in `keras_rnnkit.GRUCell`. In addition, it
    returns all gates and states (the trace), carries and saves the states of `stateful=True` on
    every backend, handles masks the same way on every path, and raises clear errors.

    Args:
        units: Positive integer, the width of the output and of the state.
        activation: Activation of the candidate.
        recurrent_activation: Activation of the gates.
        use_bias: Whether there is a bias.
        kernel_initializer: Initializer of the input kernel.
        recurrent_initializer: Initializer of the recurrent kernel.
        bias_initializer: Initializer of the bias.
        kernel_regularizer: Regularizer of the input kernel.
        recurrent_regularizer: Regularizer of the recurrent kernel.
        bias_regularizer: Regularizer of the bias.
        activity_regularizer: Regularizer of what the layer returns.
        kernel_constraint: Constraint of the input kernel.
        recurrent_constraint: Constraint of the recurrent kernel.
        bias_constraint: Constraint of the bias.
        dropout: Fraction of the inputs to drop in training, in `[0, 1)`.
        recurrent_dropout: Fraction of the hidden state to drop in training, in `[0, 1)`.
        recurrent_weight_dropout: Fraction of the recurrent kernel's weights to drop in training, in
            `[0, 1)`, the same for the whole batch and sequence (Merity et al., 2017). The layer
            stays on the fused path.
        seed: Integer seed of the dropout masks.
        return_sequences: Whether to return the output of every step, or the last.
        return_state: Whether to return the last state too.
        go_backwards: Whether to go through time from the end; what is returned is in that order.
        stateful: Whether a batch starts from the last states of the previous batch.
        unroll: Whether to unroll the loop over time.
        reset_after: Whether the reset gate acts after the matrix product; see the cell.
        use_cudnn: `False` keeps the layer from using cuDNN on a GPU. `True` is the same as
            `"auto"`: cuDNN is used where it can be.
        return_gates: Whether to append the trace, last, to what is returned. For both directions,
            set it in `keras_rnnkit.Bidirectional`. A loaded model returns the trace as a plain
            list.
        path: `"auto"` chooses the fastest path that supports the call (`keras_rnnkit.explain`
            tells which and why), `"fused"` requires a kernel, `"portable"` is the loop over the
            cell. A kernel has no forward-mode differentiation and, on PyTorch, no second
            derivatives; the loop has both.
        **kwargs: `name`, `dtype`, `implementation`, `zero_output_for_mask` and what else a Keras
            layer takes.

    Call arguments:
        sequences: Tensor `(batch, time, features)`.
        initial_state: Tensor `(batch, units)`, or a list of it; zeros by default.
        mask: Boolean tensor `(batch, time)`, false where a step is skipped: the state is carried
            over.
        training: Whether dropout applies.

    Returns:
        The output, `(batch, units)` or `(batch, time, units)`; with `return_state`, then the last
        `hidden`, `(batch, units)`; with `return_gates`, last a `GRUTrace(update, reset, candidate,
        hidden, mask)`: each `(batch, time, units)`, `mask` `(batch, time)`. A single value is
        returned by itself, several as a tuple. The dtype is the compute dtype.

    Raises:
        ValueError: For wrong units, dropout rates, shapes, masks or states; the message says what
            was expected.

    Masking:
        At a masked step the states stay as they are, the output is that of the last valid step
        (zeros before the first one), and every gate in the trace is zero. With
        `zero_output_for_mask=True` masked steps of a returned sequence are zero.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> x = np.ones((2, 5, 3), "float32")
    >>> layer = kit.GRU(4, return_gates=True)
    >>> output, trace = layer(x)
    >>> trace._fields
    ('update', 'reset', 'candidate', 'hidden', 'mask')
    >>> tuple(output.shape), tuple(trace.update.shape)
    ((2, 4), (2, 5, 4))
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        return_gates: bool = False,
        path: str = "auto",
        recurrent_weight_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        cell = GRUCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            recurrent_weight_dropout=recurrent_weight_dropout,
            seed=seed,
            reset_after=reset_after,
            name="gru_cell",
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            implementation=kwargs.pop("implementation", 2),
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            return_gates=return_gates,
            path=path,
            **kwargs,
        )
        self.use_cudnn = checked_cudnn(type(self).__name__, use_cudnn)

    def get_config(self) -> dict[str, Any]:
        config = {
            "use_cudnn": self.use_cudnn,
            "implementation": self.cell.implementation,
            "recurrent_weight_dropout": self.cell.recurrent_weight_dropout,
        }
        return {**super().get_config(), **config}
