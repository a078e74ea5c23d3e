"""The two layers of a bidirectional one, called for the same input."""

from typing import Any

from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.running.capture import current_capture
from keras_rnnkit.running.pair import run_pair, runs_as_pair


def call_both(
    layers: list[Any], sequences: Any, states: tuple[Any, Any], mask: Any, training: Any
) -> list[Any]:
    """What each layer returns, from one call of the library's layer where that serves.

    Args:
        layers: The forward layer, then the backward one.
        sequences: `(batch, time, features)`.
        states: The initial states of each layer, or `None`.
        mask: `(batch, time)`, or `None`.
        training: Whether dropout applies.
    """
    if all(map(_has_no_other_duty, layers)):
        pairs = list(zip(layers, states, strict=True))
        how = {
            "masked": mask is not None,
            "training": bool(training),
            "starts_at_zero": all(layer._starts_at_zero(state) for layer, state in pairs),
        }
        if runs_as_pair(layers, sequences, **how):
            calls = [
                layer._prepared(sequences, state, mask, None)._replace(training=bool(training))
                for layer, state in pairs
            ]
            results = zip(layers, run_pair(layers, calls), calls, strict=True)
            return [layer._returned(*carries, call, None) for layer, carries, call in results]
    return [
        layer(sequences, initial_state=state, mask=mask, training=training)
        for layer, state in zip(layers, states, strict=True)
    ]


def _has_no_other_duty(layer: Any) -> bool:
    """Whether a call of the layer does nothing but what the kit's does, and returns no gates."""
    if not isinstance(layer, Recurrent) or type(layer).call is not Recurrent.call:
        return False
    if getattr(layer, "activity_regularizer", None) is not None or layer._return_gates:
        return False
    return current_capture() is None
