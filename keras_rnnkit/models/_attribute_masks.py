"""Masks that stay those of the real input while the vectors of the words are replaced.

A `Masking` layer behind the words would find another mask in other vectors. Keras puts the mask
into the graph of a functional model, and attaches it to tensors elsewhere. So the masks are noted,
and replaced, where they reach the layers that take them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.cells._takes import accepts
from keras_rnnkit.layers._masks_on import put_mask
from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.models._attribute_head import HEADS

_NAMES = ("mask", "sequences_mask", "query_mask", "key_mask", "value_mask", "attention_mask")


def masked_layers(model: Any) -> list[Any]:
    """The layers of a model that make or take masks of its rows.

    Those in a `TimeDistributed` are left out: their rows are steps, and their masks follow from
    that of the wrapper.
    """
    layers = layers_in(model)
    inner = {
        id(part)
        for layer in layers
        if isinstance(layer, keras.layers.TimeDistributed)
        for part in layers_in(layer.layer)
    }
    return [
        layer
        for layer in layers
        if layer is not model and id(layer) not in inner and _has_masks(layer)
    ]


def _has_masks(layer: Any) -> bool:
    if isinstance(layer, HEADS):
        return False
    takes = any(accepts(type(layer).call, name) for name in _NAMES)
    return takes or isinstance(layer, keras.layers.Masking)


def masks_of_call(layer: Any, args: Any, kwargs: Any) -> list[Any]:
    """The masks that a layer takes, or that a `Masking` makes, in one call of it."""
    if isinstance(layer, keras.layers.Masking):
        inputs = args[0] if args else kwargs["inputs"]
        return [ops.any(ops.not_equal(inputs, layer.mask_value), axis=-1)]
    names = [name for name in sorted(kwargs) if name in _NAMES]
    return [
        leaf for name in names for leaf in tree.flatten(kwargs[name]) if _may_have_rows(name, leaf)
    ]


def _may_have_rows(name: str, leaf: Any) -> bool:
    """Whether a mask may have a row for each input; one of attention may be `(time, time)`."""
    return ops.is_tensor(leaf) and (name != "attention_mask" or len(leaf.shape) > 2)


def fixing(layers: list[Any], masks: Any, with_rows: list[bool]) -> dict[Any, Callable[..., Any]]:
    """Handlers by which calls of layers take these masks.

    Args:
        layers: The `masked_layers` of the model.
        masks: Masks with a row for each input, in the order of `masks_of_call`.
        with_rows: For each mask in a call of the model, whether it is one of these; others stay.
    """
    left, replaced = list(masks), list(with_rows)

    def masking(original: Any, inputs: Any) -> Any:
        if not replaced.pop(0):
            return original(inputs)
        mask = left.pop(0)
        outputs = ops.where(ops.expand_dims(mask, -1), inputs, ops.zeros_like(inputs))
        return put_mask(outputs, mask)

    def taking(original: Any, *args: Any, **kwargs: Any) -> Any:
        def fixed(name: str, leaf: Any) -> Any:
            return left.pop(0) if _may_have_rows(name, leaf) and replaced.pop(0) else leaf

        new = {
            name: tree.map_structure(partial(fixed, name), kwargs[name])
            for name in sorted(kwargs)
            if name in _NAMES
        }
        return original(*args, **{**kwargs, **new})

    return {
        layer: masking if isinstance(layer, keras.layers.Masking) else taking for layer in layers
    }
