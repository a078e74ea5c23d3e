"""What a cell is handed: masks, or not where it keeps them on itself, as those of Keras do.

What a class takes is found out once, when the class is made: a cell asks at every step, and under
`torch.compile` neither `inspect` nor a cache of functions is welcome.
"""

import inspect
from collections.abc import Callable
from typing import Any

# What a cell of Keras' kind keeps its masks with.
_KEEPING = (
    "get_dropout_mask",
    "get_recurrent_dropout_mask",
    "reset_dropout_mask",
    "reset_recurrent_dropout_mask",
)


def takes_masks(cell: Any) -> bool:
    """Whether a cell is handed its masks."""
    return getattr(type(cell), "handed_masks", False)


def masks_for_method(cell: Any, method: str, masks: Any) -> dict[str, Any]:
    """The masks as an argument of one of the cell's methods, if it has that argument."""
    return {} if masks is None or method not in cell.masked_methods else {"masks": masks}


def takes_training(cell: Any) -> bool:
    """Whether the `call` of a cell or layer, which may be of any class, is told if it trains."""
    return accepts(getattr(type(cell), "call", cell.call), "training")


def accepts(function: Callable[..., Any], argument: str) -> bool:
    """Whether a function has an argument of this name."""
    return argument in inspect.signature(function).parameters


def methods_with_masks(kind: Any) -> tuple[str, ...]:
    """Which of the methods of a class of cells take masks."""
    return tuple(name for name in ("gates", "step") if accepts(getattr(kind, name), "masks"))


def keeps_as_keras_does(kind: Any) -> bool:
    """Whether a class has no way of its own to keep masks."""
    known = (getattr(kind, name, accepts).__module__.split(".")[0] for name in _KEEPING)
    return all(package in ("keras", "keras_rnnkit") for package in known)
