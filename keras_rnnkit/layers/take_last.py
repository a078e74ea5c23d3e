"""The outputs at given steps, such as the last step of every sequence in a packed row."""

from typing import Any

import keras
from keras import ops

from keras_rnnkit.layers._checks import fits
from keras_rnnkit.running.names import name_of


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class TakeLast(keras.layers.Layer):
    """Takes the outputs at the last step of each of several sequences in a row.

    `kit.data.pack` puts several sequences into one row and returns where they end. A recurrent
    layer with `return_sequences=True` and `resets` has the output of each sequence at its last
    step, and this layer takes them.

    Args:
        **kwargs: `name`, `dtype` and what else a Keras layer takes.

    Call arguments:
        inputs: A list `[outputs, ends]`: the outputs at every step, `(batch, time, ...)`, and a
            tensor of integers `(batch, most)`, the last step of each sequence, counted from 0. An
            end of -1 is a place without a sequence.

    Returns:
        A tensor `(batch, most, ...)` in the compute dtype: zeros where the end is -1, and NaN where
        it is not a step of the outputs. A compiled model cannot raise an error there, and NaN makes
        the mistake visible.

    Raises:
        ValueError: If the inputs are not a list of two, the ends are not integers, or the shapes do
            not fit.

    Masking:
        The mask of the result is false where the end is -1, so losses and metrics leave these
        places out. A mask of the outputs is not used: at a masked step they are those of the last
        valid step before it.

    Both directions:
        The direction that runs backwards has read a sequence when it reaches its first step. Make
        the layer with `merge_mode=None`, and take its second output at `Packed.starts`.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> outputs = np.arange(6, dtype="float32").reshape(1, 6, 1)
    >>> ends = np.array([[1, 4, -1]])
    >>> np.asarray(kit.TakeLast()([outputs, ends]))[0, :, 0]
    array([1., 4., 0.], dtype=float32)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        self._checked(inputs)  # before Keras, whose error for a list of ends does not name it
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        outputs, ends = inputs
        outputs, ends = ops.cast(outputs, self.compute_dtype), ops.cast(ends, "int32")
        last = ops.shape(outputs)[1] - 1
        ends = ops.reshape(ends, (*ops.shape(ends), *[1] * (len(outputs.shape) - 2)))
        steps = ops.minimum(ops.maximum(ends, 0), last)
        taken = ops.take_along_axis(outputs, steps, axis=1)
        taken = ops.where(ends < 0, ops.zeros_like(taken), taken)
        return ops.where(ends > last, ops.full_like(taken, float("nan")), taken)

    def compute_output_spec(self, inputs: Any, mask: Any = None) -> Any:
        shapes = [tensor.shape for tensor in self._checked(inputs)]
        return keras.KerasTensor(self.compute_output_shape(shapes), dtype=self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        outputs, ends = input_shape
        return (*ends, *outputs[2:])

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return ops.greater_equal(inputs[1], 0)

    def _checked(self, inputs: Any) -> Any:
        """The outputs and the ends, after a check of their types and shapes."""
        if not isinstance(inputs, list | tuple) or len(inputs) != 2:
            raise ValueError(
                f"{name_of(self)}: expected a list of two inputs, [outputs, ends]. "
                f"Received: inputs={inputs!r}"
            )
        for name, value in zip(("outputs", "ends"), inputs, strict=True):
            if not hasattr(value, "shape"):
                raise ValueError(
                    f"{name_of(self)}: expected `{name}` as a tensor or an array. Pass a list as "
                    f"`np.array({name})`. Received: {name}={value!r}"
                )
        outputs, ends = inputs
        shape, shape_of_ends = tuple(outputs.shape), tuple(ends.shape)
        if len(shape) < 3:
            raise ValueError(
                f"{name_of(self)}: expected outputs of shape (batch, time, ...). The recurrent "
                f"layer in front needs `return_sequences=True`. Received: outputs.shape={shape}"
            )
        if len(shape_of_ends) != 2 or not fits(shape_of_ends[:1], shape[:1]):
            raise ValueError(
                f"{name_of(self)}: expected `ends` of shape (batch, most), where batch is "
                f"{shape[0]} as in the outputs. Received: ends.shape={shape_of_ends}"
            )
        dtype = keras.utils.standardize_dtype(ends.dtype)
        if not dtype.startswith(("int", "uint")):
            raise ValueError(
                f"{name_of(self)}: expected `ends` as integers. Give a `keras.Input` for them "
                f'`dtype="int32"`. Received: ends.dtype={dtype}'
            )
        return outputs, ends
