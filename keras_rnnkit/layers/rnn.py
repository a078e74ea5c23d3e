"""A recurrent layer around any cell."""

from typing import Any

import keras

from keras_rnnkit.layers._recurrent import Recurrent


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class RNN(Recurrent, keras.layers.RNN):
    """Runs any recurrent cell, or a stack of cells, over time.

    A drop-in replacement for `keras.layers.RNN`. In addition, it returns all gates and states (the
    trace), carries and saves the states of `stateful=True` on every backend, handles masks
    correctly for any structure of states, and takes stacks of a single cell.

    Args:
        cell: A cell with `call(inputs, states)` and `state_size`, or a list of cells to stack.
        return_gates: Whether to append the trace, last, to what is returned.
        path: `"auto"` chooses the fastest path that supports the call (`keras_rnnkit.explain`
            tells which and why), `"fused"` requires a kernel, `"portable"` is the loop over the
            cell. A kernel has no forward-mode differentiation and, on PyTorch, no second
            derivatives; the loop has both.
        recompute: As in `keras_rnnkit.LSTM`, for long sequences. A cell that is not of the kit must
            be a Keras layer that assigns no variable in a step; others run without it, and
            `keras_rnnkit.explain` says so. Random numbers in a cell need a `SeedGenerator` of the
            cell, by which the layer knows of them. On TensorFlow, all that has a gradient must be a
            weight of the cell.
        **kwargs: `return_sequences`, `return_state`, `go_backwards`, `stateful`, `unroll`,
            `zero_output_for_mask`, `name`, `dtype` and what else `keras.layers.RNN` takes.

    Call arguments:
        sequences: Tensor `(batch, time, features)`.
        initial_state: States in the structure of the cell's `state_size`; by default the cell's
            initial states.
        mask: Boolean tensor `(batch, time)`, false where a step is skipped.
        training: Whether dropout applies.
        resets: Boolean tensor `(batch, time)`, true at the first step of each new sequence inside a
            row, masked or not, in the order of the input: the states are the cell's initial ones
            again before that step.

    Returns:
        The output, `(batch, output_size)` or `(batch, time, output_size)`; with `return_state`,
        then the last states; with `return_gates`, last the trace: that of the cell (an
        `LSTMTrace`, say), a tuple of traces for a stack, and for a cell that exposes no gates a
        `CellTrace` of its states, `state_0`, `state_1`, ..., and the mask.

    Raises:
        ValueError: For a cell without `call` or `state_size`, and for wrong shapes, masks and
            states; the message says what was expected.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> x = np.ones((2, 5, 3), "float32")
    >>> layer = kit.RNN([kit.LSTMCell(4), kit.GRUCell(6)], return_gates=True)
    >>> output, (lstm, gru) = layer(x)
    >>> tuple(output.shape), tuple(lstm.cell.shape), tuple(gru.reset.shape)
    ((2, 6), (2, 5, 4), (2, 5, 6))
    """

    def __init__(
        self,
        cell: Any,
        return_gates: bool = False,
        path: str = "auto",
        recompute: bool | int = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(cell, return_gates=return_gates, path=path, recompute=recompute, **kwargs)
