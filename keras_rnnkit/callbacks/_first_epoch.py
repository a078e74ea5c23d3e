"""The epoch with which `fit` begins, where a callback chooses it."""

from __future__ import annotations

import weakref
from typing import Any

import keras


class FirstEpoch(int):
    """A first epoch that holds for one `fit` only.

    A callback that comes later may still refuse to begin. No callback is called then, and Keras
    would begin with this epoch in the next `fit` of the model, too.
    """

    _model: weakref.ref[keras.Model]
    _history: Any

    def __new__(cls, epoch: int, model: keras.Model) -> FirstEpoch:
        first = super().__new__(cls, epoch)
        first._model, first._history = weakref.ref(model), _history_of(model)
        return first

    def __bool__(self) -> bool:
        """Whether the `fit` that asks is the one that began: each one has a history of its own."""
        model = self._model()
        return int(self) != 0 and model is not None and _history_of(model) is self._history


def _history_of(model: keras.Model) -> Any:
    return getattr(model, "history", None)
