"""Random masks, drawn before the loop, those of dropout in Keras' order of drawing."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_rnnkit.cells import GRUCell, LSTMCell, SimpleRNNCell, Zoneout
from keras_rnnkit.layers._loop import output_size, zoneouts


@contextlib.contextmanager
def masks_for(cell: Any, sequences: Any, states: Any, training: bool) -> Iterator[None]:
    """Draw the masks of a cell, or of each cell of a stack, for one sequence; then forget them.

    Args:
        cell: Any recurrent cell.
        sequences: `(batch, time, features)`.
        states: The cell's states.
        training: Whether there is zoneout.
    """
    _forget(cell)
    _draw(cell, sequences[:, 0], states)
    if training:
        for zoned in zoneouts(cell):
            zoned.draw(steps=ops.shape(sequences)[1], batch=ops.shape(sequences)[0])
    try:
        yield
    finally:
        _forget(cell)


def _draw(cell: Any, inputs: Any, states: Any) -> None:
    if isinstance(cell, keras.layers.StackedRNNCells):
        for part, part_states in zip(cell.cells, states, strict=True):
            _draw(part, inputs, part_states)
            inputs = ops.zeros((ops.shape(inputs)[0], output_size(part)), dtype=inputs.dtype)
    elif isinstance(cell, Zoneout):
        _draw(cell.cell, inputs, states)
    elif hasattr(cell, "get_recurrent_dropout_mask") and _drops(cell):
        cell.get_dropout_mask(inputs)
        cell.get_recurrent_dropout_mask(states[0] if isinstance(states, list | tuple) else states)


def _forget(cell: Any) -> None:
    if isinstance(cell, keras.layers.StackedRNNCells):
        for part in cell.cells:
            _forget(part)
    elif isinstance(cell, Zoneout):
        cell.forget()
        _forget(cell.cell)
    elif hasattr(cell, "reset_recurrent_dropout_mask") and _drops(cell):
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()


def _drops(cell: Any) -> bool:
    """Whether there may be masks; cells of others are asked in any case, as they may have own."""
    if type(cell) not in (GRUCell, LSTMCell, SimpleRNNCell):
        return True
    weights = getattr(cell, "recurrent_weight_dropout", 0)
    return bool(cell.dropout or cell.recurrent_dropout or weights)
