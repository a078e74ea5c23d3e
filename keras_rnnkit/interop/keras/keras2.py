"""`load_keras2`."""

from typing import Any


def load_keras2(path: Any, model: Any = None) -> Any:
    """Load."""
    raise NotImplementedError
