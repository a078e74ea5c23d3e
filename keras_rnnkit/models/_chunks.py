"""Chunks of long sequences, in the order in which truncated backpropagation reads them."""

from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_rnnkit.layers._walk import stateful_layers
from keras_rnnkit.models._arrays import as_targets
from keras_rnnkit.models.reset import reset_states

_ADVICE = {
    "x": "Repeat an input that has no time axis: `np.repeat(a[:, None], time, axis=1)`",
    "y": "With a single target for each sequence, train on whole sequences by `fit`, in bounded "
    "memory with `recompute=True` in the layers",
    "sample_weight": "Repeat a weight for each row: `np.repeat(weight[:, None], time, axis=1)`",
}


class Chunks(keras.utils.PyDataset):
    """A batch is one chunk of `lanes` rows: all chunks of the first rows, then those of the next.

    If `steps` does not divide the time, the first chunk is the shorter one. Keras on TensorFlow
    finds the shapes of a data set in its first two batches, so that both lengths must be there.

    Args:
        data: `(x, y, sample_weight)`, or the first of them: arrays `(rows, time, ...)`.
        lanes: The number of rows in a batch.
        steps: The number of steps in a chunk.

    Attributes:
        time: The number of steps in a row.
        in_row: The number of chunks in a row.
    """

    def __init__(self, data: tuple[Any, ...], lanes: int, steps: int) -> None:
        super().__init__()
        rows, self.time = tree.flatten(data)[0].shape[:2]
        self._data, self._lanes, self._steps = data, lanes, steps
        self._sets = rows // lanes
        self.in_row = -(-self.time // steps)
        self._first = self.time - (self.in_row - 1) * steps

    @property
    def targets(self) -> int:
        """The number of arrays of targets."""
        return len(tree.flatten(self._data[1])) if len(self._data) > 1 else 0

    def first_two(self) -> tuple[Any, int, int]:
        """The inputs of the first two chunks as one, and the steps of the first and of both."""
        time = self._first + self._steps
        inputs = tree.map_structure(
            lambda array: _as_in_fit(array[: self._lanes, :time]), self._data[0]
        )
        return inputs, self._first, time

    @property
    def num_batches(self) -> int:
        return self._sets * self.in_row

    def __getitem__(self, index: int) -> Any:
        number, chunk = divmod(index, self.in_row)
        rows = slice(number * self._lanes, (number + 1) * self._lanes)
        stop = self._first + chunk * self._steps
        time = slice(max(stop - self._steps, 0), stop)
        return tree.map_structure(lambda array: _as_in_fit(array[rows, time]), self._data)


class StateKeeper(keras.callbacks.Callback):
    """Keeps the states after each batch. It must come before all callbacks that use the model."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[np.ndarray] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.keep(self.model)

    def keep(self, model: Any) -> None:
        self._kept = [np.array(ops.convert_to_numpy(one)) for one in _states_of(model)]

    def put_back(self, model: Any) -> None:
        """Give the model the states that were kept last, if other calls have changed them."""
        if not self._kept:
            return
        for variable, value in zip(_states_of(model), self._kept, strict=True):
            if not np.array_equal(ops.convert_to_numpy(variable), value, equal_nan=True):
                variable.assign(value)


class ChunkStates(keras.callbacks.Callback):
    """Starts the states anew at the first chunk of each set of rows.

    The validation has states of its own, and so has what other callbacks compute with the model:
    those of the training are put back. It must come behind all callbacks that use the model.
    """

    def __init__(
        self, training: Chunks, validation: Chunks | None, keeper: StateKeeper | None
    ) -> None:
        super().__init__()
        self._training, self._validation = training, validation
        self._keeper, self._of_training = keeper, keeper or StateKeeper()

    # `self.model` is used only where it is needed: on JAX it fetches the state of the trainer.

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if batch % self._training.in_row == 0:
            reset_states(self.model)
        elif self._keeper:
            self._keeper.put_back(self.model)

    def on_test_begin(self, logs: Any = None) -> None:
        if not self._keeper:
            self._of_training.keep(self.model)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._validation is not None and batch % self._validation.in_row == 0:
            reset_states(self.model)

    def on_test_end(self, logs: Any = None) -> None:
        self._of_training.put_back(self.model)

    def on_train_end(self, logs: Any = None) -> None:
        if self._keeper:
            self._keeper.put_back(self.model)


def _states_of(model: Any) -> list[Any]:
    return [state for layer in stateful_layers(model) for state in tree.flatten(layer.states)]


def chunks_of(data: Any, lanes: int, steps: int, where: str = "") -> Chunks:
    """The chunks of `(x, y, sample_weight)`, after checks.

    Args:
        data: The three of them; `y` and `sample_weight` may be `None`.
        lanes: The number of rows in a batch.
        steps: The number of steps in a chunk.
        where: What stands before the name of an argument in an error.

    Raises:
        ValueError: If an array has no time axis, or other rows or steps than the first of `x`, or
            the number of rows is not a multiple of `lanes`.
    """
    names = ("x", "y", "sample_weight")
    given = {
        where + name: _arrays(part, where + name)
        for name, part in zip(names, data, strict=True)
        if part is not None or name == "x"
    }
    if data[1] is None and data[2] is not None:
        raise ValueError(f"`{where}sample_weight` needs targets. Received: {where}y=None")
    arrays = tree.flatten(given[where + "x"])
    shape: tuple[int, ...] = arrays[0].shape[:2] if arrays else ()
    for name, part in given.items():
        _check_steps(part, name, shape)
    if len(shape) != 2 or not all(shape) or shape[0] % lanes:
        raise ValueError(
            f"`{where}x` must have a number of rows that is a multiple of {lanes}, the batch size "
            f"of the model, and at least one step. Received: {where}x.shape[:2]={shape}"
        )
    return Chunks(tuple(given.values()), lanes, steps)


def _arrays(structure: Any, argument: str) -> Any:
    """The structure with arrays, which are not copied, and with tuples for lists."""
    try:
        arrays = as_targets(structure)
    except ValueError as error:  # rows of different lengths
        raise ValueError(
            f"`{argument}` must hold arrays (rows, time, ...), all rows of one length: pad the "
            "sequences and mask the padding, or pack them with `kit.data.pack`. "
            f"Received: type({argument})={type(structure).__name__}"
        ) from error
    return tree.lists_to_tuples(arrays)


def _check_steps(structure: Any, argument: str, shape: tuple[int, ...]) -> None:
    for array in tree.flatten(structure):
        advice = _ADVICE[argument.rpartition(".")[2]]
        if array.dtype == object:
            advice = "A data set or a generator must be read into arrays, or into a mapped file"
        if array.ndim < 2 or array.dtype == object or array.shape[:2] != shape:
            expected = f" here {shape}" if len(shape) == 2 else ""
            raise ValueError(
                f"`{argument}` must hold arrays (rows, time, ...),{expected} with an entry for "
                f"each step. {advice}. Received: {argument}.shape={array.shape}, "
                f"{argument}.dtype={array.dtype}"
            )


def _as_in_fit(array: np.ndarray) -> np.ndarray:
    """Floats in the type that `fit` gives to those of an array."""
    return array.astype(keras.config.floatx(), copy=False) if array.dtype.kind == "f" else array
