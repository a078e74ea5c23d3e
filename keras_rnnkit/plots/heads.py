"""The prediction so far: what a head says of the hidden state of each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

# So many values go through the head at once while units are held.
_AT_ONCE = 1_000_000


def prediction(head: Callable[[Any], Any], hidden: np.ndarray) -> np.ndarray:
    """What `head` makes of each row of `hidden`, `(steps, classes)`.

    Args:
        head: A layer, a model or a function.
        hidden: Hidden states, `(steps, units)`.

    Returns:
        Array `(steps, classes)`.

    Raises:
        TypeError: `head` cannot be called.
        ValueError: `head` does not return one row for each row that it is given, or NaN.
    """
    if not callable(head):
        raise TypeError(
            "`head` must be a layer, a model or a function from hidden states (steps, units) to "
            f"predictions. Received: head={head!r}"
        )
    values = np.asarray(keras.ops.convert_to_numpy(head(hidden.astype("float32"))), "float64")
    if values.ndim not in (1, 2) or len(values) != len(hidden) or not np.isfinite(values).all():
        raise ValueError(
            f"`head` must return a finite prediction for each of the {len(hidden)} rows of the "
            f"hidden states {hidden.shape} it is given, with the shape (rows,) or (rows, "
            f"classes). Received the shape: {values.shape}"
        )
    return values.reshape(len(values), -1)


def effect(head: Callable[[Any], Any], hidden: np.ndarray) -> np.ndarray:
    """How far the prediction moves when a unit is held at its mean over the steps, `(units,)`.

    That is the mean over the steps (and the largest of the classes) of the absolute difference.
    """
    steps, units = hidden.shape
    before = prediction(head, hidden)
    mean = hidden.mean(axis=0)
    effects = np.empty(units)
    group = max(1, _AT_ONCE // hidden.size)
    for start in range(0, units, group):
        chosen = np.arange(start, min(start + group, units))
        held = np.repeat(hidden[None], group, axis=0)  # the last group as large as the others
        held[np.arange(len(chosen)), :, chosen] = mean[chosen, None]
        after = prediction(head, held.reshape(-1, units)).reshape(group, steps, -1)
        effects[chosen] = np.abs(after - before)[: len(chosen)].max(axis=2).mean(axis=1)
    return effects
