"""The two layers of a `Bidirectional`, called for the same input."""

from typing import Any

from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.running.capture import current_capture
from keras_rnnkit.running.pair import run_pair, runs_as_pair


def call_both(
    layers: list[Any],
    sequences: Any,
    states: tuple[Any, Any],
    mask: Any,
    training: Any,
    resets: tuple[Any, Any] = (None, None),
) -> list[Any]:
    """What each layer returns, from one call of cuDNN for both where that is possible.

    Args:
        layers: The forward layer, then the backward one.
        sequences: `(batch, time, features)`.
        states: The initial states of each layer, or `None`.
        mask: `(batch, time)`, or `None`.
        training: Whether dropout applies.
        resets: The resets of each layer, or `None`.
    """
    if resets[0] is None and all(map(_does_nothing_else, layers)):
        pairs = list(zip(layers, states, strict=True))
        zeros = all(layer._has_zero_initial_states(state) for layer, state in pairs)
        conditions = {"masked": mask is not None, "training": bool(training)}
        if runs_as_pair(layers, sequences, zero_initial_states=zeros, **conditions):
            calls = [
                layer._prepared(sequences, state, mask, None)._replace(training=bool(training))
                for layer, state in pairs
            ]
            results = zip(layers, run_pair(layers, calls), calls, strict=True)
            return [layer._returned(*carries, call, None) for layer, carries, call in results]
    returned = []
    for layer, state, steps in zip(layers, states, resets, strict=True):
        given = {} if steps is None else {"resets": steps}
        returned.append(
            layer(sequences, initial_state=state, mask=mask, training=training, **given)
        )
    return returned


def _does_nothing_else(layer: Any) -> bool:
    """Whether a call of the layer only computes outputs and states, in the kit's own code.

    Not with a `call` of a subclass, gates to return, a penalty to add, hooks of PyTorch to run, or
    a capture to report to.
    """
    if any(getattr(layer, name, None) for name in _HOOKS):
        return False
    if not isinstance(layer, Recurrent) or type(layer).call is not Recurrent.call:
        return False
    if getattr(layer, "activity_regularizer", None) is not None or layer._return_gates:
        return False
    return current_capture() is None


# What `register_forward_hook` and the like of PyTorch fill; each Keras layer is a module there.
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
