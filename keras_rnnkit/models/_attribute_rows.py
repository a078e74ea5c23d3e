"""The rows of the input of a model, in blocks of one size."""

from typing import Any

import numpy as np
from keras import tree

from keras_rnnkit.layers._walk import stateful_layers
from keras_rnnkit.models._arrays import as_inputs, row_count

_STEPS = 2**16  # sequences times steps that run at a time, if no batch size is given


class Rows:
    """The rows of the input, and how many sequences the model runs at a time.

    Attributes:
        inputs: Arrays, in the structure that the model takes.
        count: How many rows there are.
        size: How many sequences run at a time.
        fixed: Whether all rows run together, in their order: the model is stateful, or its batch
            size is fixed.
    """

    def __init__(self, model: Any, x: Any, batch_size: int | None) -> None:
        self.inputs = as_inputs(x)
        self.count = row_count(self.inputs)
        shapes = [one.shape for one in getattr(model, "inputs", None) or ()]
        batch = shapes[0][0] if shapes and len(shapes[0]) else None
        self.fixed = batch is not None or bool(stateful_layers(model))
        if batch is not None and batch != self.count:
            raise ValueError(
                f"`x` must have {batch} rows, the batch size that the model is fixed to. "
                f"Received: rows={self.count}"
            )
        steps = max((one.shape[1] for one in tree.flatten(self.inputs) if one.ndim > 1), default=1)
        size = batch_size or int(np.clip(_STEPS // max(1, steps), 16, 512))
        self.size = self.count if self.fixed else size

    def blocks(self, rows: Any, size: int) -> list[np.ndarray]:
        """The numbers of some rows in blocks of one size, so that the model is compiled once.

        The last block repeats its last row.
        """
        rows = np.asarray(rows)
        size = self.count if self.fixed else min(size, len(rows))
        places = (np.arange(start, start + size) for start in range(0, len(rows), max(1, size)))
        return [rows[np.minimum(block, len(rows) - 1)] for block in places]

    def of(self, rows: Any) -> Any:
        """The inputs of some rows."""
        return tree.map_structure(lambda array: array[rows], self.inputs)
