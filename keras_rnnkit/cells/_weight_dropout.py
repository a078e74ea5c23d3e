"""Dropout of a recurrent kernel: one mask for the whole batch and sequence."""

from typing import Any

import keras
from keras import ops

from keras_rnnkit.cells._checks import check_rate
from keras_rnnkit.cells._masks import Masks


class WeightDropout:
    """Dropout of the weights of a recurrent kernel (Merity et al., 2017).

    A mixin before `GatedCell` and a Keras cell with recurrent dropout. Layers of the kit pass the
    mask of a sequence as an argument; in layers of Keras it is stored on the cell, and drawn and
    reset with the recurrent dropout mask.
    """

    # Attributes of the Keras cell that follows the mixin.
    compute_dtype: str
    recurrent_kernel: Any
    seed_generator: Any

    recurrent_weight_dropout: float = 0.0
    _weight_mask: Any = None

    def _set_weight_dropout(self, rate: Any) -> None:
        check_rate(type(self).__name__, "recurrent_weight_dropout", rate)
        self.recurrent_weight_dropout = float(rate)

    def recurrent_weights(self, training: bool, masks: Masks | None = None) -> Any:
        """The recurrent kernel in the compute dtype, with weights dropped in training."""
        kernel = ops.convert_to_tensor(self.recurrent_kernel, dtype=self.compute_dtype)
        if masks is not None:
            return kernel if masks.weights is None else kernel * masks.weights
        if not training or not self.recurrent_weight_dropout:
            return kernel
        return kernel * self._stored_mask()

    def draw_masks(self, inputs: Any, states: Any, steps: Any = 1) -> Masks:
        masks = super().draw_masks(inputs, states, steps)  # type: ignore[misc]
        if not self.recurrent_weight_dropout:
            return masks
        return masks._replace(weights=self._new_mask())

    def get_recurrent_dropout_mask(self, hidden: Any) -> Any:
        masks = super().get_recurrent_dropout_mask(hidden)  # type: ignore[misc]
        if self.recurrent_weight_dropout:
            self._stored_mask()
        return masks

    def reset_recurrent_dropout_mask(self) -> None:
        super().reset_recurrent_dropout_mask()  # type: ignore[misc]
        self._weight_mask = None

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()  # type: ignore[misc]
        return {**config, "recurrent_weight_dropout": self.recurrent_weight_dropout}

    def _stored_mask(self) -> Any:
        if self._weight_mask is None:
            self._weight_mask = self._new_mask()
        return self._weight_mask

    def _new_mask(self) -> Any:
        ones = ops.ones(self.recurrent_kernel.shape, dtype=self.compute_dtype)
        rate = self.recurrent_weight_dropout
        return keras.random.dropout(ones, rate, seed=self.seed_generator)
