"""The minimal GRU cell."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_rnnkit.cells._min import MinCell
from keras_rnnkit.cells._trace_repr import trace_repr


class MinGRUGates(NamedTuple):
    """The gates of one MinGRU step, each after its activation, `(batch, units)`."""

    update: Any
    candidate: Any


class MinGRUTrace(NamedTuple):
    """Every gate and state of a MinGRU at every step, `(batch, time, units)`, and the mask.

    `mask` is a boolean tensor `(batch, time)`, all true if no mask was given. At a masked step the
    state is that of the step before, and the gates are zero.
    """

    update: Any
    candidate: Any
    hidden: Any
    mask: Any

    def __repr__(self) -> str:
        return trace_repr(self)


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class MinGRUCell(MinCell):
    r"""Minimal gated recurrent unit cell (Feng et al., 2024, "Were RNNs all we needed?").

    One step of `keras_rnnkit.MinGRU`, which computes the gates of all steps in one product: they
    depend only on the input, and the state is a weighted sum of old state and candidate.

    Equations:

    $$
    \begin{aligned}
    z_t &= \sigma(x_t W_z + b_z) \\
    g_t &= \phi(x_t W_g + b_g) \\
    h_t &= (1 - z_t) \odot h_{t-1} + z_t \odot g_t
    \end{aligned}
    $$

    $z$ is `update`, $g$ `candidate`; $h$ is the state `hidden`. Note that $z$ is the weight of the
    candidate here, and of the old state in `keras_rnnkit.GRUCell`. $\phi$ stands for `activation`:
    the identity, or with `"positive"` the paper's $x + 1/2$ for $x \ge 0$, else $\sigma(x)$. In
    training, `dropout` multiplies $x_t$ by a mask that is drawn once for each sequence.

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
        - `kernel`: `(features, 2 * units)`, $[W_z, W_g]$, concatenated.
        - `bias`: `(2 * units,)`, $[b_z, b_g]$.

    Masking:
        A cell computes one step and takes no mask. The layers keep the state at masked steps.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> cell = kit.MinGRUCell(4)
    >>> gates = cell.gates(np.ones((2, 3), "float32"), cell.get_initial_state(batch_size=2))
    >>> gates._fields
    ('update', 'candidate')
    >>> tuple(gates.update.shape)
    (2, 4)
    """

    gates_type = MinGRUGates
    trace_type = MinGRUTrace
    blocks = 2
    chrono_signs = (-1, 0)  # of b in the bias of update and candidate

    def gates(
        self, inputs: Any, states: Any, training: bool = False, masks: Any = None
    ) -> MinGRUGates:
        """The two gates, after their activations.

        Args:
            inputs: Tensor `(batch, features)`, or `(time, batch, features)` for all steps in one
                product.
            states: List `[hidden]`, or `hidden` itself, `(batch, units)`; no gate looks at it.
            training: Whether dropout applies.
            masks: `Masks` of the sequence; with `None`, the cell draws its own.

        Returns:
            `MinGRUGates(update, candidate)`, each `(batch, units)`, or `(time, batch, units)`.
        """
        x, _ = self._prepare(inputs, states)
        z, g = self._project(x, training, masks)
        return MinGRUGates(update=ops.sigmoid(z), candidate=self._activate(g))

    def recurrence(self, gates: MinGRUGates) -> tuple[Any, Any]:
        """The factor of the old state and the summand: $1 - z$ and $z g$."""
        z, g = gates
        return 1 - z, z * g
