"""Random masks, drawn before the loop and in training alone, those of dropout in Keras' order."""

import contextlib
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_rnnkit.cells import Masks, Zoneout
from keras_rnnkit.cells._takes import takes_masks, takes_training
from keras_rnnkit.running.loop import output_size

_locks: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
_adding = threading.Lock()


@contextlib.contextmanager
def masks_for(cell: Any, sequences: Any, states: Any, training: bool) -> Iterator[Any]:
    """The masks of a cell, or of each cell of a stack, for one sequence.

    Those of the kit's cells are handed out. Other cells keep theirs on themselves, as Keras' do:
    they are drawn here and forgotten at the end, and no other thread runs such a cell meanwhile.

    Args:
        cell: Any recurrent cell.
        sequences: `(batch, time, features)`.
        states: The cell's states.
        training: Whether there is dropout.

    Yields:
        `Masks`, a tuple of them for a stack, or `None` where there are none.
    """
    keeping = _that_keep(cell)
    with contextlib.ExitStack() as locked:
        for part in sorted(keeping, key=id):  # in one order, so that no two wait for each other
            locked.enter_context(_lock_of(part))
        _forget(keeping)
        try:
            yield _draw(cell, sequences[:, 0], states, ops.shape(sequences)[1], training)
        finally:
            _forget(keeping)


def _draw(cell: Any, inputs: Any, states: Any, steps: Any, training: bool) -> Any:
    if isinstance(cell, keras.layers.StackedRNNCells):
        masks = []
        for part, part_states in zip(cell.cells, states, strict=True):
            masks.append(_draw(part, inputs, part_states, steps, training))
            inputs = ops.zeros((ops.shape(inputs)[0], output_size(part)), dtype=inputs.dtype)
        return tuple(masks)
    if isinstance(cell, Zoneout):
        of_cell = _draw(cell.cell, inputs, states, steps, training)
        if not training:
            return None
        return Masks(states=cell.draw_states(steps, ops.shape(inputs)[0]), cell=of_cell)
    states = list(states) if isinstance(states, list | tuple) else [states]
    if takes_masks(cell):
        return cell.draw_masks(inputs, states, steps) if training else None
    if _keeps(cell) and (training or not takes_training(cell)):
        cell.get_dropout_mask(inputs)
        cell.get_recurrent_dropout_mask(states[0])
    return None


def _that_keep(cell: Any) -> list[Any]:
    """The cells, of one cell or of a stack, that keep their masks on themselves."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        return [keeping for part in cell.cells for keeping in _that_keep(part)]
    if isinstance(cell, Zoneout):
        return _that_keep(cell.cell)
    return [cell] if _keeps(cell) else []


def _keeps(cell: Any) -> bool:
    return hasattr(cell, "get_recurrent_dropout_mask") and not takes_masks(cell)


def _forget(keeping: list[Any]) -> None:
    for cell in keeping:
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()


def _lock_of(cell: Any) -> Any:
    with _adding:
        return _locks.setdefault(cell, threading.RLock())
