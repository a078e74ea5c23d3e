"""The GRU layer."""

from typing import Any

import keras

from keras_rnnkit.cells import GRUCell
from keras_rnnkit.layers._checks import checked_cudnn
from keras_rnnkit.layers._recurrent import Recurrent


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class GRU(Recurrent, keras.layers.GRU):
    r"""Gated recurrent unit layer (Cho et al., 2014) that returns its gates.

    A drop-in replacement for `keras.layers.GRU`, with the same arguments and the same weights in
    the same order. `keras_rnnkit.GRUCell` has the equations, the layout of the weights and the
    paper. In addition, the layer can return all gates and states (the trace). On every backend,
    `stateful=True` keeps the states between calls and saves them with the model, and a mask has
    the same effect on every path.

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
            `[0, 1)`: the same weights at every step and for the whole batch (Merity et al., 2017).
            The fused path supports it.
        seed: Integer seed of the dropout masks.
        return_sequences: Whether to return the output of every step instead of the last one.
        return_state: Whether to return the last state too.
        go_backwards: Whether to run from the last step to the first. Returned sequences are in the
            order in which the layer runs, so that they begin with the last step.
        stateful: Whether a batch starts from the last states of the batch before.
        unroll: Whether to unroll the loop over time.
        reset_after: Whether the reset gate acts after the matrix product; see the cell.
        use_cudnn: `"auto"` or `True` to use cuDNN where it supports the call, on a GPU with
            TensorFlow or PyTorch; `False` not to use it. On JAX, cuDNN is never used.
        return_gates: Whether to return the trace too, as the last value. For both directions, set
            it in `keras_rnnkit.Bidirectional`. A loaded model returns the trace as a plain list.
        path: How the layer runs. `"auto"` takes the fastest path that supports the call, which
            `keras_rnnkit.explain` names. `"fused"` takes a fused kernel, which computes the
            whole sequence in one call, and raises an error where there is none. `"portable"` takes
            a loop over the cell: slower, but it supports forward-mode differentiation and, on
            PyTorch, second derivatives, which the fused kernels do not.
        recompute: For long sequences: less memory in training, for a second forward pass. Training
            then runs in chunks of steps and keeps only the states between them; the backward pass
            runs each chunk again. The gradients are the same up to rounding. `True` takes chunks of
            about `sqrt(time)` steps, an integer chunks of so many. It has no effect with
            `return_gates=True`, which returns all steps anyway.
        **kwargs: `implementation`, `zero_output_for_mask`, `name`, `dtype` and the other arguments
            of `keras.layers.GRU`.

    Call arguments:
        sequences: Tensor `(batch, time, features)`.
        initial_state: Tensor `(batch, units)`, or a list of it; zeros by default.
        mask: Boolean tensor `(batch, time)`, false where a step is skipped: the state is carried
            over.
        training: Whether dropout applies.
        resets: Boolean tensor `(batch, time)`, true at the first step of each new sequence inside a
            row, masked or not, in the order of the input: the state is zeros again before that
            step.

    Returns:
        The last output, `(batch, units)`, or with `return_sequences` the output of every step,
        `(batch, time, units)`. With `return_state`, it is followed by the last `hidden` state,
        `(batch, units)`. With `return_gates`, the last value is a `GRUTrace(update, reset,
        candidate, hidden, mask)`: the gates and states of every step, each `(batch, time, units)`,
        and the boolean `mask`, `(batch, time)`. A single value is returned by itself, several
        values as a tuple. All but the mask have the layer's compute dtype.

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
        recompute: bool | int = False,
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
            recompute=recompute,
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
