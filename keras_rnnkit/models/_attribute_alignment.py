"""Whether the steps that reach the last recurrent layer are the words, each at its own place."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_rnnkit.layers import LearnedInitialState
from keras_rnnkit.models._attribute_model import ModelFunction
from keras_rnnkit.models._attribute_rows import Rows
from keras_rnnkit.models._keys import target_of
from keras_rnnkit.models._targets import targets_in

_ATTEMPTS = 5  # with other words and orders of them, before a model is refused
_TOLERANCE = 1e-6  # of a change, against the largest number


def steps_are_words(function: ModelFunction, rows: Rows, layer: Any, earlier: list[str]) -> bool:
    """Whether each word of an input that reaches a layer reaches the step of its own number.

    Where the layer gets another number of steps, as behind a convolution with strides: whether no
    word reaches only steps before all those of an earlier word.

    One word at a time is changed, and the sequences that reach the layer are compared. Meanwhile
    the recurrent layers before it pass on each step by itself, so that a word reaches one step
    only, or some around it.

    Args:
        function: The model.
        rows: Its inputs, of which the row with the most words is taken.
        layer: The recurrent layer.
        earlier: The keys of the recurrent layers before it.
    """
    targets = [target_of(targets_in(function.model), key) for key in earlier]
    passing = {one.layer: partial(_step_by_step, _reverses(one.layer)) for one in targets}
    highest = min((one.input_dim for one in function.embeddings), default=None)

    def reached_by_words(i: int, leaf: np.ndarray, attempt: int) -> Any:
        """The steps that each word reaches, `(words, steps)`, and the words' own steps, if any.

        `None` where that is not known.
        """
        changed = None if leaf.ndim < 2 else _with_changes(leaf, highest, attempt)
        if changed is None:
            return None
        row, places, old, values = changed
        given = [np.repeat(one[row : row + 1], len(places) + 1, axis=0) for one in leaves]
        given[i][:, places] = old
        given[i][np.arange(len(places)), places] = values
        found = _reaching(function, rows, layer, passing, tree.pack_sequence_as(rows.inputs, given))
        if found.ndim != 3:
            return None
        differences = np.abs(found[:-1] - found[-1:]).max(axis=-1)
        reached = differences > _TOLERANCE * np.abs(found).max()
        return reached, places if found.shape[1] == leaf.shape[1] else None

    leaves = tree.flatten(rows.inputs)
    return all(_in_order(partial(reached_by_words, *one)) for one in enumerate(leaves))


def _in_order(reached_by_words: Callable[[int], Any]) -> bool:
    """Whether the words reach steps in their own order, in one of several attempts.

    In one attempt, all units of a ReLU may be zero at a word's own step and not at the next one.
    """
    reached = np.False_
    for attempt in range(_ATTEMPTS):
        found = reached_by_words(attempt)
        if found is None:
            return True
        reached = reached | found[0]
        if _are_in_order(reached, found[1]):
            return True
    return False


def _are_in_order(reached: Any, own: Any) -> bool:
    if own is not None:
        at_its_own = reached[np.arange(len(own)), own]
        return not np.any(reached.any(axis=1) & ~at_its_own)
    reached = reached[reached.any(axis=1)]
    first, last = reached.argmax(axis=1), reached.shape[1] - 1 - reached[:, ::-1].argmax(axis=1)
    return not np.any(np.maximum.accumulate(first) > last)


def _with_changes(
    leaf: np.ndarray, highest: int | None, attempt: int
) -> tuple[int, np.ndarray, Any, Any] | None:
    """The row of an input with the most words, their steps, the words, and others in their place.

    After the first attempt, the words of the row are in another order. `None` where no other value
    is known to be valid.
    """
    words = np.any(leaf != 0, axis=tuple(range(2, leaf.ndim)))
    row = int(words.sum(axis=1).argmax())
    places = np.flatnonzero(words[row])
    rng = np.random.default_rng(attempt)
    old = leaf[row, rng.permutation(places) if attempt else places]
    if leaf.dtype.kind == "f" and leaf.ndim > 2:
        noise = rng.normal(size=old.shape)
        return row, places, old, old + noise.astype(leaf.dtype)
    others = np.unique(leaf[leaf != 0])
    if len(others) < 2:
        others = np.array([1, 2])
        if highest is None or highest < 3:
            return None
    first, second = np.roll(others, -attempt)[:2].astype(leaf.dtype)
    return row, places, old, np.where(old == first, second, first)


def _reaching(
    function: ModelFunction, rows: Rows, layer: Any, passing: Any, inputs: Any
) -> np.ndarray:
    """The sequences that reach a layer, for the rows of these inputs."""
    count = len(tree.flatten(inputs)[0])
    size = rows.count if rows.fixed else min(rows.size, count)
    blocks = []
    for start in range(0, count, size):
        numbers = np.minimum(np.arange(start, start + size), count - 1)
        blocks.append(tree.map_structure(lambda leaf: leaf[numbers], inputs))  # noqa: B023
    return np.concatenate(function.inputs_of(layer, blocks, passing))[:count].astype("float64")


def _reverses(layer: Any) -> bool:
    """Whether the steps of the outputs of a recurrent layer are in the reverse order."""
    if isinstance(layer, keras.layers.RNN):
        return bool(layer.go_backwards)
    return isinstance(layer, LearnedInitialState) and _reverses(layer.layer)


def _step_by_step(reverses: bool, original: Any, *args: Any, **kwargs: Any) -> Any:
    """In place of a recurrent layer: its sequences without what comes from other steps."""
    sequences = next(iter([*args, *kwargs.values()]))
    axes = tuple(range(2, len(sequences.shape)))
    total = ops.expand_dims(ops.sum(sequences, axis=axes), -1)
    total = ops.flip(total, axis=1) if reverses else total

    def passed(output: Any) -> Any:
        if len(output.shape) != 3 or output.shape[1] != sequences.shape[1]:
            return output
        return ops.broadcast_to(ops.cast(total, output.dtype), ops.shape(output))

    return tree.map_structure(passed, original(*args, **kwargs))
