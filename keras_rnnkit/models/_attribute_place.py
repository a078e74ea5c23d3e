"""Where the vectors of the words are in a model: behind an `Embedding`, or an input."""

from typing import Any

import keras
import numpy as np
from keras import ops, tree

# Both make a mask from what they are called on, which stays when their output is replaced.
PLACES = (keras.layers.Embedding, keras.layers.Masking)


class Place:
    """The place of the vectors.

    Attributes:
        layer: The `Embedding` or `Masking` layer whose output they are, or `None`.
        leaf: The number of the input that they are, in a flat list of all inputs, or `None`.
    """

    def __init__(self, layer: Any = None, leaf: int | None = None) -> None:
        self.layer, self.leaf = layer, leaf

    def mask(self, tokens: np.ndarray) -> np.ndarray:
        """Booleans `(batch, time)`, false at padding, from what reaches the place."""
        if isinstance(self.layer, keras.layers.Masking):
            return np.any(tokens != self.layer.mask_value, axis=-1)
        padded = isinstance(self.layer, keras.layers.Embedding) and self.layer.mask_zero
        return tokens != 0 if padded else np.ones(tokens.shape[:2], bool)

    def replaced(self, inputs: Any, vectors: Any, handlers: Any) -> tuple[Any, Any]:
        """Inputs and handlers of a run with other vectors at this place."""
        if self.leaf is not None:
            leaves = tree.flatten(inputs)
            leaves[self.leaf] = vectors
            return tree.pack_sequence_as(inputs, leaves), handlers
        # A copy, as Keras attaches the mask of a call to its output.
        handler = lambda original, *args, **kwargs: ops.copy(vectors)  # noqa: E731
        return inputs, {**handlers, self.layer: handler}


def place_of(
    model: Any, inputs: Any, calls: list[Any], layer: str | None
) -> tuple[Place, Any, Any]:
    """The place of the vectors, with the tokens and the vectors there.

    Args:
        model: The model.
        inputs: Its inputs.
        calls: The calls of layers in a run of it, `(layer, args, kwargs, outputs)`.
        layer: The name of the layer or of the input to take; `None` for the only one.

    Returns:
        The place, the tokens and the vectors. The vectors of an input are their own tokens.

    Raises:
        ValueError: If there is no place, more than one, or none of the name.
    """
    found: dict[str, list[tuple[Any, Any, Any]]] = {}
    for kind in PLACES:
        of_kind = [call for call in calls if isinstance(call[0], kind)]
        for called, args, kwargs, vectors in of_kind:
            tokens = args[0] if args else kwargs["inputs"]
            found.setdefault(called.name, []).append((Place(called), tokens, vectors))
        if found and layer is None:
            break
    leaves = tree.flatten(inputs)
    if not found or layer is not None:
        for i, (name, leaf) in enumerate(zip(input_names(model, inputs), leaves, strict=True)):
            if len(leaf.shape) == 3:
                found.setdefault(name, []).append((Place(leaf=i), leaf, leaf))
    if layer is not None:
        found = _named(found, layer)
    if not found:
        raise ValueError(
            "`model` must have vectors of words: an `Embedding` that it calls, or an input of "
            f"floats `(batch, time, features)`. Received: model='{model.name}'"
        )
    return _only(model, found)


def input_names(model: Any, inputs: Any) -> list[str]:
    """A name for each input, in a flat list."""
    leaves = tree.flatten(inputs)
    if isinstance(inputs, dict):
        return [str(path[-1]) for path, _ in tree.flatten_with_path(inputs)]
    names = [one.name for one in getattr(model, "inputs", None) or ()]
    return names if len(names) == len(leaves) else [f"input_{i}" for i in range(len(leaves))]


def _named(found: dict[str, Any], layer: str) -> dict[str, Any]:
    if layer not in found:
        raise ValueError(
            "`layer` must name an `Embedding` layer that the model calls, or an input `(batch, "
            f"time, features)`; there are {', '.join(map(repr, found)) or 'none'}. "
            f"Received: layer={layer!r}"
        )
    return {layer: found[layer]}


def _only(model: Any, found: dict[str, list[Any]]) -> tuple[Place, Any, Any]:
    if len(found) > 1:
        raise ValueError(
            f"`model` '{model.name}' has several places with vectors of words. Choose one by "
            f"`layer=`; the others stay as they are. Received: layer=None, of {', '.join(found)}"
        )
    ((name, places),) = found.items()
    place, tokens, vectors = places[0]
    if len(places) > 1:
        raise ValueError(
            f"`model` '{model.name}' calls its layer '{name}' {len(places)} times, and the scores "
            "of its words are defined for one call only. Use a layer for each call. "
            f"Received: layer={name!r}"
        )
    if len(vectors.shape) != 3:
        raise ValueError(
            f"The vectors of the words must be `(batch, time, features)`, and those of '{name}' "
            f"are not. Received: vectors.shape={tuple(vectors.shape)}"
        )
    return place, tokens, vectors
