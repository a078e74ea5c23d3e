"""Building cells, including those that are built by their first call."""

from typing import Any

import keras
from keras import tree

from keras_rnnkit.running.loop import output_size


def build_cell(cell: Any, shape: tuple[Any, ...]) -> None:
    """Build a cell, or a stack of cells, for inputs of a shape `(batch, ...)`.

    A cell without a `build` of its own is called symbolically, which builds the layers in it.
    """
    if not isinstance(cell, keras.layers.Layer) or cell.built:
        return
    of_part = shape
    for part in getattr(cell, "cells", [cell]):
        if _is_built_by_its_call(part):
            sizes = tree.flatten(part.state_size)
            states = [keras.KerasTensor((shape[0], size), part.compute_dtype) for size in sizes]
            part(keras.KerasTensor(of_part, part.compute_dtype), states)
        of_part = (shape[0], output_size(part))
    if not cell.built:
        cell.build(shape)


def _is_built_by_its_call(cell: Any) -> bool:
    """Whether a cell has no `build` of its own."""
    return isinstance(cell, keras.layers.Layer) and type(cell).build is keras.layers.Layer.build
