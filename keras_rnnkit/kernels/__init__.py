"""Whole sequences at once, with a file for each backend."""

import functools
from typing import Any

import keras


@functools.cache
def backend_kernels() -> Any:
    """The kernels of the backend that runs."""
    name = keras.config.backend()
    if name == "jax":
        from keras_rnnkit.kernels import jax

        return jax
    if name == "tensorflow":
        from keras_rnnkit.kernels import tensorflow

        return tensorflow
    from keras_rnnkit.kernels import torch

    return torch
