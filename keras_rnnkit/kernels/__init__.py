"""Whole sequences in one call, with a file for each backend."""

import keras

from keras_rnnkit.kernels.protocol import Kernels


def backend_kernels() -> Kernels:
    """The kernels of the backend that runs."""
    name = keras.config.backend()
    if name == "jax":
        from keras_rnnkit.kernels import jax

        return jax.KERNELS
    if name == "tensorflow":
        from keras_rnnkit.kernels import tensorflow

        return tensorflow.KERNELS
    from keras_rnnkit.kernels import torch

    return torch.KERNELS
