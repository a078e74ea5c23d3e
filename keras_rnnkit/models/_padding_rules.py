"""What is wrong with the padding of a batch, from the calls of the layers that `Probe` has seen."""

from collections import defaultdict
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.models._padding_probe import Inputs, Probe, Seen

UNMASKED, EMPTY, NOT_RIGHT, UNKNOWN = "unmasked padding", "empty rows", "cudnn", "unknown ids"


class Amounts(NamedTuple):
    """The rows of one finding, and the smallest and the largest of its numbers."""

    rows: np.ndarray
    least: int
    most: int


class Batch(NamedTuple):
    """A batch of the input, and where its padding is.

    Attributes:
        inputs: What the model runs on; the last batch is filled up with copies of its last row.
        start: The number of its first row.
        rows: How many rows it has without the copies.
        padded: Booleans `(batch, time)`, true where a step is padding, for each array.
        words: Booleans `(batch, sentences, words)`, for each array of ids with these axes.
    """

    inputs: Inputs
    start: int
    rows: int
    padded: list[np.ndarray]
    words: list[np.ndarray]


def batch_of(
    arrays: list[np.ndarray], start: int, rows: int, value: Any, probe: Probe, masked: list[bool]
) -> Batch:
    """A batch with its padding.

    Args:
        arrays: The arrays of the batch.
        start: The number of its first row.
        rows: How many rows it has without copies.
        value: What pads; `None` if nothing does.
        probe: The model.
        masked: For each array, whether a `Masking` reads it.
    """
    changed: list[Any] = []
    padded: list[Any] = []
    of_steps: list[np.ndarray] = []
    for array, by_masking in zip(arrays, masked, strict=True):
        ids = _may_be_ids(array, probe)
        marks = _padding(array, value, ids)
        padded.append(marks)
        is_changed = marks.ndim > 0 and not ids and not by_masking
        changed.append(_with_others(array, marks) if is_changed else array)
        if marks.ndim and array.ndim > 1 + (not ids):
            of_steps.append(np.all(marks.reshape(*marks.shape[:2], -1), axis=2))
    words = [marks for marks in padded if marks.ndim == 3]
    return Batch(Inputs(arrays, changed, padded), start, rows, of_steps, words)


def _may_be_ids(array: np.ndarray, probe: Probe) -> bool:
    """Whether an `Embedding` may read an array. One of two axes may be a table of features too."""
    return bool(probe.embeddings) and (array.ndim == 2 or array.dtype.kind in "iu")


def _padding(array: np.ndarray, value: Any, ids: bool) -> np.ndarray:
    """Booleans, true where an array has padding; a scalar where none is known."""
    if value is None or array.ndim < 2 or array.dtype.kind not in "iuf" or not array.size:
        return np.array(False)
    return _edges(array, value, every=not ids)


def _edges(array: np.ndarray, value: Any, every: bool) -> np.ndarray:
    """Where padding is: the values at the start and at the end of a row that equal `value`.

    Args:
        array: `(batch, time)`, ids `(batch, ..., time)`, or features `(batch, time, ...)`.
        value: What pads.
        every: Whether a step is padding if all of its features equal the value.
    """
    equal = array == value
    if every:
        equal = equal.reshape(*array.shape[:2], -1).all(axis=2)
    before = np.logical_and.accumulate(equal, axis=-1)
    after = np.logical_and.accumulate(equal[..., ::-1], axis=-1)[..., ::-1]
    return before | after


def _with_others(array: np.ndarray, padded: np.ndarray) -> np.ndarray:
    """The features, with other values at padded steps."""
    shape = array.shape[2:]
    noise = np.random.default_rng(0).normal(size=shape) if array.dtype.kind == "f" else 1
    where = padded.reshape(*padded.shape, *(1,) * len(shape))
    return np.where(where, array + np.asarray(noise).astype(array.dtype), array)


class Collector:
    """What is found in all batches, by kind and layer."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self._found: dict[tuple[str, str], list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)

    def add(self, batch: Batch, calls: list[Seen]) -> None:
        """Look at the calls in one batch."""
        empty = np.zeros(len(batch.inputs.arrays[0]), bool)
        for call in calls:
            if call.ids is not None:
                self._check_ids(batch, call)
            elif not len(call.changed) % len(empty):
                self._check_steps(batch, call, empty)

    def amounts(self) -> dict[tuple[str, str], Amounts]:
        """The rows and numbers of each finding."""
        found = {}
        for key, parts in self._found.items():
            rows, numbers = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            found[key] = Amounts(np.unique(rows), int(numbers.min()), int(numbers.max()))
        return found

    def _note(
        self, kind: str, path: str, batch: Batch, wrong: np.ndarray, numbers: np.ndarray
    ) -> None:
        """Note the rows in which something is wrong, with a number for each.

        A layer may have several rows for each row of the input, such as one for each sentence.
        """
        parts = len(wrong) // len(batch.inputs.arrays[0])
        places = np.flatnonzero(wrong)
        places = places[places // parts < batch.rows]
        if len(places):
            self._found[kind, path].append((batch.start + places // parts, numbers[places]))

    def _check_ids(self, batch: Batch, call: Seen) -> None:
        ids = call.ids
        if ids.ndim < 2 or len(ids) % len(batch.inputs.arrays[0]):
            return
        ids = ids.reshape(len(ids), -1)
        most = self.probe.embeddings[call.path].input_dim - 1
        for numbers in (ids.min(axis=1), ids.max(axis=1)):
            wrong = (numbers < 0) | (numbers > most)
            self._note(UNKNOWN, call.path, batch, wrong, numbers)

    def _check_steps(self, batch: Batch, call: Seen, empty: np.ndarray) -> None:
        layer = self.probe.recurrent[call.path]
        padded, all_padded = _padded_steps(batch, call.changed)
        if len(padded) == len(empty):
            self._note(EMPTY, call.path, batch, all_padded & ~empty, all_padded)
            empty |= all_padded
        valid = np.ones_like(padded) if call.mask is None else call.mask
        if call.mask is not None and _wants_right_padding(layer):
            self._note(NOT_RIGHT, call.path, batch, ~_right_padded(valid), valid.sum(axis=1))
        if not layer.return_sequences or layer.return_state:
            steps = _read_last(padded, valid, layer.go_backwards)
            wrong = (steps > 0) & ~padded.all(axis=1)
            self._note(UNMASKED, call.path, batch, wrong, steps)


def _padded_steps(batch: Batch, changed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The steps of a layer that read padding, and the rows in which all steps are padding.

    Where the steps of the layer are those of the input, they are its padded steps. Elsewhere, such
    as behind a layer with strides, they are the changed steps at the start and the end of a row.
    A row that is changed at every step tells nothing there: it may be a vector that is repeated.
    """
    fitting = [padded for padded in batch.padded if padded.shape == changed.shape]
    if not fitting or any(_is_a_sentence(changed, words) for words in batch.words):
        return _edges(changed, True, every=False), np.zeros(len(changed), bool)
    own = np.logical_or.reduce(fitting) & changed
    empty = np.logical_or.reduce([padded.all(axis=1) for padded in fitting])
    return own, empty & changed.all(axis=1)


def _is_a_sentence(changed: np.ndarray, words: np.ndarray) -> bool:
    """Whether a layer reads one sentence of each document, and not the sentences themselves."""
    if changed.shape != (len(words), words.shape[2]):
        return False
    return bool((words == changed[:, None]).all(axis=(0, 2)).any())


def _read_last(padded: np.ndarray, valid: np.ndarray, backward: bool) -> np.ndarray:
    """How many valid steps of padding a layer reads last, for each row."""
    if not backward:
        padded, valid = padded[:, ::-1], valid[:, ::-1]
    last = np.logical_and.accumulate(padded | ~valid, axis=1)
    return (last & padded & valid).sum(axis=1)


def _right_padded(valid: np.ndarray) -> np.ndarray:
    """Whether all valid steps of a row come first, and there is one."""
    return ~(valid[:, 1:] & ~valid[:, :-1]).any(axis=1) & valid.any(axis=1)


def _wants_right_padding(layer: Any) -> bool:
    """Whether Keras runs the layer on cuDNN with a mask: on TensorFlow, where there is a GPU."""
    of_keras = isinstance(layer, keras.layers.LSTM | keras.layers.GRU)
    if keras.config.backend() != "tensorflow" or not of_keras or isinstance(layer, Recurrent):
        return False
    return (
        layer.use_cudnn is not False
        and keras.activations.serialize(layer.activation) == "tanh"
        and keras.activations.serialize(layer.recurrent_activation) == "sigmoid"
        and not layer.unroll
        and not layer.recurrent_dropout
        and layer.use_bias
        and getattr(layer, "reset_after", True)
    )
