"""Refusals of a recurrent layer, which may be a part of another one."""

from __future__ import annotations

from typing import Any, NoReturn

from keras_rnnkit.interop.onnx.unsupported import Unsupported
from keras_rnnkit.running.names import name_of


def refuse(layer: Any, what: str, why: str) -> NoReturn:
    """Raise `Unsupported`, to which the exporter adds the layer of the model and its place.

    Args:
        layer: The layer, or the part of one, that cannot be exported.
        what: What of it is not supported.
        why: The reason, and what to do instead, without a full stop at the end.
    """
    raise Unsupported(f"{what} of {name_of(layer)} is not supported: {why}")
