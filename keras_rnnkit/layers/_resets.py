"""The `resets` of a call: where new sequences start, and the states that they start from."""

from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.layers._checks import checked_states, fits
from keras_rnnkit.running.calls import Resets, sequence_numbers
from keras_rnnkit.running.loop import is_of_the_kit
from keras_rnnkit.running.names import name_of


def checked_resets(layer: Any, resets: Any, shape: Any) -> Any:
    """The resets as booleans `(batch, time)`, or `None`.

    Args:
        layer: The layer that is called.
        resets: What the call was given, or the `Resets` of a layer around it.
        shape: The shape of the sequences.
    """
    if resets is None:
        return None
    if isinstance(resets, Resets):
        return resets._replace(steps=checked_resets(layer, resets.steps, shape))
    if not isinstance(resets, keras.KerasTensor):
        resets = ops.convert_to_tensor(resets)
    dtype = keras.utils.standardize_dtype(resets.dtype)
    if dtype != "bool" or not fits(tuple(resets.shape), tuple(shape[:2])):
        raise ValueError(
            f"{name_of(layer)}: expected `resets` of dtype bool and shape (batch, time) = "
            f"{tuple(shape[:2])}, true at the first step of each new sequence. "
            f"Received: resets.dtype={dtype}, resets.shape={tuple(resets.shape)}"
        )
    return resets


def note_resets(layer: Any, resets: Any) -> None:
    """Remember that a layer is called with resets, for `explain`."""
    if resets is not None and not getattr(layer, "_gets_resets", False):
        layer._gets_resets = True


def resets_in_running_order(layer: Any, resets: Any, sequences: Any, carry: Any) -> tuple[Any, Any]:
    """The steps before which a recurrent layer clears its states, and the states it starts from.

    A direction that runs backwards clears its states after the first step of a sequence. The states
    are `None` where they are zeros.

    Raises:
        ValueError: In a stream, which has a carry for the layer.
    """
    resets = checked_resets(layer, resets, sequences.shape)
    if resets is None:
        return None, None
    if carry is not None:
        raise ValueError(
            f"{name_of(layer)}: a stream takes no `resets`. Leave them out of the model, and call "
            f"`reset` of the stream where a new sequence starts. Received: resets={resets!r}"
        )
    note_resets(layer, resets)
    fresh = None
    if isinstance(resets, Resets):
        resets, fresh = resets
        fresh = checked_states(layer, fresh, sequences.shape[0], "initial_state")
    elif layer._overrides_initial_state() or not is_of_the_kit(layer.cell):
        fresh = layer.get_initial_state(ops.shape(sequences)[0])
    if layer.go_backwards:
        flipped = ops.flip(resets, axis=1)
        resets = ops.concatenate([ops.zeros_like(flipped[:, :1]), flipped[:, :-1]], axis=1)
    if fresh is None:
        return resets, None
    dtype = layer._cell_dtype
    return resets, tree.map_structure(lambda s: ops.convert_to_tensor(s, dtype=dtype), fresh)


def resets_of_each(stack: Any, resets: Any) -> list[Any]:
    """The resets for each layer of a stack."""
    if not isinstance(resets, Resets):
        return [resets] * len(stack.recurrent_layers)
    each = stack._first_states(resets.fresh_states)
    return [Resets(resets.steps, fresh) for fresh in each]


def of_last_sequence(mask: Any, resets: Any) -> Any:
    """The mask, true only at valid steps of the last sequence of each row.

    Args:
        mask: Booleans `(batch, time)`, or `None` where all steps are valid.
        resets: What `checked_resets` returns.
    """
    steps = resets.steps if isinstance(resets, Resets) else resets
    if mask is None or steps is None:
        return mask
    number = sequence_numbers(steps)
    return ops.logical_and(mask, number == number[:, -1:])


def resets_of_both(wrapper: Any, resets: Any, shape: Any) -> tuple[Any, Any]:
    """The resets for each direction of a `Bidirectional`, after their check.

    Args:
        wrapper: The layer.
        resets: The `resets` of the call.
        shape: The shape of the sequences.
    """
    if resets is None:
        return None, None
    resets = checked_resets(wrapper, resets, shape)
    for part in (wrapper.forward_layer, wrapper.backward_layer):
        if part not in wrapper._parts_with_gates():
            raise ValueError(
                f"{name_of(wrapper)}: `resets` need layers of keras_rnnkit in both directions. "
                f"Received: layer={type(part).__module__}.{type(part).__name__}"
            )
    if not wrapper.return_sequences:
        raise ValueError(
            f"{name_of(wrapper)}: with `resets`, the last outputs of the two directions are of "
            "different sequences of the row. Use `return_sequences=True` and `TakeLast`. "
            "Received: return_sequences=False"
        )
    if not isinstance(resets, Resets):
        return resets, resets
    first, second = (Resets(resets.steps, fresh) for fresh in wrapper._halves(resets.fresh_states))
    return first, second
