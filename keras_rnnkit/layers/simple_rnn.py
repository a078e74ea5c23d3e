"""The SimpleRNN layer."""

from typing import Any

import keras

from keras_rnnkit.cells import SimpleRNNCell
from keras_rnnkit.layers._recurrent import Recurrent


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class SimpleRNN(Recurrent, keras.layers.SimpleRNN):
    r"""Simple recurrent layer (Elman, 1990) that returns its states.

    A drop-in replacement for `keras.layers.SimpleRNN`, with the same arguments and the same weights
    in the same order. `keras_rnnkit.SimpleRNNCell` has the equations, the layout of the weights
    and the paper. In addition, the layer can return the states of every step (the trace). On every
    backend, `stateful=True` keeps the states between calls and in files, and a mask has the same
    effect on every path.

    Args:
        units: Positive integer, the width of the output and of the state.
        activation: Activation of the candidate.
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
        return_sequences: Whether to return the output of every step instead of the last one.
        return_state: Whether to return the last state too.
        go_backwards: Whether to run from the last step to the first. Returned sequences are in the
            order in which the layer runs, so that they begin with the last step.
        stateful: Whether a batch starts from the last states of the batch before.
        unroll: Whether to unroll the loop over time.
        seed: Integer seed of the dropout masks.
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
        **kwargs: `zero_output_for_mask`, `name`, `dtype` and the other arguments of
            `keras.layers.SimpleRNN`.

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
        `(batch, units)`. With `return_gates`, the last value is a `SimpleRNNTrace(candidate,
        hidden, mask)`: candidate and state of every step, each `(batch, time, units)`, and the
        boolean `mask`, `(batch, time)`. A single value is returned by itself, several values as a
        tuple. Their dtype is the compute dtype of the layer.

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
    >>> layer = kit.SimpleRNN(4, return_gates=True)
    >>> output, trace = layer(x)
    >>> trace._fields
    ('candidate', 'hidden', 'mask')
    >>> tuple(output.shape), tuple(trace.candidate.shape)
    ((2, 4), (2, 5, 4))
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
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
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        return_gates: bool = False,
        path: str = "auto",
        recompute: bool | int = False,
        **kwargs: Any,
    ) -> None:
        cell = SimpleRNNCell(
            units,
            activation=activation,
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
            seed=seed,
            name="simple_rnn_cell",
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
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

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.cell.seed}
