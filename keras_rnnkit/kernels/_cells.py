"""One step of each cell, forward and backward, in plain arithmetic that any tensors understand.

The letters are those of the cells' equations; `d_x` is the gradient of `x`. A step starts from its
pre-activations, the arguments of the activation functions. `inputs` has the indices of those to
which a block of the input kernel contributes, in the kernel's order; `products` has those of the
recurrent kernel.

`forward` returns the new states, the gates, and what else the backward pass needs. `backward`
returns the gradients of the pre-activations, and those of the states before the step, without what
comes through the recurrent product.
"""

from collections.abc import Callable
from typing import Any, NamedTuple


class Functions(NamedTuple):
    """What a cell needs beside arithmetic."""

    sigmoid: Callable[[Any], Any]
    tanh: Callable[[Any], Any]
    # The candidate's recurrent product of a GRU that resets before it; in the backward pass the
    # product with the transposed weights.
    reset_product: Any = None


class LSTM:
    """`c' = f * c + i * g` and `h' = o * tanh(c')`."""

    states, gates, extras, preactivations = 2, 4, 0, 4
    inputs, products = (0, 1, 2, 3), (0, 1, 2, 3)

    @staticmethod
    def forward(preactivations: Any, states: Any, functions: Functions) -> tuple[Any, Any, Any]:
        sigmoid, tanh, _ = functions
        (i, f, g, o), (_, c) = preactivations, states
        i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
        c = f * c + i * g
        return [o * tanh(c), c], [i, f, g, o], []

    @staticmethod
    def backward(
        d_states: Any, d_gates: Any, states: Any, gates: Any, extras: Any, functions: Functions
    ) -> tuple[Any, Any]:
        (d_h, d_c), (_, c), (i, f, g, o) = d_states, states, gates
        t = functions.tanh(f * c + i * g)
        d_c = d_c + d_h * o * (1 - t * t)
        d_i, d_f, d_g, d_o = _added([d_c * g, d_c * c, d_c * i, d_h * t], d_gates)
        d_preactivations = [
            _through_sigmoid(d_i, i),
            _through_sigmoid(d_f, f),
            _through_tanh(d_g, g),
            _through_sigmoid(d_o, o),
        ]
        return d_preactivations, [0.0, d_c * f]


class GRU:
    """`h' = z * h + (1 - z) * g`, where `g` resets after the recurrent product."""

    states, gates, extras, preactivations = 1, 3, 1, 4
    inputs, products = (0, 1, 2), (0, 1, 3)

    @staticmethod
    def forward(preactivations: Any, states: Any, functions: Functions) -> tuple[Any, Any, Any]:
        (z, r, g, product), (h,) = preactivations, states
        z, r = functions.sigmoid(z), functions.sigmoid(r)
        g = functions.tanh(g + r * product)
        return [z * h + (1 - z) * g], [z, r, g], [product]

    @staticmethod
    def backward(
        d_states: Any, d_gates: Any, states: Any, gates: Any, extras: Any, functions: Functions
    ) -> tuple[Any, Any]:
        (d_h,), (h,), (z, r, g), (product,) = d_states, states, gates, extras
        d_candidate = _d_candidate(d_h, d_gates, z, g)
        d_z, d_r = _added([d_h * (h - g), d_candidate * product], d_gates[:2])
        d_z, d_r = _through_sigmoid(d_z, z), _through_sigmoid(d_r, r)
        return [d_z, d_r, d_candidate, d_candidate * r], [d_h * z]


class GRUResetBefore:
    """`h' = z * h + (1 - z) * g`, where `g` resets before the recurrent product."""

    states, gates, extras, preactivations = 1, 3, 0, 3
    inputs, products = (0, 1, 2), (0, 1)

    @staticmethod
    def forward(preactivations: Any, states: Any, functions: Functions) -> tuple[Any, Any, Any]:
        (z, r, g), (h,) = preactivations, states
        z, r = functions.sigmoid(z), functions.sigmoid(r)
        g = functions.tanh(g + functions.reset_product(r * h))
        return [z * h + (1 - z) * g], [z, r, g], []

    @staticmethod
    def backward(
        d_states: Any, d_gates: Any, states: Any, gates: Any, extras: Any, functions: Functions
    ) -> tuple[Any, Any]:
        (d_h,), (h,), (z, r, g) = d_states, states, gates
        d_candidate = _d_candidate(d_h, d_gates, z, g)
        d_reset = functions.reset_product(d_candidate)  # the gradient of r * h
        d_z, d_r = _added([d_h * (h - g), d_reset * h], d_gates[:2])
        d_z, d_r = _through_sigmoid(d_z, z), _through_sigmoid(d_r, r)
        return [d_z, d_r, d_candidate], [d_h * z + d_reset * r]


class SimpleRNN:
    """`h' = g`."""

    states, gates, extras, preactivations = 1, 1, 0, 1
    inputs, products = (0,), (0,)

    @staticmethod
    def forward(preactivations: Any, states: Any, functions: Functions) -> tuple[Any, Any, Any]:
        g = functions.tanh(preactivations[0])
        return [g], [g], []

    @staticmethod
    def backward(
        d_states: Any, d_gates: Any, states: Any, gates: Any, extras: Any, functions: Functions
    ) -> tuple[Any, Any]:
        (d_g,) = _added(d_states, d_gates)
        return [_through_tanh(d_g, gates[0])], [0.0]


def _d_candidate(d_h: Any, d_gates: Any, z: Any, g: Any) -> Any:
    """The gradient of the pre-activation of a GRU's candidate."""
    (d_g,) = _added([d_h * (1 - z)], d_gates[2:])
    return _through_tanh(d_g, g)


def _through_sigmoid(d_gate: Any, gate: Any) -> Any:
    """The gradient of the pre-activation, from that of the sigmoid's value."""
    return d_gate * gate * (1 - gate)


def _through_tanh(d_gate: Any, gate: Any) -> Any:
    """The gradient of the pre-activation, from that of the tanh's value."""
    return d_gate * (1 - gate * gate)


def _added(gradients: list[Any], others: Any) -> list[Any]:
    """The sums with other gradients, where there are any."""
    return [a + b for a, b in zip(gradients, others, strict=True)] if others else gradients
