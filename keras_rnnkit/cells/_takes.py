"""What a cell is handed: masks, or not where it keeps them on itself, as those of Keras do."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from keras_rnnkit.cells._gated import GatedCell

# What a cell of Keras' kind keeps its masks with.
_KEEPING = (
    "get_dropout_mask",
    "get_recurrent_dropout_mask",
    "reset_dropout_mask",
    "reset_recurrent_dropout_mask",
)


def takes_masks(cell: Any) -> bool:
    """Whether a cell is handed its masks."""
    kind: Any = type(cell)
    return issubclass(kind, GatedCell) and _takes_masks(kind)


def masks_for_method(cell: Any, method: str, masks: Any) -> dict[str, Any]:
    """The masks as an argument of one of the cell's methods, if it has that argument."""
    if masks is None or not accepts(getattr(type(cell), method), "masks"):
        return {}
    return {"masks": masks}


def takes_training(cell: Any) -> bool:
    """Whether the `call` of a cell or layer, which may be of any class, is told if it trains."""
    return accepts(getattr(type(cell), "call", cell.call), "training")


@functools.lru_cache(maxsize=256)
def accepts(function: Callable[..., Any], argument: str) -> bool:
    """Whether a function has an argument of this name."""
    return argument in inspect.signature(function).parameters


@functools.lru_cache(maxsize=256)
def _takes_masks(kind: Any) -> bool:
    """Not where `call` is the cell's own, nor where it finds its masks in a way of its own."""
    known = (getattr(kind, name, GatedCell.call).__module__.split(".")[0] for name in _KEEPING)
    of_us = all(package in ("keras", "keras_rnnkit") for package in known)
    return of_us and kind.call is GatedCell.call and accepts(kind.gates, "masks")
