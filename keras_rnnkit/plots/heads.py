"""The prediction so far: what a head predicts from the hidden state of each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

# At most this many values of hidden states are in one call of the head.
_VALUES_PER_CALL = 1_000_000


def prediction(head: Callable[[Any], Any], hidden: np.ndarray) -> np.ndarray:
    """What `head` predicts from each row of `hidden`, `(steps, classes)`.

    Args:
        head: A layer, a model or a function.
        hidden: Hidden states, `(steps, units)`.

    Returns:
        Array `(steps, classes)`.

    Raises:
        TypeError: `head` cannot be called.
        ValueError: `head` does not return one row for each row of its input, or returns NaN.
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
            f"hidden states {hidden.shape} it is called with, of shape (rows,) or (rows, classes). "
            f"Received: head(hidden).shape={values.shape}"
        )
    return values.reshape(len(values), -1)


def effect(head: Callable[[Any], Any], hidden: np.ndarray) -> np.ndarray:
    """How much the prediction changes when a unit is replaced by its mean over the steps.

    Of the absolute differences, the largest of the classes, averaged over the steps: `(units,)`.
    """
    steps, units = hidden.shape
    before = prediction(head, hidden)
    mean = hidden.mean(axis=0)
    effects = np.empty(units)
    group = max(1, _VALUES_PER_CALL // hidden.size)
    for start in range(0, units, group):
        chosen = np.arange(start, min(start + group, units))
        changed = np.repeat(hidden[None], group, axis=0)  # the same shape in every call
        changed[np.arange(len(chosen)), :, chosen] = mean[chosen, None]
        after = prediction(head, changed.reshape(-1, units)).reshape(group, steps, -1)
        effects[chosen] = np.abs(after - before)[: len(chosen)].max(axis=2).mean(axis=1)
    return effects
