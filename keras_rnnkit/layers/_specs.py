"""The shapes and dtypes of what a recurrent layer returns."""

from collections.abc import Callable
from typing import Any

from keras import tree

from keras_rnnkit.layers._checks import packed
from keras_rnnkit.running.loop import output_size
from keras_rnnkit.running.trace import trace_spec


def outputs_of(layer: Any, sequences_shape: Any, make: Callable[..., Any]) -> Any:
    """What a call returns, with `make(shape, dtype)` for each tensor."""
    batch, time = sequences_shape[:2]

    def last(size: int) -> Any:
        return make((batch, size), dtype=layer.compute_dtype)

    def steps(size: int) -> Any:
        return make((batch, time, size), dtype=layer.compute_dtype)

    width = output_size(layer.cell)
    returned = [steps(width) if layer.return_sequences else last(width)]
    if layer.return_state:
        # Plain lists, as JAX does not know the list type in which Keras tracks a stack's sizes.
        returned += packed(layer, [last(size) for size in tree.flatten(layer.state_size)])
    if layer.return_gates:
        mask = make((batch, time), dtype="bool")
        returned.append(trace_spec(layer.cell, layer.cell.state_size, steps, mask))
    return tuple(returned) if len(returned) > 1 else returned[0]
