"""`OnnxStream`: a model in ONNX Runtime on one time step after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import tree

from keras_rnnkit.interop.onnx.graphs import RunnableGraph
from keras_rnnkit.interop.onnx.ports import arrays_by_name, checked


class OnnxStream:
    """A model that ONNX Runtime runs step by step, with the current states of its layers.

    `OnnxModel.stream()` makes it. One stream belongs to one thread at a time.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([keras.Input((None, 3)), kit.GRU(4), keras.layers.Dense(1)])
    >>> x = np.ones((2, 5, 3), "float32")
    >>> live = kit.OnnxModel(model).stream()
    >>> for t in range(5):
    ...     y = live.step(x[:, t])
    >>> bool(np.allclose(y, model.predict(x, verbose=0), atol=1e-5))
    True
    """

    def __init__(self, graph: RunnableGraph) -> None:
        self._graph = graph
        self._states: dict[str, np.ndarray] | None = None

    @property
    def states(self) -> dict[str, np.ndarray] | None:
        """The current states by the names of their inputs; `None` before the first step."""
        return None if self._states is None else dict(self._states)

    def step(self, x: Any) -> Any:
        """Run the model on one step.

        Args:
            x: `(batch, features)`, or `(batch,)` for a model that takes integer tokens; for several
                inputs, a structure of these as the model takes it, or a dict by their names.

        Returns:
            The output of the model for all steps so far, as NumPy arrays; of a sequence, the output
            of this step, without a time axis.

        Raises:
            ValueError: For another structure, shape or dtype, or another number of rows than in the
                steps before.
        """
        graph, metadata = self._graph, self._graph.metadata
        arrays = arrays_by_name(x, metadata.inputs)
        feeds = checked({name: array[:, None] for name, array in arrays.items()}, graph.inputs)
        rows = len(next(iter(feeds.values())))
        self._check_rows(rows)
        states = graph.first_states(rows) if self._states is None else self._states
        names = tree.flatten(metadata.outputs)
        found = graph.run({**feeds, **states}, names + [state.output for state in metadata.states])
        outputs, last = found[: len(names)], found[len(names) :]
        self._states = {
            state.input: array for state, array in zip(metadata.states, last, strict=True)
        }
        steps = metadata.steps or (False,) * len(outputs)
        return graph.packed(
            [output[:, 0] if step else output for output, step in zip(outputs, steps, strict=True)]
        )

    def reset(self) -> None:
        """Reset the states: the next input is the first step of a new sequence."""
        self._states = None

    def copy(self) -> OnnxStream:
        """A second, independent stream that continues from the current states."""
        other = OnnxStream(self._graph)
        other._states = self._states
        return other

    def _check_rows(self, rows: int) -> None:
        before = None
        if self._states is not None:
            before = next((len(state) for state in self._states.values()), rows)
        if rows < 1 or before not in (None, rows):
            expected = "at least one row" if before is None else f"the {before} rows of the first"
            raise ValueError(
                f"`x` of a step must have {expected}. Make another stream for other sequences, or "
                f"call `reset()` on this one. Received: rows={rows}"
            )
