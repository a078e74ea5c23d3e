"""Random masks that a layer passes to its cell, so that no mask is stored on the cell."""

from typing import Any, NamedTuple

import keras
from keras import ops


class Masks(NamedTuple):
    """The random masks of a cell for one sequence.

    The layers of the kit draw them before the loop over the steps, in training only, and pass them
    to `gates` and `step` of the cell. Where a mask is `None`, there is no dropout. The values of a
    dropout mask are factors: zero or `1 / (1 - rate)`.

    Attributes:
        inputs: For the inputs: a tensor `(batch, features)`, or a list of one for each gate.
        recurrent: For the hidden state: a tensor `(batch, size)`, or a list of one for each gate.
        weights: For the recurrent kernel, with its shape.
        states: A tuple of masks that differ between steps. A layer draws each as `(time, batch,
            size)` and passes the part `(batch, size)` of a step to the cell. `Zoneout` has a
            boolean mask for each state with a rate, true where the state keeps its old value.
        cell: The `Masks` of the wrapped cell, if the cell is a wrapper.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> cell = kit.SimpleRNNCell(2)
    >>> x, states = np.ones((1, 3), "float32"), cell.get_initial_state(batch_size=1)
    >>> nothing_left = kit.Masks(inputs=keras.ops.zeros((1, 3)))
    >>> gates = cell.gates(x, states, masks=nothing_left)
    >>> bool(keras.ops.convert_to_numpy(gates.candidate).any())
    False
    """

    inputs: Any = None
    recurrent: Any = None
    weights: Any = None
    states: tuple[Any, ...] = ()
    cell: Any = None


def dropout_masks(cell: Any, values: Any, rate: float) -> Any:
    """A dropout mask for these values, or a list of one for each gate, as Keras' cells draw them.

    Args:
        cell: The cell, with its `seed_generator`, and `dropout_mask_count` where gates have masks
            of their own.
        values: Tensor that the mask is for.
        rate: The fraction to drop; with zero nothing is drawn.
    """
    if not rate:
        return None
    ones, count = ops.ones_like(values), getattr(cell, "dropout_mask_count", None)
    drawn = [keras.random.dropout(ones, rate, seed=cell.seed_generator) for _ in range(count or 1)]
    return drawn[0] if count is None else drawn


def masks_of_step(masks: Any) -> list[Any]:
    """The masks that differ between steps, `(time, batch, size)`, of a cell or of a stack."""
    if masks is None:
        return []
    if not isinstance(masks, Masks):
        return [mask for part in masks for mask in masks_of_step(part)]
    return [*masks_of_step(masks.cell), *masks.states]


def with_masks_of_step(masks: Any, current: list[Any]) -> Any:
    """The masks for one step, whose `states` are taken from the front of `current`."""
    if masks is None:
        return None
    if not isinstance(masks, Masks):
        return tuple(with_masks_of_step(part, current) for part in masks)
    of_cell = with_masks_of_step(masks.cell, current)
    return masks._replace(cell=of_cell, states=tuple(current.pop(0) for _ in masks.states))
