"""Layers of the kit that compute what layers of `keras.layers` compute, on the same variables.

A twin is not a copy: it is a view of the Keras layer, with the kit's class. So it always has the
weights and options that the Keras layer has, and training the model in between changes nothing.
"""

from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit import cells
from keras_rnnkit.layers import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    SimpleRNN,
    TimeDistributed,
)
from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.models._intercept import attributes_of

_LAYERS = {
    keras.layers.LSTM: LSTM,
    keras.layers.GRU: GRU,
    keras.layers.SimpleRNN: SimpleRNN,
    keras.layers.RNN: RNN,
}
_CELLS = {
    keras.layers.LSTMCell: cells.LSTMCell,
    keras.layers.GRUCell: cells.GRUCell,
    keras.layers.SimpleRNNCell: cells.SimpleRNNCell,
}
_METHODS = ("call", "inner_loop", "get_initial_state")  # which decide what a Keras layer computes


def twin_of(layer: Any) -> Any:
    """The recurrent layer of the kit that computes what a layer computes; a kit layer itself.

    Raises:
        ValueError: If there is none; the message names the layer and the reason.
    """
    if isinstance(layer, Recurrent):
        return layer
    own = _own_class(layer)
    if own is None or not _has_own_cell(own, layer.cell):
        raise ValueError(
            f"The layer '{layer.name}' of class {type(layer).__name__} {_reason(layer)} "
            f"Received: layer={type(layer).__name__} '{layer.name}'"
        )
    attributes = {"cell": _cell_twin(layer.cell), "requested_path": "auto", "_return_gates": False}
    return _view(_LAYERS[own], layer, **attributes)


def bidirectional_twin(layer: Any, forward: Any, backward: Any) -> Any:
    """A `Bidirectional` of the kit with the options of the layer, around these two layers."""
    parts = {"forward_layer": forward, "backward_layer": backward, "_return_gates": False}
    return _view(Bidirectional, layer, **parts)


def time_distributed_twin(layer: Any) -> Any:
    """A `TimeDistributed` of the kit that calls its layer once, on the steps as rows."""
    return _view(_AsOneBatch if isinstance(layer, TimeDistributed) else _AsKeras, layer)


class _AsOneBatch(TimeDistributed):
    """`TimeDistributed`, whose steps are rows of one batch, also where their number is known."""

    def _step_by_step(self, inputs: Any, mask: Any, given: dict[str, Any]) -> Any:
        return self._as_one_batch(inputs, mask, given)


class _AsKeras(_AsOneBatch):
    """The same for the wrapper of Keras.

    It calls `layer.call`, which leaves out an `activity_regularizer` of the layer, and it drops a
    mask that the layer makes.
    """

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        outputs = super().call(inputs, training=training, mask=mask)
        return tree.map_structure(ops.copy, outputs)  # without a mask

    def _apply(self, x: Any, mask: Any, given: dict[str, Any]) -> Any:
        if mask is None:
            return self.layer.call(x, **given)
        if len(mask.shape) == 1 and self._reads_a_sequence(x):
            mask = ops.broadcast_to(mask[:, None], ops.shape(x)[:2])
        return self.layer.call(x, mask=mask, **given)


def _reason(layer: Any) -> str:
    """Why a layer has no twin."""
    if "ConvLSTM" in "".join(base.__name__ for base in type(layer).__mro__):
        return "has gates of images, and only gates of vectors can be traced."
    if not isinstance(layer, keras.layers.RNN):
        return "is no recurrent layer of Keras or of keras_rnnkit."
    if _own_class(layer) is not None:
        return (
            f"has a cell of class {type(layer.cell).__name__}, which Keras calls on some of its "
            "paths and not on others. Put the cell into `keras_rnnkit.RNN`."
        )
    return (
        "has code of its own where Keras runs the cell, and what that computes is not known. Put "
        "its step into a cell, and the cell into `keras_rnnkit.RNN`."
    )


def _has_own_cell(own: type, cell: Any) -> bool:
    """Whether a layer has the cell that Keras makes; `RNN` takes any."""
    return own is keras.layers.RNN or type(cell) in _CELLS


def _own_class(layer: Any) -> type | None:
    """The class of `keras.layers` whose code runs the layer."""
    for own in _LAYERS:
        if isinstance(layer, own):
            same = (
                getattr(type(layer), name, None) is getattr(own, name, None) for name in _METHODS
            )
            return own if all(same) else None
    return None


def _cell_twin(cell: Any) -> Any:
    """The kit's cell for a cell of Keras; a cell of the kit, or of a user, itself."""
    if type(cell) is keras.layers.StackedRNNCells:
        return _view(type(cell), cell, cells=list(map(_cell_twin, cell.cells)))
    kind = _CELLS.get(type(cell))
    return cell if kind is None else _view(kind, cell)


def _view(kind: type, of: Any, **attributes: Any) -> Any:
    """An instance of a class with the attributes of another object, shared and not copied."""
    view: Any = object.__new__(kind)
    vars(view).update(attributes_of(of), **attributes)
    return view
