"""Whether the steps that reach the last recurrent layer are the words, each at its own place."""

from typing import Any

import numpy as np
from keras import ops, tree

from keras_rnnkit.models._attribute_model import ModelFunction
from keras_rnnkit.models._attribute_rows import Rows
from keras_rnnkit.models._keys import target_of
from keras_rnnkit.models._targets import targets_in

_TOLERANCE = 1e-6  # of a change, against the largest number


def steps_are_words(function: ModelFunction, rows: Rows, layer: Any, earlier: list[str]) -> bool:
    """Whether each word of an input that reaches a layer reaches the step of its own number.

    One word at a time is changed, and the sequences that reach the layer are compared. Meanwhile
    the recurrent layers before it pass on each step by itself, so that a word reaches one step
    only, or some around it. Sequences with another number of steps are not compared.

    Args:
        function: The model.
        rows: Its inputs, of which the row with the most words is taken.
        layer: The recurrent layer.
        earlier: The keys of the recurrent layers before it.
    """
    passing = {target_of(targets_in(function.model), key).layer: _step_by_step for key in earlier}
    leaves = tree.flatten(rows.inputs)
    highest = min((one.input_dim for one in function.embeddings), default=None)
    for i, leaf in enumerate(leaves):
        changed = None if leaf.ndim < 2 else _with_changes(leaf, highest)
        if changed is None:
            continue
        row, places, values = changed
        given = [np.repeat(one[row : row + 1], len(places) + 1, axis=0) for one in leaves]
        given[i][np.arange(len(places)), places] = values
        found = _reaching(function, rows, layer, passing, tree.pack_sequence_as(rows.inputs, given))
        if found.ndim != 3 or found.shape[1] != leaf.shape[1]:
            continue
        differences = np.abs(found[:-1] - found[-1:]).max(axis=-1)
        reached = differences > _TOLERANCE * np.abs(found).max()
        at_all, at_its_own = reached.any(axis=1), reached[np.arange(len(places)), places]
        if np.any(at_all & ~at_its_own):
            return False
    return True


def _with_changes(leaf: np.ndarray, highest: int | None) -> tuple[int, np.ndarray, Any] | None:
    """The row of an input with the most words, their steps, and other values for them.

    `None` where no other value is known to be valid.
    """
    words = np.any(leaf != 0, axis=tuple(range(2, leaf.ndim)))
    row = int(words.sum(axis=1).argmax())
    places = np.flatnonzero(words[row])
    old = leaf[row, places]
    if leaf.dtype.kind == "f" and leaf.ndim > 2:
        noise = np.random.default_rng(0).normal(size=old.shape)
        return row, places, old + noise.astype(leaf.dtype)
    others = np.unique(leaf[leaf != 0])
    if len(others) < 2:
        others = np.array([1, 2])
        if highest is None or highest < 3:
            return None
    first, second = others[:2].astype(leaf.dtype)
    return row, places, np.where(old == first, second, first)


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


def _step_by_step(original: Any, *args: Any, **kwargs: Any) -> Any:
    """In place of a recurrent layer: its sequences without what comes from other steps."""
    sequences = next(iter([*args, *kwargs.values()]))
    axes = tuple(range(2, len(sequences.shape)))
    total = ops.expand_dims(ops.sum(sequences, axis=axes), -1)

    def passed(output: Any) -> Any:
        if len(output.shape) != 3 or output.shape[1] != sequences.shape[1]:
            return output
        return ops.broadcast_to(ops.cast(total, output.dtype), ops.shape(output))

    return tree.map_structure(passed, original(*args, **kwargs))
