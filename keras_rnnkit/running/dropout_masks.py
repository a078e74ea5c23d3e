"""Dropout and zoneout masks, drawn before the loop, in the order in which Keras draws them."""

import contextlib
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_rnnkit.cells import Masks, Zoneout
from keras_rnnkit.cells._takes import takes_masks, takes_training
from keras_rnnkit.running.calls import Call
from keras_rnnkit.running.loop import output_size

_locks: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
_locks_guard = threading.Lock()


@contextlib.contextmanager
def masks_for(cell: Any, call: Call) -> Iterator[Any]:
    """The dropout masks of a cell, or of each cell of a stack, for one call.

    The kit's cells take masks as an argument. Other cells, such as those of Keras, store masks as
    attributes: these masks are drawn here and removed at the end, and a lock keeps other threads
    from running the cell meanwhile.

    Args:
        cell: Any recurrent cell.
        call: The call to draw them for.

    Yields:
        `Masks`, a tuple of them for a stack, or `None` where there are none.
    """
    if getattr(cell, "handed_masks", False) and not call.training:
        yield None
        return
    storing = _cells_with_stored_masks(cell)
    with contextlib.ExitStack() as locks:
        for part in sorted(storing, key=id):  # in a fixed order, to avoid a deadlock
            locks.enter_context(_lock_of(part))
        _remove(storing)
        try:
            inputs, steps = call.sequences[:, 0], ops.shape(call.sequences)[1]
            yield _draw(cell, inputs, call.initial_states, steps, call.training)
        finally:
            _remove(storing)


def _draw(cell: Any, inputs: Any, states: Any, steps: Any, training: bool) -> Any:
    if isinstance(cell, keras.layers.StackedRNNCells):
        masks = []
        for part, part_states in zip(cell.cells, states, strict=True):
            masks.append(_draw(part, inputs, part_states, steps, training))
            inputs = ops.zeros((ops.shape(inputs)[0], output_size(part)), dtype=inputs.dtype)
        return tuple(masks)
    if isinstance(cell, Zoneout):
        inner_masks = _draw(cell.cell, inputs, states, steps, training)
        if not training:
            return None
        return Masks(states=cell.draw_states(steps, ops.shape(inputs)[0]), cell=inner_masks)
    states = list(states) if isinstance(states, list | tuple) else [states]
    if takes_masks(cell):
        return cell.draw_masks(inputs, states, steps) if training else None
    if _stores_masks(cell) and (training or not takes_training(cell)):
        cell.get_dropout_mask(inputs)
        cell.get_recurrent_dropout_mask(states[0])
    return None


def _cells_with_stored_masks(cell: Any) -> list[Any]:
    """The cells, of one cell or of a stack, that store masks as attributes."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        return [storing for part in cell.cells for storing in _cells_with_stored_masks(part)]
    if isinstance(cell, Zoneout):
        return _cells_with_stored_masks(cell.cell)
    return [cell] if _stores_masks(cell) else []


def _stores_masks(cell: Any) -> bool:
    return hasattr(cell, "get_recurrent_dropout_mask") and not takes_masks(cell)


def _remove(storing: list[Any]) -> None:
    for cell in storing:
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()


def _lock_of(cell: Any) -> Any:
    with _locks_guard:
        return _locks.setdefault(cell, threading.RLock())
