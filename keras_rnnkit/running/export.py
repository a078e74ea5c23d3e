"""Errors for calls that cannot be exported to a file."""

from typing import Any

from keras import ops

from keras_rnnkit.running.names import name_of
from keras_rnnkit.running.rule import Choice


def check_export(layer: Any, sequences: Any, choice: Choice, *, onnx: bool) -> None:
    """Raise an error if the exported file would fail or give wrong results.

    Args:
        layer: The layer that is called while the backend traces it.
        sequences: The example input, `(batch, time, features)`. Keras uses one step where the
            number of steps is unknown.
        choice: The path of the call.
        onnx: Whether the file is in ONNX format.

    Raises:
        ValueError: If the layer is stateful, would be unrolled for an unknown number of steps, or
            has a dtype that ONNX Runtime does not support.
    """
    name = name_of(layer)
    if layer.stateful:
        raise ValueError(
            f"{name} cannot be exported: an exported file has no states that are kept between "
            "calls. Make the layer with `stateful=False, return_state=True`, and pass its states "
            "as `initial_state`, an input of the model. Received: stateful=True"
        )
    if onnx and layer.compute_dtype == "bfloat16":
        raise ValueError(
            f"{name} cannot be exported: ONNX Runtime has no matrix product in bfloat16. Make the "
            'model with the dtype policy "float32", and copy the weights with '
            "`set_weights`. Received: layer.compute_dtype='bfloat16'"
        )
    if choice.path == "portable" and _steps_are_unknown(layer, sequences):
        raise ValueError(
            f"{name} is exported as an unrolled loop ({choice.reason}), so the number of steps "
            "must be known. Make the model with `keras.Input((steps, features))`, or pass "
            "`input_signature` to `model.export`, as in `[keras.InputSpec(shape=(None, steps, "
            'features), dtype="float32")]`. '
            f"Received: steps={len(ops.unstack(sequences, axis=1))}"
        )


def _steps_are_unknown(layer: Any, sequences: Any) -> bool:
    """Whether the example's single step stands for an unknown number of steps."""
    if len(ops.unstack(sequences, axis=1)) != 1:
        return False
    try:
        return layer.input.shape[1] != 1
    except (AttributeError, ValueError):  # not called symbolically, or more than once
        return True
