"""How TensorFlow compiles and differentiates functions of the package."""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from keras_rnnkit.kernels._tensorflow_compiling import by_xla, compiles
from keras_rnnkit.kernels._tensorflow_gradients import with_plain_gradients
from keras_rnnkit.kernels._tensorflow_loop import loop
from keras_rnnkit.kernels._tensorflow_recompute import recomputing_loop
from keras_rnnkit.kernels.protocol import Kernels


class TensorFlowCalls(Kernels):
    """The members of the protocol beside the kernels themselves."""

    def scan(self, step: Callable[..., Any], init: Any, xs: Any) -> tuple[Any, Any]:
        init = tree.map_structure(tf.convert_to_tensor, init)
        kinds = [(value.dtype, value.shape) for value in tree.flatten(init)]
        last, steps = loop(step, init, xs, kinds)
        return last, tree.pack_sequence_as(init, steps)

    def recomputing_loop(
        self,
        step: Callable[..., Any],
        variables: list[Any],
        carry: Any,
        xs: Any,
        kinds: Any,
        draws: bool = False,
    ) -> tuple[Any, list[Any]]:
        return recomputing_loop(step, variables, carry, xs, kinds)

    def compiled(
        self, function: Callable[..., Any], variables: list[Any], xla: bool
    ) -> Callable[..., Any]:
        # TensorFlow counts retracing by the code of a function, and warns if the same code belongs
        # to several functions, such as those of several models. A `partial` is counted by itself.
        return tf.function(functools.partial(function), autograph=False, jit_compile=xla)

    def as_one_program(
        self, function: Callable[..., Any], variables: list[Any]
    ) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            if not compiles(args[0].shape[0]):
                return function(*args)
            return _run_as_one_program(function, variables, args)

        return run

    def value_and_gradients(
        self, function: Callable[..., Any], tensors: list[Any]
    ) -> tuple[Any, list[Any]]:
        sources = [tf.convert_to_tensor(tensor) for tensor in tensors]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            value = function(*sources)
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(value, sources, unconnected_gradients=zero)
        return value, [tf.convert_to_tensor(gradient) for gradient in gradients]  # dense ones

    def as_array(self, tensor: Any) -> Any:
        if not isinstance(tensor, tf.Tensor):
            return super().as_array(tensor)
        return np.asarray(tensor)  # unlike `tensor.numpy()`, which copies

    def shared(self, *layers: Any) -> AbstractContextManager[None]:
        return nullcontext()

    def with_batch_size(self, tensor: Any, batch: int) -> Any:
        return tf.ensure_shape(tensor, [batch, *tensor.shape[1:]])  # an error for another size

    def on_gpu(self, variable: Any) -> bool:
        # Where the device is not known, whether TensorFlow has a GPU.
        device = None if variable is None else getattr(variable.value, "device", None)
        if device:
            return tf.DeviceSpec.from_string(device).device_type == "GPU"
        return bool(tf.config.list_logical_devices("GPU"))


def _run_as_one_program(
    function: Callable[..., Any], variables: list[Any], args: tuple[Any, ...]
) -> Any:
    """The result of the function as one XLA program, so that its operations share loops."""
    count, structure = len(variables), [None]
    given = [tensor for tensor in tree.flatten(args) if tensor is not None]

    def plain(*sources: Any) -> list[Any]:
        tensors = iter(sources[count:])
        own = tree.map_structure(lambda t: None if t is None else next(tensors), args)
        mapping = list(zip(variables, sources[:count], strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            structure[0] = function(*own)
        return tree.flatten(structure[0])

    sources = [*(v.value for v in variables), *given]
    flat = with_plain_gradients(by_xla(plain), plain, sources)
    return tree.pack_sequence_as(structure[0], flat)
