"""What a test needs from the backend itself: float64 on JAX, graphs, and gradients."""

import contextlib

import keras
import numpy as np


@contextlib.contextmanager
def float64_allowed():
    """Let JAX compute in float64; the other backends always may."""
    if keras.config.backend() != "jax":
        yield
        return
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def on_torch_gpu():
    """Whether Keras on PyTorch computes on a GPU."""
    return keras.config.backend() == "torch" and keras.ops.zeros(1).is_cuda


def in_a_graph(function):
    """The function of tensors; on TensorFlow as a graph, where kernels are compiled."""
    if keras.config.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(function, autograph=False)


def gradients(loss, layer, inputs):
    """The gradients of `loss(layer, inputs)` by the inputs and by the layer's trainable weights."""
    take = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[keras.config.backend()]
    return [np.asarray(gradient) for gradient in take(loss, layer, inputs)]


def _jax(loss, layer, inputs):
    import jax

    def pure(inputs, weights):
        mapping = list(zip(layer.trainable_variables, weights, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return loss(layer, inputs)

    weights = [variable.value for variable in layer.trainable_variables]
    by_inputs, by_weights = jax.grad(pure, argnums=(0, 1))(inputs, weights)
    return [by_inputs, *by_weights]


def _tensorflow(loss, layer, inputs):
    import tensorflow as tf

    inputs = tf.convert_to_tensor(inputs)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = loss(layer, inputs)
    return tape.gradient(value, [inputs, *(v.value for v in layer.trainable_variables)])


def _torch(loss, layer, inputs):
    import torch

    device = keras.ops.convert_to_tensor(0.0).device  # Keras' own: a GPU, where there is one
    inputs = torch.tensor(inputs, requires_grad=True, device=device)
    for variable in layer.trainable_variables:
        variable.value.grad = None
    loss(layer, inputs).backward()
    tensors = [inputs, *(variable.value for variable in layer.trainable_variables)]
    return [keras.ops.convert_to_numpy(tensor.grad) for tensor in tensors]
