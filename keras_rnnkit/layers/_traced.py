"""What every layer that shows its gates shares: when to show them, and the mask they are under."""

from typing import Any

import keras

from keras_rnnkit.running.names import name_of


class ShowsGates:
    """A mixin with `return_gates`, which is settled once the layer is built."""

    built: bool
    name: str
    _return_gates = False

    @property
    def return_gates(self) -> bool:
        """Whether the trace is appended to what the layer returns."""
        return self._return_gates

    @return_gates.setter
    def return_gates(self, value: bool) -> None:
        if self.built and bool(value) != self._return_gates:
            raise ValueError(
                f"{name_of(self)}: `return_gates` cannot be set once the layer "
                "is built, as a model around it has its outputs already. Make the layer with "
                "`return_gates=True`, or ask it for a trace by `layer.trace(sequences)`. "
                f"Received: return_gates={value!r}"
            )
        self._return_gates = bool(value)
        for part in self._parts_that_show_gates():
            part.return_gates = value

    def _parts_that_show_gates(self) -> list[Any]:
        """The layers inside this one that go by its `return_gates`."""
        return []


def note_mask(layer: Any, *masks: Any) -> None:
    """Remember that a model hands the layer, and the layers inside it, a mask.

    Args:
        layer: The layer that is called.
        *masks: What came with a symbolic call, or was attached to the sequences by Keras; not a
            mask that the user gives to one call.
    """
    if all(mask is None for mask in keras.tree.flatten(list(masks))):
        return
    layer._masked_in_a_model = True
    for name in ("layer", "forward_layer", "backward_layer", "recurrent_layers"):
        for part in keras.tree.flatten(getattr(layer, name, [])):
            note_mask(part, *masks)


def mask_for_trace(layer: Any, sequences: Any, mask: Any) -> Any:
    """The mask for a trace: the one given, or the one that Keras attached to the sequences.

    Raises:
        ValueError: If there is none, though the layer has one in its model: arrays lose it.
    """
    mask = getattr(sequences, "_keras_mask", None) if mask is None else mask
    if mask is None and getattr(layer, "_masked_in_a_model", False):
        raise ValueError(
            f"{name_of(layer)}: `trace` needs a `mask`, since the layer's "
            "input has one in its model and `sequences` came without it, so that padding would "
            "count. Pass `mask=`, booleans (batch, time), false where a step is padding, such as "
            "`tokens != 0`; all true to count every step. Received: mask=None"
        )
    return mask


def check_variables_are_here(layer: Any) -> None:
    """Refuse to work with variables whose values a JAX trainer has taken away.

    Raises:
        RuntimeError: If they are not here.
    """
    try:
        for variable in layer.variables[:1]:
            _ = variable.value
    except TypeError:  # Keras would have it made by an initializer, which is gone
        raise RuntimeError(
            f"{name_of(layer)}: between two batches of `fit`, `evaluate` or "
            "`predict` the trainer of JAX holds the weights and states. Use "
            "`keras_rnnkit.reset_states(model)` with the model that is being trained, or call its "
            "`model.jax_state_sync()` first."
        ) from None
