"""The recurrent layers in what a user passes to `to_torch`; what PyTorch lacks is refused."""

from typing import Any, NamedTuple

import keras

from keras_rnnkit import layers as kit_layers
from keras_rnnkit.interop.torch.cells import check_cell, check_recurrent_dropout
from keras_rnnkit.interop.torch.refusals import REPLACED, refuse
from keras_rnnkit.layers import StackedRNN
from keras_rnnkit.layers._states import directions

RECURRENT = tuple(
    getattr(room, name)
    for room in (kit_layers, keras.layers)
    for name in ("LSTM", "GRU", "SimpleRNN", "RNN")
)
BIDIRECTIONAL = (kit_layers.Bidirectional, keras.layers.Bidirectional)


class Row(NamedTuple):
    """One layer of a stack: a recurrent layer or both directions, and the dropout before it."""

    layer: Any
    dropout: float

    @property
    def cells(self) -> list[Any]:
        """The cell of each direction, forward first."""
        return [part.cell for part in directions(self.layer)]


def rows_of(layer: Any, with_dropout: bool) -> list[Row]:
    """The layers of a stack, in the order in which they run.

    Args:
        layer: A recurrent layer, a stack, a `Sequential` or a list of layers.
        with_dropout: Whether the dropout of the layers is carried over; else it is ignored.

    Raises:
        TypeError: If there is something else than layers.
        ValueError: For a layer that PyTorch has no counterpart of.
    """
    rows: list[Row] = []
    dropouts: list[Any] = []  # the `Dropout` layers since the last recurrent one
    for leaf in _leaves(layer):
        if type(leaf) is keras.layers.Dropout:
            dropouts.append(leaf)
            continue
        _check_layer(leaf)
        rows.append(Row(leaf, _rate_before(leaf, dropouts) if with_dropout else 0.0))
        dropouts = []
    if not rows:
        raise ValueError(
            "`layer` must be a recurrent layer, or hold at least one. "
            f"Received: type(layer)={type(layer).__name__}"
        )
    if dropouts and with_dropout:
        refuse(
            dropouts[-1],
            f"A module of torch.nn has no dropout after its last layer. {REPLACED}",
            rate=dropouts[-1].rate,
        )
    _check_sequences(rows)
    return rows


def _leaves(layer: Any) -> list[Any]:
    """The layers in stacks, lists and `Sequential` models."""
    if isinstance(layer, list | tuple):
        return [leaf for part in layer for leaf in _leaves(part)]
    if type(layer) is keras.Sequential:
        return [leaf for part in layer.layers for leaf in _leaves(part)]
    if type(layer) is keras.layers.InputLayer:
        return []
    if type(layer) is not StackedRNN:
        return [layer]
    for name in ("residual", "layer_norm"):
        if getattr(layer, name):
            refuse(
                layer,
                f"A module of torch.nn has no `{name}` between its layers. Convert the layers in "
                "`recurrent_layers` one by one, and write the rest in PyTorch.",
                **{name: getattr(layer, name)},
            )
    return list(layer.recurrent_layers)


def _check_layer(layer: Any) -> None:
    """Refuse what is not a recurrent layer, and what one does besides computing its cell."""
    if not isinstance(layer, keras.layers.Layer):
        raise TypeError(
            "`layer` must be a recurrent layer, a StackedRNN, a Sequential of such layers or a "
            f"list of them. Received: type(layer)={type(layer).__name__}"
        )
    if type(layer) in BIDIRECTIONAL:
        _check_bidirectional(layer)
    elif getattr(layer, "go_backwards", False):
        refuse(
            layer,
            "A module of torch.nn does not run backward alone. Build the layer with "
            "`go_backwards=False` and the same weights, and reverse the sequences in PyTorch with "
            "`torch.flip(x, [1])`.",
            go_backwards=True,
        )
    for part in directions(layer):
        _check_recurrent(part)
        check_cell(part)


def _check_recurrent(layer: Any) -> None:
    if type(layer) not in RECURRENT:
        refuse(
            layer,
            "Only LSTM, GRU, SimpleRNN, RNN, Bidirectional and StackedRNN have a counterpart in "
            "torch.nn, and a subclass may compute something else. Pass the recurrent layers of a "
            "model alone, for example `to_torch(model.layers[1:3])`.",
            module=type(layer).__module__,
        )
    if layer.stateful:
        refuse(
            layer,
            "A module of torch.nn does not keep states between calls. Build the layer with "
            "`stateful=False` and the same weights, and pass the states that one call of the "
            "module returns to the next.",
            stateful=True,
        )


def _check_bidirectional(layer: Any) -> None:
    if layer.merge_mode != "concat":
        refuse(
            layer,
            "A module of torch.nn with `bidirectional=True` concatenates the directions. Build "
            'the layer with `merge_mode="concat"` and the same weights, and merge the two halves '
            "of its output in PyTorch.",
            merge_mode=layer.merge_mode,
        )
    forward, backward = layer.forward_layer, layer.backward_layer
    if forward.go_backwards or not backward.go_backwards:
        refuse(
            layer,
            "A module of torch.nn with `bidirectional=True` has the forward direction first. Build "
            "the layer with the forward direction as `layer` and the other as `backward_layer`.",
            go_backwards=forward.go_backwards,
        )


def _rate_before(layer: Any, dropouts: list[Any]) -> float:
    """The dropout in front of a layer, of `Dropout` layers before it or its own."""
    for part in directions(layer):
        check_recurrent_dropout(part)
    for dropout in dropouts:
        if dropout.noise_shape is not None:
            refuse(
                dropout,
                f"The dropout of torch.nn has no `noise_shape`. {REPLACED}",
                noise_shape=dropout.noise_shape,
            )
    own = {part.cell.dropout for part in directions(layer)}
    rates = [dropout.rate for dropout in dropouts] + list(own)
    rates = [rate for rate in rates if rate]
    if len(rates) > 1:
        refuse(
            layer,
            f"A module of torch.nn has one dropout between two layers. {REPLACED}",
            dropout=rates,
        )
    return rates[0] if rates else 0.0


def _check_sequences(rows: list[Row]) -> None:
    for row in rows[:-1]:
        if not directions(row.layer)[0].return_sequences:
            refuse(
                row.layer,
                "Every layer but the last must pass the output of every step to the next one: "
                "build it with `return_sequences=True`.",
                return_sequences=False,
            )
