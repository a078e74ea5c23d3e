"""Refusals: which layer, why, and the way that works."""

from __future__ import annotations

from typing import Any, NoReturn

from keras_rnnkit.running.names import name_of


def refuse(layer: Any, why: str, received: str) -> NoReturn:
    """Raise a `ValueError` that names the layer.

    Args:
        layer: The layer that cannot be exported.
        why: What is not supported, and what to do instead, in sentences.
        received: `name=value`, what the message ends in.
    """
    raise ValueError(f"{name_of(layer)}: {why} Received: {received}")
