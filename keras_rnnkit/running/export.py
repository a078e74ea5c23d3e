"""What an export cannot hold: it is refused before there is a file."""

from typing import Any

from keras import ops

from keras_rnnkit.running.names import name_of
from keras_rnnkit.running.rule import Choice


def check_export(layer: Any, sequences: Any, choice: Choice, *, onnx: bool) -> None:
    """Refuse to be exported where the file would be wrong.

    Args:
        layer: The layer that is called while the backend records its operations.
        sequences: The example that goes through it, `(batch, time, features)`. Keras takes one step
            where their number is open.
        choice: The path of the call.
        onnx: Whether the file will be one of ONNX.

    Raises:
        ValueError: If the layer is stateful, or is recorded step by step for any number of steps,
            or has a dtype that ONNX' runtime does not calculate with.
    """
    name = name_of(layer)
    if layer.stateful:
        raise ValueError(
            f"{name} cannot be exported: an exported file has no states that go on from call to "
            "call. Make the layer with `stateful=False, return_state=True`, and give it its states "
            "as `initial_state`, an input of the model. Received: stateful=True"
        )
    if onnx and layer.compute_dtype == "bfloat16":
        raise ValueError(
            f"{name} cannot be exported: ONNX Runtime has no products in bfloat16. Make the model "
            'with the dtype policy "float32", and give it the weights of this one with '
            "`set_weights`. Received: a layer that computes in bfloat16"
        )
    if choice.path == "portable" and _steps_are_open(layer, sequences):
        raise ValueError(
            f"{name} is exported step by step ({choice.reason}), so that the number of steps must "
            "be known. Make the model with `keras.Input((steps, features))`, or give "
            "`model.export` the `input_signature` of one, `[keras.InputSpec(shape=(None, steps, "
            'features), dtype="float32")]`. '
            f"Received: a sequence of {len(ops.unstack(sequences, axis=1))} step(s)"
        )


def _steps_are_open(layer: Any, sequences: Any) -> bool:
    """Whether one step stands for any number of them, as far as the model knows."""
    if len(ops.unstack(sequences, axis=1)) != 1:
        return False
    try:
        return layer.input.shape[1] != 1
    except (AttributeError, ValueError):  # not called symbolically, or more than once
        return True
