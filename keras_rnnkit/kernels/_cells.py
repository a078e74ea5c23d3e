"""One step of each cell, forward and backward, in plain arithmetic that any tensors understand.

The letters are those of the cells' equations; `d_x` is the gradient of `x`. A step starts from
`pre`, the sums that go into the activations: `inputs` names those to which a block of the input
kernel contributes, in the kernel's order, `products` those for the recurrent kernel.
"""

from collections.abc import Callable
from typing import Any, NamedTuple


class Functions(NamedTuple):
    """What arithmetic is not enough for."""

    sigmoid: Callable[[Any], Any]
    tanh: Callable[[Any], Any]
    late: Any = None  # the recurrent product inside a step, or in the backward pass its transpose


class LSTM:
    """`c' = f * c + i * g` and `h' = o * tanh(c')`."""

    states, gates, extras = 2, 4, 0
    inputs, products = (0, 1, 2, 3), (0, 1, 2, 3)

    @staticmethod
    def forward(pre: Any, states: Any, to: Functions) -> tuple[Any, Any, Any]:
        """The new states, the gates, and what else the backward pass needs."""
        _, c = states
        i, f, g, o = to.sigmoid(pre[0]), to.sigmoid(pre[1]), to.tanh(pre[2]), to.sigmoid(pre[3])
        c = f * c + i * g
        return [o * to.tanh(c), c], [i, f, g, o], []

    @staticmethod
    def backward(
        d_states: Any, d_gates: Any, old: Any, gates: Any, extras: Any, to: Functions
    ) -> tuple[Any, Any]:
        """The gradients of `pre`, and of the old states but for the recurrent product."""
        (d_h, d_c), (_, c), (i, f, g, o) = d_states, old, gates
        t = to.tanh(f * c + i * g)
        d_c = d_c + d_h * o * (1 - t * t)
        d_i, d_f, d_g, d_o = _sums([d_c * g, d_c * c, d_c * i, d_h * t], d_gates)
        d_pre = [d_i * i * (1 - i), d_f * f * (1 - f), d_g * (1 - g * g), d_o * o * (1 - o)]
        return d_pre, [0.0, d_c * f]


class GRU:
    """`h' = z * h + (1 - z) * g`, where `g` resets after the recurrent product."""

    states, gates, extras = 1, 3, 1
    inputs, products = (0, 1, 2), (0, 1, 3)

    @staticmethod
    def forward(pre: Any, states: Any, to: Functions) -> tuple[Any, Any, Any]:
        """The new states, the gates, and what else the backward pass needs."""
        (h,) = states
        z, r, product = to.sigmoid(pre[0]), to.sigmoid(pre[1]), pre[3]
        g = to.tanh(pre[2] + r * product)
        return [z * h + (1 - z) * g], [z, r, g], [product]

    @staticmethod
    def backward(
        d_states: Any, d_gates: Any, old: Any, gates: Any, extras: Any, to: Functions
    ) -> tuple[Any, Any]:
        """The gradients of `pre`, and of the old states but for the recurrent product."""
        (d_h,), (h,), (z, r, g), (product,) = d_states, old, gates, extras
        (d_g,) = _sums([d_h * (1 - z)], d_gates[2:])
        d_sum = d_g * (1 - g * g)
        d_z, d_r = _sums([d_h * (h - g), d_sum * product], d_gates[:2])
        return [d_z * z * (1 - z), d_r * r * (1 - r), d_sum, d_sum * r], [d_h * z]


class GRUResetBefore:
    """`h' = z * h + (1 - z) * g`, where `g` resets before the recurrent product."""

    states, gates, extras = 1, 3, 0
    inputs, products = (0, 1, 2), (0, 1)

    @staticmethod
    def forward(pre: Any, states: Any, to: Functions) -> tuple[Any, Any, Any]:
        """The new states, the gates, and what else the backward pass needs."""
        (h,) = states
        z, r = to.sigmoid(pre[0]), to.sigmoid(pre[1])
        g = to.tanh(pre[2] + to.late(r * h))
        return [z * h + (1 - z) * g], [z, r, g], []

    @staticmethod
    def backward(
        d_states: Any, d_gates: Any, old: Any, gates: Any, extras: Any, to: Functions
    ) -> tuple[Any, Any]:
        """The gradients of `pre`, and of the old states but for the recurrent product."""
        (d_h,), (h,), (z, r, g) = d_states, old, gates
        (d_g,) = _sums([d_h * (1 - z)], d_gates[2:])
        d_sum = d_g * (1 - g * g)
        d_reset = to.late(d_sum)  # the gradient of r * h
        d_z, d_r = _sums([d_h * (h - g), d_reset * h], d_gates[:2])
        return [d_z * z * (1 - z), d_r * r * (1 - r), d_sum], [d_h * z + d_reset * r]


class SimpleRNN:
    """`h' = g`."""

    states, gates, extras = 1, 1, 0
    inputs, products = (0,), (0,)

    @staticmethod
    def forward(pre: Any, states: Any, to: Functions) -> tuple[Any, Any, Any]:
        """The new states, the gates, and what else the backward pass needs."""
        g = to.tanh(pre[0])
        return [g], [g], []

    @staticmethod
    def backward(
        d_states: Any, d_gates: Any, old: Any, gates: Any, extras: Any, to: Functions
    ) -> tuple[Any, Any]:
        """The gradients of `pre`, and of the old states but for the recurrent product."""
        (g,) = gates
        (d_g,) = _sums(d_states, d_gates)
        return [d_g * (1 - g * g)], [0.0]


def _sums(values: list[Any], others: Any) -> list[Any]:
    """The sums, where there is something to add."""
    return [a + b for a, b in zip(values, others, strict=True)] if others else values
