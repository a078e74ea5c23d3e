"""The layers whose gates depend on the input alone: one layer around three cells."""

from typing import Any, ClassVar

import keras

from keras_rnnkit.cells import MinGRUCell, MinLSTMCell, RGLRUCell
from keras_rnnkit.layers._recurrent import Recurrent


class MinRecurrent(Recurrent, keras.layers.RNN):
    """A layer around a minimal cell, with the cell's arguments as its own."""

    cell_type: ClassVar[Any] = None
    cell_arguments: ClassVar[tuple[str, ...]] = ()  # those that only this cell has

    def __init__(
        self,
        units: int,
        activation: Any = "linear",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        seed: int | None = None,
        return_gates: bool = False,
        path: str = "auto",
        recompute: bool | int = False,
        **kwargs: Any,
    ) -> None:
        recurrent = sorted(name for name in kwargs if name.startswith("recurrent_"))
        if recurrent:
            raise ValueError(
                f"{type(self).__name__} has no `{recurrent[0]}`: its gates do not depend on the "
                "state, so it has no recurrent weights. Leave it out, or use an `LSTM` or a `GRU`. "
                f"Received: {recurrent[0]}={kwargs[recurrent[0]]!r}"
            )
        own = {name: kwargs.pop(name) for name in self.cell_arguments if name in kwargs}
        cell = self.cell_type(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            seed=seed,
            name="cell",
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            **own,
        )
        super().__init__(cell, return_gates=return_gates, path=path, recompute=recompute, **kwargs)

    @property
    def units(self) -> int:
        """The width of the state and of the output."""
        return self.cell.units

    def get_config(self) -> dict[str, Any]:
        of_cell, of_layer = self.cell.get_config(), super().get_config()
        del of_layer["cell"]
        return {**of_cell, **of_layer}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class MinGRU(MinRecurrent):
    """Minimal gated recurrent unit layer (Feng et al., 2024), without recurrent weights.

    The equations and the layout of the weights are in `keras_rnnkit.MinGRUCell`. The gates
    depend on the input alone, so one matrix product computes those of all steps, and the state is a
    linear recurrence. On a GPU an associative (parallel) scan computes it, and on a CPU a loop over
    the steps; on PyTorch a CPU uses the scan for small batches, too. Up to rounding, the numbers
    are those of the cell step by step.

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
        path: `"auto"` and `"fused"` run as above, `"portable"` is the loop over the cell; with
            `unroll=True`, `"auto"` is that loop, unrolled.
        recompute: As in `keras_rnnkit.LSTM`, for long sequences.
        **kwargs: `return_sequences`, `return_state`, `go_backwards`, `stateful`, `unroll`,
            `zero_output_for_mask`, `name`, `dtype` and what else `keras.layers.RNN` takes.

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
        The output, `(batch, units)` or `(batch, time, units)`; with `return_state`, then the last
        `hidden`, `(batch, units)`; with `return_gates`, last a `MinGRUTrace(update, candidate,
        hidden, mask)`: each `(batch, time, units)`, `mask` `(batch, time)`.

    Raises:
        ValueError: For wrong units, dropout rates, shapes, masks or states; the message says what
            was expected.

    Masking:
        At a masked step the state stays as it is, the output is that of the last valid step
        (zeros before the first one), and every gate in the trace is zero. With
        `zero_output_for_mask=True` masked steps of a returned sequence are zero.

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


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class MinLSTM(MinRecurrent):
    """Minimal long short-term memory layer (Feng et al., 2024), without recurrent weights.

    The equations and the layout of the weights are in `keras_rnnkit.MinLSTMCell`. It runs
    like `keras_rnnkit.MinGRU`, and has the same arguments in the same order, the same call
    arguments, masks and errors.

    Returns:
        As `keras_rnnkit.MinGRU`; the trace is a `MinLSTMTrace(input, forget, candidate, hidden,
        mask)`: each `(batch, time, units)`, `mask` `(batch, time)`.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> layer = kit.MinLSTM(4, return_gates=True)
    >>> output, trace = layer(np.ones((2, 5, 3), "float32"))
    >>> trace._fields
    ('input', 'forget', 'candidate', 'hidden', 'mask')
    >>> tuple(output.shape), tuple(trace.candidate.shape)
    ((2, 4), (2, 5, 4))
    """

    cell_type = MinLSTMCell


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class RGLRU(MinRecurrent):
    """Real-gated linear recurrent unit layer (De et al., 2024, arXiv 2402.19427).

    The equations, the layout of the weights and what differs from the paper are in
    `keras_rnnkit.RGLRUCell`. It has no recurrent kernel: the gates depend on the input alone, and
    each unit multiplies its state by a factor near one, so that it remembers over hundreds of
    steps. It runs like `keras_rnnkit.MinGRU`, and has the same arguments in the same order, the
    same call arguments, masks and errors.

    Args:
        units: Positive integer, the width of the output and of the state.
        *args: As `keras_rnnkit.MinGRU`, in the same order.
        decay_initializer: Initializer of `decay`; None for `keras_rnnkit.initializers.Decay()`.
        **kwargs: As `keras_rnnkit.MinGRU`.

    Returns:
        As `keras_rnnkit.MinGRU`; the trace is a `RGLRUTrace(recurrence, input, forget, scale,
        candidate, hidden, mask)`: each `(batch, time, units)`, `mask` `(batch, time)`.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> layer = kit.RGLRU(4, return_gates=True)
    >>> output, trace = layer(np.ones((2, 5, 3), "float32"))
    >>> trace._fields
    ('recurrence', 'input', 'forget', 'scale', 'candidate', 'hidden', 'mask')
    >>> tuple(output.shape), tuple(trace.forget.shape)
    ((2, 4), (2, 5, 4))
    """

    cell_type = RGLRUCell
    cell_arguments = ("decay_initializer",)

    def __init__(
        self, units: int, *args: Any, decay_initializer: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(units, *args, decay_initializer=decay_initializer, **kwargs)
