"""Whole sequences through PyTorch's own recurrent kernels, which serve CPUs too.

PyTorch packs the weights transposed, the LSTM in Keras' order `i, f, g, o` and the GRU as
`r, z, n` where Keras has `z, r, h`.
"""

from typing import Any

import torch


def lstm(x: Any, states: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> tuple[Any, Any]:
    """An LSTM of tanh and sigmoid.

    Args:
        x: `(batch, time, features)`.
        states: `[hidden, cell]`, each `(batch, units)`.
        kernel: `(features, 4 * units)`.
        recurrent_kernel: `(units, 4 * units)`.
        bias: `(4 * units,)`.

    Returns:
        The outputs `(batch, time, units)`, and the last `[hidden, cell]`.
    """
    weights = [kernel.T, recurrent_kernel.T, bias, torch.zeros_like(bias)]
    first = [state[None] for state in states]
    outputs, hidden, cell = torch.lstm(x, first, weights, *_OPTIONS)
    return outputs, [hidden[0], cell[0]]


def gru(x: Any, states: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> tuple[Any, Any]:
    """A GRU of tanh and sigmoid that resets after the matrix product.

    Args:
        x: `(batch, time, features)`.
        states: `[hidden]`, `(batch, units)`.
        kernel: `(features, 3 * units)`.
        recurrent_kernel: `(units, 3 * units)`.
        bias: `(2, 3 * units)`.

    Returns:
        The outputs `(batch, time, units)`, and the last `[hidden]`.
    """
    kernel, recurrent_kernel, bias = map(_reset_first, (kernel, recurrent_kernel, bias))
    weights = [kernel.T, recurrent_kernel.T, bias[0], bias[1]]
    outputs, hidden = torch.gru(x, states[0][None], weights, *_OPTIONS)
    return outputs, [hidden[0]]


# has_biases, num_layers, dropout, train, bidirectional, batch_first
_OPTIONS = (True, 1, 0.0, False, False, True)


def _reset_first(weight: Any) -> Any:
    update, reset, candidate = weight.chunk(3, dim=-1)
    return torch.cat([reset, update, candidate], dim=-1)
