"""The minimal LSTM cell."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_rnnkit.cells._min import MinCell
from keras_rnnkit.cells._trace_repr import trace_repr


class MinLSTMGates(NamedTuple):
    """The gates of one MinLSTM step, normalised: input and forget gate add up to one."""

    input: Any
    forget: Any
    candidate: Any


class MinLSTMTrace(NamedTuple):
    """Every gate and state of a MinLSTM at every step, `(batch, time, units)`, and the mask.

    `mask` is a boolean tensor `(batch, time)`, all true if no mask was given. At a masked step the
    state is that of the step before, and the gates are zero.
    """

    input: Any
    forget: Any
    candidate: Any
    hidden: Any
    mask: Any

    def __repr__(self) -> str:
        return trace_repr(self)


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class MinLSTMCell(MinCell):
    r"""Minimal long short-term memory cell (Feng et al., 2024, "Were RNNs all we needed?").

    One step of `keras_rnnkit.MinLSTM`, which computes the gates of all steps in one product: they
    depend only on the input, and the state is a weighted sum of old state and candidate. It has one
    state and no output gate.

    Equations:

    $$
    \begin{aligned}
    i_t &= \sigma(x_t W_i + b_i) \\
    f_t &= \sigma(x_t W_f + b_f) \\
    g_t &= \phi(x_t W_g + b_g) \\
    i'_t &= i_t / (f_t + i_t) \\
    f'_t &= f_t / (f_t + i_t) \\
    h_t &= f'_t \odot h_{t-1} + i'_t \odot g_t
    \end{aligned}
    $$

    $i'$ is `input`, $f'$ `forget`, $g$ `candidate`; $h$ is the state `hidden`. $\phi$ stands for
    `activation`: the identity, or with `"positive"` the paper's $x + 1/2$ for $x \ge 0$, else
    $\sigma(x)$. In training, `dropout` multiplies $x_t$ by a mask that is drawn once for each
    sequence.

    Args:
        units: Positive integer, the width of the state and of the output.
        activation: Activation of the candidate; `"positive"` for the paper's, see above.
        use_bias: Whether the gates have a bias.
        kernel_initializer: Initializer of `kernel`.
        bias_initializer: Initializer of `bias`.
        kernel_regularizer: Regularizer of `kernel`.
        bias_regularizer: Regularizer of `bias`.
        kernel_constraint: Constraint of `kernel`.
        bias_constraint: Constraint of `bias`.
        dropout: Fraction of the inputs to drop in training, in `[0, 1)`.
        seed: Integer seed of the dropout masks.
        **kwargs: `name`, `dtype` and what else a Keras layer takes.

    Call arguments:
        inputs: Tensor `(batch, features)`.
        states: List `[hidden]`, or `hidden` itself, `(batch, units)`.
        training: Whether dropout applies.

    Returns:
        `(hidden, [hidden])`, `(batch, units)`, in the compute dtype. If `states` is a single
        tensor, so are the new states.

    Raises:
        ValueError: If `units` is not a positive integer, a rate is outside `[0, 1)`,
            or `states` does not hold one tensor.

    Weights:
        - `kernel`: `(features, 3 * units)`, $[W_i, W_f, W_g]$, concatenated.
        - `bias`: `(3 * units,)`, $[b_i, b_f, b_g]$.

    Masking:
        A cell computes one step and takes no mask. The layers keep the state at masked steps.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> cell = kit.MinLSTMCell(4)
    >>> gates = cell.gates(np.ones((2, 3), "float32"), cell.get_initial_state(batch_size=2))
    >>> gates._fields
    ('input', 'forget', 'candidate')
    >>> tuple(gates.forget.shape)
    (2, 4)
    """

    gates_type = MinLSTMGates
    trace_type = MinLSTMTrace
    blocks = 3
    chrono_signs = (-1, 1, 0)

    def gates(
        self, inputs: Any, states: Any, training: bool = False, masks: Any = None
    ) -> MinLSTMGates:
        """The candidate and the two normalised gates of one step.

        Args:
            inputs: Tensor `(batch, features)`, or `(time, batch, features)` for all steps in one
                product.
            states: List `[hidden]`, or `hidden` itself, `(batch, units)`; no gate looks at it.
            training: Whether dropout applies.
            masks: `Masks` of the sequence; with `None`, the cell draws its own.

        Returns:
            `MinLSTMGates(input, forget, candidate)`, each `(batch, units)`, or
            `(time, batch, units)`.
        """
        x, _ = self._prepare(inputs, states)
        i, f, g = self._project(x, training, masks)
        i = _input_fraction(i, f)
        return MinLSTMGates(input=i, forget=1 - i, candidate=self._activate(g))

    def recurrence(self, gates: MinLSTMGates) -> tuple[Any, Any]:
        """The factor of the old state and the summand: $f'$ and $i' g$."""
        i, f, g = gates
        return f, i * g


def _input_fraction(i: Any, f: Any) -> Any:
    r"""$\sigma(i) / (\sigma(f) + \sigma(i))$, without $0 / 0$ where both gates underflow.

    On PyTorch, where every operation is a pass over memory, logarithms need the fewest operations.
    XLA is slow at logarithms. There, as $\sigma(x)$ is $e^x$ for very negative $x$, both
    pre-activations are raised by the same distance, which leaves the quotient unchanged.
    """
    if keras.config.backend() == "torch":
        return ops.sigmoid(ops.log_sigmoid(i) - ops.log_sigmoid(f))
    saturation = 9 if keras.utils.standardize_dtype(i.dtype) == "float16" else 40
    higher = ops.where(i < f, f, i)  # `keras.ops.maximum` would make float32 of float64
    below = ops.stop_gradient(
        ops.where(higher < -saturation, higher + saturation, ops.zeros_like(higher))
    )
    i, f = ops.sigmoid(i - below), ops.sigmoid(f - below)
    return i / (i + f)
