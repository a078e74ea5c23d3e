"""What every layer with `return_gates` and `trace` shares."""

from typing import Any

import keras
from keras import ops

from keras_rnnkit.layers._checks import check_data
from keras_rnnkit.running.assigned_variables import NestedScope
from keras_rnnkit.running.capture import capturing
from keras_rnnkit.running.names import name_of


class Traceable:
    """A mixin with `trace`, by which a layer reports what happens inside it."""

    build: Any
    built: bool
    compute_dtype: str
    name: str

    def trace(
        self, sequences: Any, mask: Any = None, initial_state: Any = None, resets: Any = None
    ) -> Any:
        """Every gate and state at every step, as `return_gates=True` returns them.

        The layer runs in inference mode and is not changed: a stateful layer starts from its
        states and leaves them as they are.

        Args:
            sequences: Tensor `(batch, time, features)`.
            mask: Boolean tensor `(batch, time)`, false where a step is skipped; where it is
                `None`, the mask that Keras attached to `sequences`, if any. Arrays, such as
                those that `predict` returns, have none.
            initial_state: As in a call.
            resets: As in a call.

        Returns:
            The trace: a NamedTuple of the gates and the states, each `(batch, time, units)`, and
            `mask`, `(batch, time)`, in the order in which the layer goes through time. Of a
            `Bidirectional` a `BidirectionalTrace(forward, backward)`, both in the order of the
            input's time; of a `StackedRNN` a dict of traces by layer, `trace["rnn_0"]`.

        Raises:
            ValueError: If no mask is given, though the layer's input has one in its model, and for
                a wrapper around layers that have no trace, such as those of `keras.layers`.
        """
        check_data(self, sequences)
        self._check_traceable()
        mask = mask_for_trace(self, sequences, mask)
        sequences = ops.convert_to_tensor(sequences, dtype=self.compute_dtype)
        if not self.built:
            self.build(sequences.shape)
        check_variables_are_here(self)
        given = {"initial_state": initial_state, "resets": resets}
        given = {name: value for name, value in given.items() if value is not None}
        # The scope discards the variables that the call assigns and the losses that it adds.
        with NestedScope(), capturing(capture_gates=True) as capture:
            self(sequences, mask=mask, training=False, **given)  # type: ignore[operator]
        return self._trace_from(capture.traces)

    def _check_traceable(self) -> None:
        """Refuse to trace a layer that has parts without a trace."""

    def _trace_from(self, traces: dict[int, Any]) -> Any:
        """The trace, from what the recurrent layers inside reported."""
        raise NotImplementedError


class ReturnsGates(Traceable):
    """A mixin with `return_gates`, which is fixed once the layer is built."""

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
                "is built, as the outputs of a model around it are fixed. Make the layer with "
                "`return_gates=True`, or call `layer.trace(sequences)`. "
                f"Received: return_gates={value!r}"
            )
        self._return_gates = bool(value)
        for part in self._parts_with_gates():
            part.return_gates = value

    def _parts_with_gates(self) -> list[Any]:
        """The layers inside this one that follow its `return_gates`."""
        return []


def attached_mask(tensor: Any) -> Any:
    """The mask in the attribute of a tensor, or `None`; in a trace of JAX, use `mask_on`."""
    return getattr(tensor, "_keras_mask", None)


def note_mask(layer: Any, *masks: Any) -> None:
    """Remember that the layer, and the layers inside it, get a mask from the layers before them.

    Also where data come with an attached mask: a layer of a subclassed model, or of a model inside
    another model, has no symbolic call with a mask.

    Args:
        layer: The layer that is called.
        *masks: Masks of a symbolic call, or attached to the sequences by Keras; not a mask that
            the user passes to one call.
    """
    if all(mask is None for mask in keras.tree.flatten(list(masks))):
        return
    layer._gets_masks = True
    for name in ("layer", "forward_layer", "backward_layer", "recurrent_layers"):
        for part in keras.tree.flatten(getattr(layer, name, [])):
            note_mask(part, *masks)


def mask_for_trace(layer: Any, sequences: Any, mask: Any) -> Any:
    """The mask for a trace: the one given, or the one that Keras attached to the sequences.

    Raises:
        ValueError: If there is none, though the layer gets one in its model: arrays have no mask.
    """
    mask = attached_mask(sequences) if mask is None else mask
    if mask is None and getattr(layer, "_gets_masks", False):
        raise ValueError(
            f"{name_of(layer)}: `trace` needs a `mask`, since the layer got one from the layers "
            "before it and `sequences` has none, so padding would be taken for data. Pass `mask=`, "
            "booleans (batch, time), false where a step is padding, such as `tokens != 0`; all "
            "true to use every step. Received: mask=None"
        )
    return mask


def check_variables_are_here(layer: Any) -> None:
    """Refuse to work with variables whose values the JAX trainer has moved out of the layer.

    Raises:
        RuntimeError: If the values are missing.
    """
    try:
        for variable in layer.variables[:1]:
            _ = variable.value
    except TypeError:  # Keras tries to initialize the variable, but its initializer is gone
        raise RuntimeError(
            f"{name_of(layer)}: between two batches of `fit`, `evaluate` or "
            "`predict` the trainer of JAX holds the weights and states. Use "
            "`keras_rnnkit.reset_states(model)` with the model that is being trained, or call its "
            f"`model.jax_state_sync()` first. Received: {variable.path}.value=None"
        ) from None
