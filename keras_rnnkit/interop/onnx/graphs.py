"""A graph in ONNX Runtime, with what its file says of it, that runs on arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from keras import tree

from keras_rnnkit.interop.onnx.metadata import KEY, Metadata, foreign, parsed
from keras_rnnkit.interop.onnx.ports import Port, arrays_by_name, checked, ports_of
from keras_rnnkit.interop.onnx.sessions import explained, open_session


def open_graph(path: Path, *, threads: int | None, providers: Any) -> RunnableGraph:
    """The graph of a file.

    Raises:
        ValueError: If the file is not complete, or its metadata are not those of its graph.
    """
    session = open_session(path, threads, providers)
    inputs, outputs = ports_of(session.get_inputs()), ports_of(session.get_outputs())
    text = session.get_modelmeta().custom_metadata_map.get(KEY)
    if text is None:
        return RunnableGraph(session, foreign(list(inputs), list(outputs)), inputs, outputs)
    try:
        metadata = parsed(text, inputs, outputs)
    except ValueError as error:
        raise ValueError(
            f"`path_or_model` must be a file as `export_onnx` wrote it, but the entry {KEY!r} of "
            f"its metadata is not valid: {error}. Export the model again. "
            f"Received: path_or_model={str(path)!r}"
        ) from error
    return RunnableGraph(session, metadata, inputs, outputs)


@dataclass(frozen=True)
class RunnableGraph:
    """A session of ONNX Runtime with its metadata; any number of threads may run it."""

    session: Any
    metadata: Metadata
    inputs: dict[str, Port]
    outputs: dict[str, Port]

    def feeds(self, x: Any) -> dict[str, np.ndarray]:
        """The inputs of the model by name, in the dtypes of the graph.

        Raises:
            ValueError: For another structure, shape or dtype.
        """
        return checked(arrays_by_name(x, self.metadata.inputs), self.inputs)

    def packed(self, outputs: list[np.ndarray]) -> Any:
        """The outputs of the model in its structure."""
        return tree.pack_sequence_as(self.metadata.outputs, outputs)

    def first_states(self, rows: int) -> dict[str, np.ndarray]:
        """States of zeros for each row, by the names of their inputs."""
        return {
            state.input: np.zeros(
                [rows if size is None else size for size in state.shape],
                self.inputs[state.input].dtype,
            )
            for state in self.metadata.states
        }

    def run(self, feeds: dict[str, np.ndarray], names: list[str]) -> list[np.ndarray]:
        """The outputs of these names; there must be a row."""
        shapes = {name: array.shape for name, array in feeds.items()}
        with explained("`x` must be an input that the model can compute", f"shapes={shapes}"):
            return self.session.run(names, feeds)

    def run_batches(
        self, feeds: dict[str, np.ndarray], rows: int, batch_size: int
    ) -> list[np.ndarray]:
        """The outputs of the model for all rows, in batches."""
        names = tree.flatten(self.metadata.outputs)
        size = self._fixed_batch() or batch_size
        if not rows:  # ONNX Runtime ends the process
            one = {
                name: np.zeros((1, *array.shape[1:]), array.dtype) for name, array in feeds.items()
            }
            return [output[:0] for output in self.run_batches(one, 1, size)]
        batches = []
        for first in range(0, rows, size):
            part = {name: array[first : first + size] for name, array in feeds.items()}
            batches.append(self._run_batch(part, min(size, rows - first), size, names))
        if len(batches) == 1:
            return batches[0]
        return [np.concatenate(parts) for parts in zip(*batches, strict=True)]

    def _run_batch(
        self, part: dict[str, np.ndarray], rows: int, size: int, names: list[str]
    ) -> list[np.ndarray]:
        """The outputs of a batch; a graph for a fixed number of rows gets copies of the last."""
        if self._fixed_batch() and rows < size:
            part = {
                name: np.concatenate([array, np.repeat(array[-1:], size - rows, axis=0)])
                for name, array in part.items()
            }
        else:
            size = rows
        outputs = self.run({**part, **self.first_states(size)}, names)
        for name, output in zip(names, outputs, strict=True):
            if output.shape[:1] != (size,):
                raise ValueError(
                    "`path_or_model` must have outputs with a row for each row of `x`. "
                    f"Received: rows={size}, output={name!r}, shape={output.shape}"
                )
        return [output[:rows] for output in outputs]

    def _fixed_batch(self) -> int | None:
        """The number of rows of a run, for a graph that takes no other."""
        names = tree.flatten(self.metadata.inputs)
        sizes = {self.inputs[name].shape[0] for name in names if self.inputs[name].shape}
        return next((size for size in sizes if isinstance(size, int)), None)
