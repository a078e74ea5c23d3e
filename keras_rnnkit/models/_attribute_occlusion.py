"""Occlusion: the drop of the logit when a word is replaced."""

from typing import Any

import keras
import numpy as np
from keras import tree

from keras_rnnkit._checks import is_integer
from keras_rnnkit.models._attribute_model import ModelFunction, Question
from keras_rnnkit.models._attribute_place import input_names
from keras_rnnkit.models._attribute_rows import Rows

UNKNOWN = 2  # the id of [UNK] in `keras_rnnkit.data`, and in the IMDB data of Keras


def occlusion(question: Question, replace: Any) -> dict[str, Any]:
    """How much the explained logit drops without each word.

    Args:
        question: What is to be explained.
        replace: The id, or the vector, that takes the place of a word; `None` for the usual one.

    Returns:
        `scores` and `mask` `(batch, time)`, and `total`, the logit of each row.
    """
    function, rows, chosen = question.function, question.rows, question.chosen
    leaf = _leaf_of(function, rows, question.tokens)
    value = _replacement(function, question.tokens, replace)
    mask = function.place.mask(question.tokens)
    scores = np.zeros(mask.shape)
    # All rows of a step, then those of the next one: so are the calls of a stateful model.
    steps, numbers = np.nonzero(np.ones_like(mask).T if rows.fixed else mask.T)
    for block in rows.blocks(range(len(steps)), rows.size):
        row, step = numbers[block], steps[block]
        leaves = tree.flatten(rows.of(row))
        leaves[leaf] = np.array(leaves[leaf])
        leaves[leaf][np.arange(len(row)), step] = value
        without = function.logits(tree.pack_sequence_as(rows.inputs, leaves))
        scores[row, step] = np.sum((question.logits[row] - without) * chosen[row], axis=-1)
    return {"scores": np.where(mask, scores, 0), "total": question.total, "mask": mask}


def _replacement(function: ModelFunction, tokens: np.ndarray, replace: Any) -> Any:
    """What takes the place of a word, an id or a vector."""
    layer = function.place.layer
    if not isinstance(layer, keras.layers.Embedding):
        value = np.zeros(tokens.shape[2:]) if replace is None else np.asarray(replace)
        if value.shape not in ((), tokens.shape[2:]):
            raise ValueError(
                f"`replace` must be a vector of {tokens.shape[2]} numbers for this model. "
                f"Received: replace.shape={value.shape}"
            )
        return value
    number = UNKNOWN if replace is None else replace
    if not is_integer(number) or not 0 <= number < layer.input_dim:
        raise ValueError(
            f"`replace` must be an id below {layer.input_dim}, the `input_dim` of the layer "
            f"'{layer.name}'; without it, the id {UNKNOWN} of [UNK] is taken. "
            f"Received: replace={replace!r}"
        )
    return number


def _leaf_of(function: ModelFunction, rows: Rows, tokens: np.ndarray) -> int:
    """The number of the input that has the words, in a flat list."""
    leaves = tree.flatten(rows.inputs)
    if function.place.leaf is not None:
        return function.place.leaf
    same = [i for i, leaf in enumerate(leaves) if _equal(leaf, tokens)]
    if len(same) != 1:
        names = ", ".join(input_names(function.model, rows.inputs))
        raise ValueError(
            f"`method='occlusion'` replaces words in one input of the model, and "
            f"{len(same) or 'none'} of them holds what reaches its `Embedding`. Take "
            f"`method='integrated_gradients'`. Received: inputs {names} of "
            f"model='{function.model.name}'"
        )
    return same[0]


def _equal(leaf: np.ndarray, tokens: np.ndarray) -> bool:
    return tokens.size > 0 and leaf.shape == tokens.shape and bool(np.all(leaf == tokens))
