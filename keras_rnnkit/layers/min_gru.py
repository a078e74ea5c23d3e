"""The minimal GRU layer."""

import keras

from keras_rnnkit.cells import MinGRUCell
from keras_rnnkit.layers._min import MinRecurrent


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class MinGRU(MinRecurrent):
    """Minimal gated recurrent unit layer (Feng et al., 2024), all gates at once.

    The equations and the packing of the weights are in `keras_rnnkit.MinGRUCell`. The gates look
    at the input alone, so the layer runs as a parallel scan over time, in training and prediction:
    the same numbers as the cell step by step, to rounding. All gates come of one product; the
    states follow by halving on a GPU, and one by one on a CPU.

    Args:
        units: Positive integer, the width of the output and of the state.
        activation: Activation of the candidate; `"positive"` for the paper's, see the cell.
        use_bias: Whether there is a bias.
        kernel_initializer: Initializer of the kernel.
        bias_initializer: Initializer of the bias.
        kernel_regularizer: Regularizer of the kernel.
        bias_regularizer: Regularizer of the bias.
        kernel_constraint: Constraint of the kernel.
        bias_constraint: Constraint of the bias.
        dropout: Fraction of the inputs to drop in training, in `[0, 1)`.
        seed: Integer seed of the dropout masks.
        return_gates: Whether to append the trace, last, to what is returned.
        path: `"auto"` and `"fused"` are the parallel scan, `"portable"` is the loop over the cell;
            with `unroll=True`, `"auto"` is that loop, written out.
        **kwargs: `return_sequences`, `return_state`, `go_backwards`, `stateful`, `unroll`,
            `zero_output_for_mask`, `name`, `dtype` and what else `keras.layers.RNN` takes.

    Call arguments:
        sequences: Tensor `(batch, time, features)`.
        initial_state: Tensor `(batch, units)`, or a list of it; zeros by default.
        mask: Boolean tensor `(batch, time)`, false where a step is skipped: the state is carried
            over.
        training: Whether dropout applies.

    Returns:
        The output, `(batch, units)` or `(batch, time, units)`; with `return_state`, then the last
        `hidden`, `(batch, units)`; with `return_gates`, last a `MinGRUTrace(update, candidate,
        hidden, mask)`: each `(batch, time, units)`, `mask` `(batch, time)`.

    Raises:
        ValueError: For a number of units, a rate, a shape, a mask or a state that cannot be right,
            naming it and what was expected.

    Masking:
        At a masked step the state stays as it is, the output is the one before it (zeros where
        there is none yet), and every gate in the trace is zero. With `zero_output_for_mask=True`
        masked steps of a returned sequence are zero.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> layer = kit.MinGRU(4, return_gates=True)
    >>> output, trace = layer(np.ones((2, 5, 3), "float32"))
    >>> trace._fields
    ('update', 'candidate', 'hidden', 'mask')
    >>> tuple(output.shape), tuple(trace.candidate.shape)
    ((2, 4), (2, 5, 4))
    """

    cell_type = MinGRUCell
