"""The real-gated linear recurrent unit cell."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_rnnkit.cells._edits import unedited
from keras_rnnkit.cells._gated import like
from keras_rnnkit.cells._min import MinCell
from keras_rnnkit.cells._trace_repr import trace_repr
from keras_rnnkit.initializers import Decay
from keras_rnnkit.initializers.decay import EXPONENT

# A smaller value of 1 - a^2 is replaced by it, so that the square root has a finite gradient.
SMALLEST = 1.2e-38


class RGLRUGates(NamedTuple):
    """The gates of one RG-LRU step and what follows from them, each `(batch, units)`."""

    recurrence: Any
    input: Any
    forget: Any
    scale: Any
    candidate: Any


class RGLRUTrace(NamedTuple):
    """Every gate and state of an RG-LRU at every step, `(batch, time, units)`, and the mask.

    `mask` is a boolean tensor `(batch, time)`, all true if no mask was given. At a masked step the
    state is that of the step before, and the gates are zero.
    """

    recurrence: Any
    input: Any
    forget: Any
    scale: Any
    candidate: Any
    hidden: Any
    mask: Any

    def __repr__(self) -> str:
        return trace_repr(self)


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class RGLRUCell(MinCell):
    r"""Real-gated linear recurrent unit cell (De et al., 2024, "Griffin", arXiv 2402.19427).

    One step of `keras_rnnkit.RGLRU`, which computes the gates of all steps in one product: they
    depend only on the input. Each unit multiplies its state by a factor of its own, near one, to
    the power of a gate, so that it can remember over hundreds of steps. What is written is scaled
    so that the variance of the state does not depend on how slowly it forgets. There is no
    `bias_initializer` `Chrono`: `decay_initializer` sets how long the units remember.

    Equations:

    $$
    \begin{aligned}
    r_t &= \sigma(x_t W_r + b_r) \\
    i_t &= \sigma(x_t W_i + b_i) \\
    g_t &= \phi(x_t W_g + b_g) \\
    a_t &= \exp(-8\,\mathrm{softplus}(\Lambda) \odot r_t) \\
    s_t &= \sqrt{1 - a_t^2} \\
    h_t &= a_t \odot h_{t-1} + s_t \odot i_t \odot g_t
    \end{aligned}
    $$

    $r$ is `recurrence`, $i$ `input`, $a$ `forget`, $s$ `scale`, $g$ `candidate`; $h$ is the state
    `hidden`. $\phi$ stands for `activation`, by default the identity. In training, `dropout`
    multiplies $x_t$ by a mask that is drawn once for each sequence.

    In the paper, the unit is as wide as its input $u_t$, and $g_t = u_t$. Here, $g_t = x_t W_g +
    b_g$ is the linear layer before it in the paper's recurrent block, so that `units` and features
    may differ, and the gates read $x_t$, not $g_t$. The block's convolution and its second branch
    are not part of the cell, and $W_r$, $W_i$ are full matrices.

    In float16 and bfloat16, $a$ and $s$ are computed in float32, and so are the states of
    `keras_rnnkit.RGLRU` between the steps. In a loop over the cell (`path="portable"`), they are
    rounded at each step, and an $a$ close to one is rounded to one.

    Args:
        units: Positive integer, the width of the state and of the output.
        activation: Activation of the candidate; `"positive"` as in `keras_rnnkit.MinGRUCell`.
        use_bias: Whether the gates and the candidate have a bias.
        kernel_initializer: Initializer of `kernel`.
        bias_initializer: Initializer of `bias`.
        kernel_regularizer: Regularizer of `kernel`.
        bias_regularizer: Regularizer of `bias`.
        kernel_constraint: Constraint of `kernel`.
        bias_constraint: Constraint of `bias`.
        dropout: Fraction of the inputs to drop in training, in `[0, 1)`.
        seed: Integer seed of the dropout masks.
        decay_initializer: Initializer of `decay`; None for `keras_rnnkit.initializers.Decay()`.
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
        - `kernel`: `(features, 3 * units)`, $[W_r, W_i, W_g]$, concatenated.
        - `bias`: `(3 * units,)`, $[b_r, b_i, b_g]$.
        - `decay`: $\Lambda$, `(units,)`.

    Masking:
        A cell computes one step and takes no mask. The layers keep the state at masked steps.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> cell = kit.RGLRUCell(4)
    >>> gates = cell.gates(np.ones((2, 3), "float32"), cell.get_initial_state(batch_size=2))
    >>> gates._fields
    ('recurrence', 'input', 'forget', 'scale', 'candidate')
    >>> tuple(gates.forget.shape)
    (2, 4)
    """

    gates_type = RGLRUGates
    trace_type = RGLRUTrace
    blocks = 3

    def __init__(
        self, units: int, *args: Any, decay_initializer: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(units, *args, **kwargs)
        self.decay_initializer = (
            Decay() if decay_initializer is None else keras.initializers.get(decay_initializer)
        )

    def build(self, inputs_shape: Any, states_shape: Any = None) -> None:
        super().build(inputs_shape, states_shape)
        self.decay = self.add_weight(
            shape=(self.units,),
            name="decay",
            initializer=self.decay_initializer,
            autocast=False,  # factors near one differ by little
        )

    def gates(
        self,
        inputs: Any,
        states: Any,
        training: bool = False,
        masks: Any = None,
        edit: Any = unedited,
    ) -> RGLRUGates:
        """The gates and the candidate of one step, and the two factors that follow from them.

        Args:
            inputs: Tensor `(batch, features)`, or `(time, batch, features)` for all steps in one
                product.
            states: List `[hidden]`, or `hidden` itself, `(batch, units)`; no gate looks at it.
            training: Whether dropout applies.
            masks: `Masks` of the sequence; with `None`, the cell draws its own.
            edit: Function of the name of a gate and its value, for `keras_rnnkit.edit`.

        Returns:
            `RGLRUGates(recurrence, input, forget, scale, candidate)`, each `(batch, units)`, or
            `(time, batch, units)`.
        """
        x, _ = self._prepare(inputs, states)
        r, i, g = self._project(x, training, masks)
        r, i, g = edit("recurrence", ops.sigmoid(r)), ops.sigmoid(i), self._activate(g)
        computed, s = self._factors(r)
        computed = ops.cast(computed, self.compute_dtype)
        a = edit("forget", computed)
        if a is not computed:
            wide = ops.cast(a, s.dtype)
            s = _root(1 - wide * wide)
        s = ops.cast(s, self.compute_dtype)
        return RGLRUGates(recurrence=r, input=i, forget=a, scale=s, candidate=g)

    def recurrence(self, gates: RGLRUGates) -> tuple[Any, Any]:
        """The factor of the old state and the summand: $a$ and $s i g$; in float32 at least."""
        r, i, a, s, g = gates
        if self._is_half:
            a, s = self._factors(r)
            i, g = ops.cast(i, "float32"), ops.cast(g, "float32")
        return a, s * i * g

    def step(self, gates: RGLRUGates, states: Any, masks: Any = None) -> tuple[Any, Any]:
        """The new state from the gates.

        Args:
            gates: `RGLRUGates`, each `(batch, units)`.
            states: List `[hidden]`, or `hidden` itself, `(batch, units)`.
            masks: `Masks` of the sequence, unused here.

        Returns:
            `(hidden, [hidden])`, `(batch, units)`; a single tensor for `states` given as one.
        """
        _, i, a, s, g = gates
        (h,) = self._states(states)
        h = a * h + s * i * g
        return h, like(states, [h])

    def get_config(self) -> dict[str, Any]:
        decay = keras.initializers.serialize(self.decay_initializer)
        return {**super().get_config(), "decay_initializer": decay}

    @property
    def _is_half(self) -> bool:
        return self.compute_dtype in ("float16", "bfloat16")

    def _factors(self, r: Any) -> tuple[Any, Any]:
        """$a$ and $s$, in float32 at least; $1 - a^2$ without cancellation where $a$ is near 1."""
        dtype = "float32" if self._is_half else self.compute_dtype
        rate = EXPONENT * ops.softplus(ops.convert_to_tensor(self.decay, dtype=dtype))
        log_a = -rate * ops.cast(r, dtype)
        a = ops.exp(log_a)
        if keras.config.backend() == "jax":  # `keras.ops.tanh` would make float32 of float64
            return a, _root(-ops.expm1(2 * log_a))
        # The same; PyTorch cannot export `expm1` to ONNX.
        return a, _root(ops.tanh(-log_a) * (1 + a * a))


def _root(values: Any) -> Any:
    """The square root, with a finite gradient at zero."""
    smallest = ops.zeros_like(values) + SMALLEST
    return ops.where(values > smallest, values, smallest) ** 0.5
