"""`export_onnx`: a Keras model as an ONNX file."""

from __future__ import annotations

import os
from typing import Any


def export_onnx(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a Keras model as an ONNX file.

    Args:
        model: A built Sequential or functional model.
        path: The file to write.
    """
    raise NotImplementedError
