"""Integer tokens to vectors, with the exact gradient on every backend."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class Embedding(keras.layers.Embedding):
    """Turns integer tokens into vectors, the rows of a trainable table.

    A drop-in replacement for `keras.layers.Embedding`: same arguments, same weight, same numbers.
    On TensorFlow the gradient of Keras' layer is a list of rows (`tf.IndexedSlices`), one for each
    occurrence of a token in the batch. Optimizers such as RMSprop and Adam square these rows one
    by one instead of their sum, and their updates of frequent tokens are too large. Here the
    gradient is a dense array, in which the rows of a token are summed, as on JAX and PyTorch,
    where this layer changes nothing.

    Args:
        input_dim: Positive integer, the number of tokens: the largest token plus one.
        output_dim: Positive integer, the width of a vector.
        *args: The further arguments of `keras.layers.Embedding`, in its order.
        **kwargs: `embeddings_initializer`, `embeddings_regularizer`, `embeddings_constraint`,
            `mask_zero` (whether 0 is padding, so that the layers that follow get a mask),
            `weights`, `lora_rank`, `name`, `dtype` and what else `keras.layers.Embedding` takes.

    Call arguments:
        inputs: Tensor of integers, `(batch, time)` or of any other shape.

    Returns:
        A tensor `(batch, time, output_dim)` in the compute dtype.

    Raises:
        ValueError: If `input_dim` or `output_dim` is not a positive integer.

    Weights:
        - `embeddings`: `(input_dim, output_dim)`.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> embedding = kit.Embedding(10, 4, mask_zero=True)
    >>> tuple(embedding(np.array([[3, 1, 0]])).shape)
    (1, 3, 4)
    """

    def __init__(self, input_dim: int, output_dim: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(input_dim, output_dim, *args, **kwargs)
        self.supports_masking = self.mask_zero

    def call(self, inputs: Any) -> Any:
        if keras.config.backend() != "tensorflow":
            return super().call(inputs)
        if keras.utils.standardize_dtype(inputs.dtype) not in ("int32", "int64"):
            inputs = ops.cast(inputs, "int32")
        # The gradient of a product is dense, even if the gradient of `take` is not.
        vectors = ops.take(self.embeddings * 1.0, inputs, axis=0)
        return ops.cast(vectors, self.compute_dtype)

    def quantize(self, mode: Any = None, type_check: bool = True, **kwargs: Any) -> None:
        """Quantize the table in place, as `keras.layers.Embedding` does.

        Args:
            mode: `"int8"` or `"int4"`.
            type_check: Whether a subclass is refused.
            **kwargs: What else `keras.layers.Embedding.quantize` takes.
        """
        # To Keras this class is a subclass, which it refuses to quantize.
        check = type_check and type(self) is not Embedding
        super().quantize(mode, type_check=check, **kwargs)
