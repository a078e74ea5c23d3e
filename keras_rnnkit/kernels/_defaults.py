"""The members of the protocol for a backend where there is nothing to do."""

from collections.abc import Callable, Hashable
from typing import Any


def as_one_program(function: Callable[..., Any], variables: list[Any]) -> Callable[..., Any]:
    """The function itself: the whole model is one program anyway, or nothing is compiled."""
    return function


def recompiles_loops(*values: Any) -> bool:
    """No: eager calls compile nothing."""
    return False


def call_compiled(
    cell: Any, function: Callable[..., Any], fixed: Hashable, *args: Any, **options: Any
) -> Any:
    """The function's result, as it is."""
    return function(cell, *args, **options)


def with_batch_size(tensor: Any, batch: int) -> Any:
    """The tensor itself: the backend knows all sizes."""
    return tensor


def has_onednn() -> bool:
    """No: only PyTorch has layers of oneDNN's."""
    return False


def exporting() -> bool:
    """No: exported files hold the kernels' operations, as a model runs them."""
    return False


def exporting_to_onnx() -> bool:
    """No: what becomes ONNX is an exported graph."""
    return False


def transforming(*tensors: Any) -> bool:
    """No: transforms apply to the kernels, or refuse to by themselves."""
    return False
