"""The libraries that come with the extra `onnx`."""

from __future__ import annotations

import importlib
from typing import Any


def require(library: str) -> Any:
    """Import a library of the extra `onnx`.

    Raises:
        ImportError: If it is not installed, with the line that installs it.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise ImportError(
            f"This function needs {library}, which is not installed. Install it by "
            f'`pip install "keras-rnnkit[onnx]"`. Received: {error}'
        ) from error
