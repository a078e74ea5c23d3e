"""A Keras model as one function of its backend, without the Python of `predict`."""

from collections.abc import Callable

import keras
import numpy as np

Predict = Callable[[np.ndarray], np.ndarray]


def backend_function(model: keras.Model) -> Predict:
    """A function of an array with the numbers of `predict_on_batch`.

    It is compiled where the backend compiles; on PyTorch it is a call without gradients.
    """
    return {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[keras.config.backend()](model)


def _jax(model: keras.Model) -> Predict:
    import jax

    groups = (model.trainable_variables, model.non_trainable_variables)
    # Copies: `predict` gives the memory of the variables away.
    variables = [[jax.numpy.copy(variable.value) for variable in group] for group in groups]
    call = jax.jit(lambda values, rows: model.stateless_call(*values, rows, training=False)[0])
    return lambda rows: np.asarray(call(variables, rows))


def _tensorflow(model: keras.Model) -> Predict:
    import tensorflow as tf

    call = tf.function(lambda rows: model(rows, training=False))
    return lambda rows: call(tf.constant(rows)).numpy()


def _torch(model: keras.Model) -> Predict:
    import torch

    def call(rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(rows), training=False).numpy()

    return call
