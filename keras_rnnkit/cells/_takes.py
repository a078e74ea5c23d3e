"""Which arguments a cell takes: masks, unless it stores them as the cells of Keras do.

The methods of a class are inspected once, when it is defined. A cell needs the answer at every
step, and `torch.compile` supports neither `inspect` nor a cache of functions.
"""

import inspect
from collections.abc import Callable
from typing import Any

# The methods with which a cell of Keras stores its masks.
_STORE_METHODS = (
    "get_dropout_mask",
    "get_recurrent_dropout_mask",
    "reset_dropout_mask",
    "reset_recurrent_dropout_mask",
)


def takes_masks(cell: Any) -> bool:
    """Whether layers pass masks to a cell."""
    return getattr(type(cell), "handed_masks", False)


def masks_for_method(cell: Any, method: str, masks: Any) -> dict[str, Any]:
    """The masks as an argument of one of the cell's methods, if it has that argument."""
    return {} if masks is None or method not in cell.masked_methods else {"masks": masks}


def takes_training(cell: Any) -> bool:
    """Whether the `call` of a cell or layer, which may be of any class, takes `training`."""
    return accepts(getattr(type(cell), "call", cell.call), "training")


def accepts(function: Callable[..., Any], argument: str) -> bool:
    """Whether a function has an argument of this name."""
    return argument in inspect.signature(function).parameters


def methods_with(kind: Any, argument: str) -> tuple[str, ...]:
    """Which of the methods `gates` and `step` of a class of cells have an argument."""
    return tuple(name for name in ("gates", "step") if accepts(getattr(kind, name), argument))


def edit_for_method(cell: Any, method: str, edit: Any) -> dict[str, Any]:
    """The edits as an argument of one of the cell's methods, if it has that argument."""
    return {} if edit is None or method not in cell.edited_methods else {"edit": edit}


def stores_masks_as_keras_does(kind: Any) -> bool:
    """Whether a class stores masks by the methods of Keras or of the kit."""
    known = (getattr(kind, name, accepts).__module__.split(".")[0] for name in _STORE_METHODS)
    return all(package in ("keras", "keras_rnnkit") for package in known)
