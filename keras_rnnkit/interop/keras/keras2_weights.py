"""Weights of Keras 2: their order in a file, cuDNN layouts and the slope of `hard_sigmoid`.

| | Keras 2 file | Keras 3 |
|---|---|---|
| `CuDNNLSTM` | kernel of each gate in Fortran order, recurrent kernel of each gate transposed, bias `(8 * units,)` | `LSTM`, bias `(4 * units,)`, the sum of the two |
| `CuDNNGRU` | the same, bias `(6 * units,)` | `GRU(reset_after=True)`, bias `(2, 3 * units)` |
| `hard_sigmoid` | `clip(0.2 * x + 0.5, 0, 1)` | `clip(x / 6 + 0.5, 0, 1)`: weights times 1.2 |
"""  # noqa: E501

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

_SLOPE = 6 * 0.2  # of Keras 2's `hard_sigmoid`, relative to that of Keras 3
_GATES = {"LSTM": 4, "GRU": 3}
_CANDIDATE = 2  # the block of the candidate, in an LSTM as in a GRU
_LAYERS = (keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN)
# The layers whose activation is applied to a sum that is linear in all their weights together.
_LINEAR = (
    *(keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D, keras.layers.Dense),
    *(keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D),
    *(keras.layers.SimpleRNN, keras.layers.SimpleRNNCell),
)
_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)


class Slot(NamedTuple):
    """Variables of one layer that follow each other in a file."""

    layer: Any
    variables: list[Any]


def slots(layer: Any, order: dict[int, list[Any]]) -> list[Slot]:
    """The variables of a layer in the order of Keras 2: trainable before non-trainable ones.

    Args:
        layer: A layer or model.
        order: By `id(model)`, its layers in the order of its config, where it is known.
    """
    both = list(_leaves(layer, order))
    trainable = [Slot(leaf, list(leaf.trainable_weights)) for leaf in both]
    others = [Slot(leaf, list(leaf.non_trainable_weights)) for leaf in both]
    return [slot for slot in [*trainable, *others] if slot.variables]


def _leaves(layer: Any, order: dict[int, list[Any]]) -> Iterator[Any]:
    if isinstance(layer, keras.Model):
        for inner in order.get(id(layer), layer.layers):
            yield from _leaves(inner, order)
    elif isinstance(layer, keras.layers.Bidirectional):
        for direction in (layer.forward_layer, layer.backward_layer):
            yield from _leaves(direction, order)
    elif isinstance(layer, keras.layers.TimeDistributed):
        yield from _leaves(layer.layer, order)
    elif isinstance(layer, keras.layers.RNN) and not isinstance(layer, _LAYERS):
        yield from _leaves(layer.cell, order)
    elif isinstance(layer, keras.layers.StackedRNNCells):
        for cell in layer.cells:
            yield from _leaves(cell, order)
    else:
        yield layer


def forward_first(names: list[str]) -> list[str]:
    """The names of the weights of a `Bidirectional`, those of the forward direction first."""
    backward = [any(part.startswith("backward") for part in name.split("/")) for name in names]
    if 2 * sum(backward) != len(names):
        return names
    return [n for n, b in zip(names, backward, strict=True) if not b] + [
        n for n, b in zip(names, backward, strict=True) if b
    ]


def converted(layer: Any, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The arrays of a layer in a file, as the layer of Keras 3 takes them."""
    kind = _kind(layer)
    if kind and len(arrays) == 3 and _is_cudnn(arrays, _GATES[kind]):
        arrays = _from_cudnn(layer, kind, arrays)
    return _with_slope(layer, kind, arrays)


def _kind(layer: Any) -> str | None:
    """`LSTM` or `GRU`, for a layer or a cell."""
    for kind in _GATES:
        if isinstance(layer, (getattr(keras.layers, kind), getattr(keras.layers, f"{kind}Cell"))):
            return kind
    return None


def _is_cudnn(arrays: list[np.ndarray], gates: int) -> bool:
    return arrays[1].ndim == 2 and arrays[2].shape == (2 * gates * arrays[1].shape[0],)


def _from_cudnn(layer: Any, kind: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
    if kind == "GRU" and not layer.reset_after:
        raise ValueError(
            f"the weights of '{layer.name}' are those of a CuDNNGRU, which need a GRU with "
            "`reset_after=True`"
        )
    kernel, recurrent, bias = arrays
    if kernel.ndim != 2 or kernel.shape[1] != recurrent.shape[1]:
        raise ValueError(f"the weights of '{layer.name}' have the shapes {_shapes(arrays)}")
    gates = _GATES[kind]
    kernels = [k.T.reshape(k.shape, order="F") for k in np.split(kernel, gates, axis=1)]
    recurrents = [k.T for k in np.split(recurrent, gates, axis=1)]
    both = bias.reshape(2, -1)
    bias = both.sum(axis=0) if kind == "LSTM" else both
    return [np.concatenate(kernels, axis=1), np.concatenate(recurrents, axis=1), bias]


def _with_slope(layer: Any, kind: str | None, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The arrays times 1.2, in the columns whose sum goes into a `hard_sigmoid`."""
    gates, candidate = (
        _is_hard(getattr(layer, name, None)) for name in ("recurrent_activation", "activation")
    )
    if not gates and not candidate:
        return arrays
    if candidate and kind == "LSTM":
        raise ValueError(
            f"'{layer.name}' has the activation `hard_sigmoid` on its cell state, which Keras 3 "
            "defines otherwise"
        )
    if kind is None:
        return _with_slope_in_all(layer, arrays)
    of_blocks = [candidate if i == _CANDIDATE else gates for i in range(_GATES[kind])]
    factors = [_SLOPE if hard else 1.0 for hard in of_blocks]
    columns = np.repeat(factors, arrays[0].shape[-1] // _GATES[kind])
    return [array * columns.astype(array.dtype) for array in arrays]


def _with_slope_in_all(layer: Any, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The arrays times 1.2, of a separable convolution not those of its first product."""
    first = int(isinstance(layer, _SEPARABLE))
    if not first and not isinstance(layer, _LINEAR):
        raise ValueError(
            f"'{layer.name}' of the class {type(layer).__name__} has a `hard_sigmoid`, which Keras "
            "3 defines otherwise; give it a function with the slope 0.2"
        )
    scaled = [array * np.asarray(_SLOPE, array.dtype) for array in arrays[first:]]
    return [*arrays[:first], *scaled]


def check_without_weights(layers: list[Any]) -> None:
    """Refuse a `hard_sigmoid` with another slope than in Keras 2, where no weights can change it.

    Raises:
        ValueError: If there is an `Activation("hard_sigmoid")`.
    """
    for layer in layers:
        if isinstance(layer, keras.layers.Activation) and _is_hard(layer.activation):
            raise ValueError(
                f"'{layer.name}' in `model` is the `hard_sigmoid` of Keras 3, which has another "
                "slope; give it a function with the slope 0.2, or put it into the layer before"
            )


def _is_hard(activation: Any) -> bool:
    return activation is keras.activations.hard_sigmoid


def _shapes(arrays: list[np.ndarray]) -> str:
    return ", ".join(str(array.shape) for array in arrays)


def paired(
    layer: Any, arrays: dict[str, np.ndarray], order: dict[int, list[Any]]
) -> Iterator[tuple[Any, np.ndarray]]:
    """The variables of a layer, each with its array of a file.

    Raises:
        ValueError: If the number or the shapes differ.
    """
    names = list(arrays)
    if isinstance(layer, keras.layers.Bidirectional):
        names = forward_first(names)
    values = [arrays[name] for name in names]
    wanted = slots(layer, order)
    count = sum(len(slot.variables) for slot in wanted)
    if count != len(values):
        raise ValueError(f"'{layer.name}' has {count} weights, and the file {len(values)} for it")
    for leaf, variables in wanted:
        taken, values = values[: len(variables)], values[len(variables) :]
        for variable, value in zip(variables, converted(leaf, taken), strict=True):
            if tuple(variable.shape) != value.shape:
                raise ValueError(
                    f"'{variable.path}' has the shape {tuple(variable.shape)}, and the file "
                    f"{value.shape} for it"
                )
            yield variable, value
