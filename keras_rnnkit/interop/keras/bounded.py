"""Limits to what a config can allocate: weights that the file does not hold, and states."""

import contextlib
import contextvars
import math
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.layers._walk import layers_in

# How many values may still be made; a list, so that nested calls count down the same number.
_left: contextvars.ContextVar[list[int]] = contextvars.ContextVar("left")
_MOST_STATES = 2**24  # values in the states of stateful layers, which no file holds


class Bounded(keras.initializers.Initializer):
    """Zeros in the place of an initializer, as the values are replaced by those of a file.

    Args:
        name: The initializer that the layer has in the end.
    """

    def __init__(self, name: Any) -> None:
        self.name = name

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        left = _left.get()
        left[0] -= math.prod(shape)
        if left[0] < 0:
            raise ValueError(
                f"its config asks for a weight of the shape {tuple(shape)}, more than the file has"
            )
        return ops.zeros(shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


@contextlib.contextmanager
def at_most(values: int) -> Iterator[None]:
    """Let the layers that are built in this block have this many values in all."""
    token = _left.set([values])
    try:
        with keras.saving.custom_object_scope({"Bounded": Bounded}):
            yield
    finally:
        _left.reset(token)


def check_states(layers: list[Any], inputs: list[Any]) -> None:
    """Refuse stateful layers whose states would be large, before they are built.

    Args:
        layers: The layers of a model.
        inputs: The inputs of the model.

    Raises:
        ValueError: If the states have too many values, or a `TimeDistributed` has stateful layers,
            whose states are as many times larger as there are steps.
    """
    batch_size = max((tensor.shape[0] or 0 for tensor in inputs), default=0)
    values = 0
    for layer in layers:
        stateful = [one for one in layers_in(layer) if getattr(one, "stateful", False)]
        if stateful and any(isinstance(o, keras.layers.TimeDistributed) for o in layers_in(layer)):
            raise ValueError(f"its layer '{layer.name}' has stateful layers in a TimeDistributed")
        for one in stateful:
            values += batch_size * sum(tree.flatten(getattr(one, "state_size", 0)))
    if values > _MOST_STATES:
        raise ValueError(f"its stateful layers have {values} states, more than {_MOST_STATES}")


def restore_initializers(model: Any) -> None:
    """Give the layers the initializers in the place of which they were built with `Bounded`."""
    for layer in layers_in(model):
        for name, value in list(vars(layer).items()):
            if isinstance(value, Bounded):
                setattr(layer, name, keras.initializers.get(value.name))
