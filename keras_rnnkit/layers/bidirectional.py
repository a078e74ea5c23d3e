"""Both directions of a recurrent layer."""

from typing import Any, NamedTuple

import keras
from keras import ops, tree

from keras_rnnkit.cells._trace_repr import trace_repr
from keras_rnnkit.layers._checks import check_options, mask_of_steps
from keras_rnnkit.layers._pair import call_both
from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.layers._resets import resets_of_both
from keras_rnnkit.layers._traceable import ReturnsGates, attached_mask, note_mask
from keras_rnnkit.running.names import states_in_order


class BidirectionalTrace(NamedTuple):
    """The traces of the two directions; step `t` of both is step `t` of the input."""

    forward: Any
    backward: Any

    def __repr__(self) -> str:
        return trace_repr(self)


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class Bidirectional(ReturnsGates, keras.layers.Bidirectional):
    """Runs a recurrent layer in both directions of time (Schuster and Paliwal, 1997).

    A drop-in replacement for `keras.layers.Bidirectional`. In addition, it can return the gates of
    both directions, and it works with `stateful=True`, and with `return_state` and a mask, where
    Keras' wrapper fails.

    Args:
        layer: The recurrent layer for the forward direction. The one for the backward direction is
            made from its config.
        merge_mode: How the outputs of the directions are merged: `"concat"`, `"sum"`, `"mul"`,
            `"ave"`, or `None` to return both.
        weights: Initial weights, those of the forward layer before those of the backward one.
        backward_layer: The layer for the backward direction, with `go_backwards=True`, if it is not
            to be made from `layer`.
        return_gates: Whether to return the trace too, as the last value. By default (`None`), the
            `return_gates` of `layer`.
        **kwargs: `name`, `dtype` and the other arguments of a Keras layer.

    Call arguments:
        sequences: Tensor `(batch, time, features)`.
        initial_state: The states of the forward layer, then those of the backward layer, in one
            flat list; or the states of each direction, in a list of two or in a dict with the keys
            `forward` and `backward`. Those of one direction may be a dict by name.
        mask: Boolean tensor `(batch, time)`, false where a step is skipped.
        training: Whether dropout applies.
        resets: Boolean tensor `(batch, time)`, true at the first step of each new sequence inside a
            row, masked or not, in the order of the input: the states are zeros again before that
            step, and in the backward direction after it. They need `return_sequences=True`.

    Returns:
        The merged output, or with `merge_mode=None` both outputs. With `return_state`, it is
        followed by the last states of the forward layer and then of the backward layer. With
        `return_gates`, the last value is a `BidirectionalTrace(forward, backward)`, where step `t`
        of both is step `t` of the input.

    Raises:
        ValueError: For `return_gates` with a layer that cannot return its gates, for initial states
            of another number than the two layers have, and for `resets` without
            `return_sequences`: the last outputs would be of different sequences.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> x = np.ones((2, 5, 3), "float32")
    >>> layer = kit.Bidirectional(kit.GRU(4), return_gates=True)
    >>> output, trace = layer(x)
    >>> tuple(output.shape), tuple(trace.backward.update.shape)
    ((2, 8), (2, 5, 4))
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        return_gates: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(layer, merge_mode=merge_mode, backward_layer=backward_layer, **kwargs)
        self.supports_masking = True  # some versions of Keras do not set it
        self._first_weights = weights
        if return_gates is None:
            return_gates = getattr(layer, "return_gates", False)
        self.return_gates = return_gates
        for direction in (self.forward_layer, self.backward_layer):
            if isinstance(direction, Recurrent):
                check_options(direction)
            elif return_gates:
                raise ValueError(
                    f"Bidirectional '{self.name}': `return_gates=True` needs layers of "
                    "keras_rnnkit in both directions. Received: "
                    f"layer={type(direction).__module__}.{type(direction).__name__}"
                )

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        super().build(sequences_shape)
        if self._first_weights is not None:
            self.set_weights(self._first_weights)

    def _check_traceable(self) -> None:
        for part in (self.forward_layer, self.backward_layer):
            if not isinstance(part, Recurrent):
                kind = f"{type(part).__module__.partition('.')[0]}'s {type(part).__name__}"
                raise ValueError(
                    f"Bidirectional '{self.name}': `trace` needs layers of keras_rnnkit in both "
                    "directions, as no others expose their gates. Put the kit's layer of the same "
                    "name in its place, or convert the model with `keras_rnnkit.from_keras`. "
                    f"Received: layer={kind} '{part.name}'"
                )

    def _trace_from(self, traces: dict[int, Any]) -> BidirectionalTrace:
        forward, backward = (traces[id(part)] for part in (self.forward_layer, self.backward_layer))
        return BidirectionalTrace(forward, tree.map_structure(_flipped, backward))

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: Any = None,
        sequences_mask: Any = None,
        resets: Any = None,
    ) -> Any:
        # With a second tensor argument, Keras gives the mask of the input under this name.
        mask = mask_of_steps(sequences_mask if mask is None else mask)
        note_mask(self, attached_mask(sequences))
        layers, states = [self.forward_layer, self.backward_layer], self._halves(initial_state)
        starts = resets_of_both(self, resets, sequences.shape)
        forward, backward = call_both(layers, sequences, states, mask, training, starts)
        return self._join(forward, backward, self._merge, _flipped)

    def compute_output_spec(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: Any = None,
        sequences_mask: Any = None,
        resets: Any = None,
    ) -> Any:
        note_mask(self, mask, sequences_mask)
        starts, _ = resets_of_both(self, resets, sequences.shape)
        given = {} if starts is None else {"resets": starts}
        first, second = self._halves(initial_state)
        forward = self.forward_layer.compute_output_spec(sequences, initial_state=first, **given)
        backward = self.backward_layer.compute_output_spec(sequences, initial_state=second, **given)
        return self._join(forward, backward, self._merged_spec, lambda spec: spec)

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        inputs = keras.KerasTensor(sequences_shape, dtype=self.compute_dtype)
        return tree.map_structure(lambda spec: spec.shape, self.compute_output_spec(inputs))

    def compute_mask(self, sequences: Any, mask: Any) -> Any:
        mask = mask_of_steps(tree.flatten(mask)[0]) if self.return_sequences else None
        outputs = 1 if self.merge_mode else 2
        others = int(self.return_gates)
        if self.return_state:
            others += len(self.forward_layer.state_size) + len(self.backward_layer.state_size)
        return [mask] * outputs + [None] * others if outputs + others > 1 else mask

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "return_gates": self.return_gates}

    def _parts_with_gates(self) -> list[Any]:
        return [d for d in (self.forward_layer, self.backward_layer) if isinstance(d, Recurrent)]

    def _join(self, forward: Any, backward: Any, merge: Any, flip: Any) -> Any:
        """What the two directions returned, as what the wrapper returns."""
        output, states, trace = self._parts(forward)
        back_output, back_states, back_trace = self._parts(backward)
        returned = [*merge(output, back_output), *states, *back_states]
        if self.return_gates:
            returned.append(BidirectionalTrace(trace, tree.map_structure(flip, back_trace)))
        return tuple(returned) if len(returned) > 1 else returned[0]

    def _parts(self, returned: Any) -> tuple[Any, list[Any], Any]:
        """A layer's output, its states and its trace, from what it returned."""
        parts = list(returned) if isinstance(returned, list | tuple) else [returned]
        trace = parts.pop() if self.return_gates else None
        return parts[0], parts[1:], trace

    def _merge(self, forward: Any, backward: Any) -> list[Any]:
        forward = ops.cast(forward, self.compute_dtype)
        backward = ops.cast(backward, self.compute_dtype)
        if self.return_sequences:
            backward = ops.flip(backward, axis=1)
        if self.merge_mode is None:
            return [forward, backward]
        if self.merge_mode == "concat":
            return [ops.concatenate([forward, backward], axis=-1)]
        if self.merge_mode == "mul":
            return [forward * backward]
        return [(forward + backward) / (2 if self.merge_mode == "ave" else 1)]

    def _merged_spec(self, forward: Any, backward: Any) -> list[Any]:
        if self.merge_mode is None:
            return [forward, backward]
        width = forward.shape[-1]
        if self.merge_mode == "concat":
            width += backward.shape[-1]
        return [keras.KerasTensor((*forward.shape[:-1], width), dtype=self.compute_dtype)]

    def _halves(self, initial_state: Any) -> tuple[Any, Any]:
        """The forward layer's initial states and the backward layer's."""
        if initial_state is None:
            return None, None
        owner = f"Bidirectional '{self.name}'"
        states = states_in_order(owner, self, initial_state, "initial_state")
        first, second = (
            len(tree.flatten(layer.state_size))
            for layer in (self.forward_layer, self.backward_layer)
        )
        if len(states) != first + second:
            raise ValueError(
                f"{owner}: expected `initial_state` to hold {first} tensor(s) "
                f"for the forward layer, then {second} for the backward one. "
                f"Received: len(initial_state)={len(states)}"
            )
        return states[:first], states[first:]


def _flipped(tensor: Any) -> Any:
    return ops.flip(tensor, axis=1)
