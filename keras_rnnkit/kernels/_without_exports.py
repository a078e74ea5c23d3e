"""What JAX and TensorFlow answer where only PyTorch makes a difference."""

from typing import Any


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
