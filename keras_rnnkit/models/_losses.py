"""The loss, or the accuracy, of outputs of a model."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_rnnkit.models._arrays import as_targets
from keras_rnnkit.running.assigned_variables import NestedScope


def loss_of(model: Any, loss: Any, argument: str = "loss") -> Callable[[Any, Any, Any], Any]:
    """The loss as a function of inputs, targets and outputs, which returns a scalar tensor.

    Args:
        model: The model.
        loss: `None` for the loss that the model is compiled with; else a function of targets and
            outputs, or the name of a loss of Keras.
        argument: The name of the caller's argument.

    Raises:
        ValueError: If there is no loss.
    """
    if loss is None:
        if not getattr(model, "compiled", False) or getattr(model, "loss", None) is None:
            raise ValueError(
                f"`{argument}` must be given, as the model is not compiled with a loss: a function "
                "of targets and outputs, or the name of a loss of Keras. "
                f"Received: {argument}=None, model='{model.name}'"
            )
        return lambda x, y, outputs: model.compute_loss(x=x, y=y, y_pred=outputs, training=False)
    function = keras.losses.get(loss) if isinstance(loss, str) else loss
    if not callable(function):
        raise TypeError(
            f"`{argument}` must be a function of targets and outputs, or the name of a loss of "
            f"Keras. Received: {argument}={loss!r}"
        )
    return lambda x, y, outputs: _mean(ops.convert_to_tensor(function(y, outputs)))


def _mean(values: Any) -> Any:
    """The mean in the dtype of the values: that of Keras rounds float64 to float32."""
    return ops.sum(values) / ops.cast(ops.size(values), values.dtype)


def metric_of(model: Any, metric: Any, x: Any, y: Any) -> Callable[[Any], float]:
    """A metric for these inputs and targets as a function of outputs, all of them arrays."""
    if isinstance(metric, str) and metric == "accuracy":
        losses = tree.flatten(getattr(model, "loss", None))
        from_logits = any(getattr(loss, "from_logits", False) for loss in losses)
        return lambda outputs: _accuracy(y, outputs, 0.0 if from_logits else 0.5)
    of_model = isinstance(metric, str) and metric == "loss"
    function = loss_of(model, None if of_model else metric, "metric")

    x, y = tree.map_structure(ops.convert_to_tensor, [x, y])

    def evaluate(outputs: Any) -> float:
        with NestedScope():  # discards what the loss tracks
            value = function(x, y, tree.map_structure(ops.convert_to_tensor, outputs))
        return float(ops.convert_to_numpy(value))

    return evaluate


def targets_like(y: Any, outputs: Any) -> Any:
    """The targets as arrays; floats in the dtype of the outputs, as `fit` has them."""
    dtype = tree.flatten(outputs)[0].dtype

    def as_target(array: np.ndarray) -> np.ndarray:
        return array.astype(dtype) if array.dtype.kind == "f" else array

    return tree.map_structure(as_target, as_targets(y))


def _accuracy(y: Any, outputs: Any, threshold: float) -> float:
    """The fraction of right answers: by the largest output, or by a threshold for single ones."""
    if not isinstance(outputs, np.ndarray) or not isinstance(y, np.ndarray):
        raise ValueError(
            '`metric="accuracy"` needs a model with one output. Pass a function of targets and '
            f"outputs. Received: type(outputs)={type(outputs).__name__}"
        )
    if outputs.ndim == 1 or outputs.shape[-1] == 1:
        return float(np.mean((outputs > threshold) == (y.reshape(outputs.shape) > 0.5)))
    y = y.argmax(-1) if y.shape == outputs.shape else y.reshape(outputs.shape[:-1])
    return float(np.mean(outputs.argmax(-1) == y))
