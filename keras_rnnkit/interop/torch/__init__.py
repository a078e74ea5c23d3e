"""Weights of recurrent layers from `torch.nn` and to it."""

from keras_rnnkit.interop.torch.from_module import from_torch
from keras_rnnkit.interop.torch.to_module import to_torch

__all__ = ["from_torch", "to_torch"]
