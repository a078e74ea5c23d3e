"""The mask that Keras attaches to a tensor: an attribute, or a table inside a trace of JAX.

Only a layer can read and set it on every backend, so `mask_on` and `put_mask` call layers. These
layers belong to no model.
"""

from typing import Any

import keras


def mask_on(tensor: Any) -> Any:
    """The mask that a layer left on a tensor, or `None`."""
    return _READS(tensor)


def put_mask(tensor: Any, mask: Any) -> Any:
    """The tensor, with a mask attached for the layers that follow."""
    return _PUTS([tensor, mask])


class _Reads(keras.layers.Layer):
    def call(self, tensor: Any, mask: Any = None) -> Any:
        return mask


class _Puts(keras.layers.Layer):
    def call(self, tensor_and_mask: Any) -> Any:
        return tensor_and_mask[0]

    def compute_mask(self, tensor_and_mask: Any, previous_mask: Any = None) -> Any:
        return tensor_and_mask[1]


def _plain(kind: type) -> Any:
    layer = kind(dtype="float32", autocast=False)  # tensors stay in their dtype
    layer.supports_masking = True
    return layer


_READS, _PUTS = _plain(_Reads), _plain(_Puts)
