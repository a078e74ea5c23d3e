"""A fingerprint of the weights of a model, which says whether they are those of an export."""

import hashlib
from typing import Any

import numpy as np
from keras import ops


def fingerprint(model: Any) -> str:
    """The SHA-256 of the weights of a model, as hexadecimal digits.

    It depends on the shape, the dtype and the bytes of every weight, in the order of
    `model.weights`. It does not depend on names: Keras counts them up, so that the same code makes
    `lstm` in one process and `lstm_1` in another.

    Args:
        model: A built Keras model or layer.
    """
    digest = hashlib.sha256()
    for weight in model.weights:
        array = np.ascontiguousarray(ops.convert_to_numpy(weight))
        digest.update(f"{array.dtype}{array.shape};".encode())
        digest.update(array.reshape(-1).view("uint8").data)
    return digest.hexdigest()
