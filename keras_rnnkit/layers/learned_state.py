"""A recurrent layer with trainable initial states."""

from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.layers._resets import checked_resets
from keras_rnnkit.layers._states import directions
from keras_rnnkit.layers._traceable import Traceable, attached_mask, note_mask
from keras_rnnkit.layers.bidirectional import Bidirectional
from keras_rnnkit.layers.stacked import StackedRNN
from keras_rnnkit.running.calls import Resets
from keras_rnnkit.running.capture import current_capture
from keras_rnnkit.running.names import name_of


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class LearnedInitialState(Traceable, keras.layers.Wrapper):
    """Gives a recurrent layer trainable initial states, one vector for each state.

    Every row of a batch starts from the same vectors, which are weights of this wrapper. The layer
    runs on the same path as without it. An `initial_state` given in a call replaces them.

    Args:
        layer: A recurrent layer of the kit, also a `Bidirectional` or a `StackedRNN`, that is not
            stateful: a stateful layer starts from its own states. The wrapper takes over its dtype
            policy.
        initializer: Initializer of the states.
        regularizer: Regularizer of the states.
        **kwargs: `name`, `dtype` and what else a Keras layer takes.

    Call arguments:
        sequences: Tensor `(batch, time, features)`.
        initial_state: States in place of the learned ones, as the layer takes them.
        mask: Boolean tensor `(batch, time)`, false where a step is skipped.
        training: Whether dropout applies.
        resets: Boolean tensor `(batch, time)`, true at the first step of each new sequence inside a
            row, masked or not, in the order of the input: the states are the learned ones again
            before that step, and in a backward direction after it.

    Returns:
        What the layer returns.

    Raises:
        TypeError: If `layer` is not a recurrent layer of the kit.
        ValueError: If `layer` is stateful.

    Weights:
        - `state_0`, `state_1`, ...: `(units,)`, one for each of the layer's states, in their order;
          of a `Bidirectional`, the forward layer's before the backward one's; of a `StackedRNN`,
          layer by layer.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> layer = kit.LearnedInitialState(kit.LSTM(4))
    >>> tuple(layer(np.ones((2, 5, 3), "float32")).shape)
    (2, 4)
    >>> [weight.name for weight in layer.learned_states]
    ['state_0', 'state_1']
    """

    def __init__(
        self, layer: Any, initializer: Any = "zeros", regularizer: Any = None, **kwargs: Any
    ) -> None:
        _check(layer)
        super().__init__(layer, **{"dtype": layer.dtype_policy, **kwargs})
        self.initializer = keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)
        self.supports_masking = True
        self.learned_states: list[Any] = []

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        if not self.layer.built:
            self.layer.build(sequences_shape)
        sizes = tree.flatten([part.state_size for part in parts_of(self.layer)])
        self.learned_states = [
            self.add_weight(
                shape=(size,),
                initializer=self.initializer,
                regularizer=self.regularizer,
                name=f"state_{i}",
            )
            for i, size in enumerate(sizes)
        ]
        self.built = True

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
        mask = sequences_mask if mask is None else mask
        note_mask(self, attached_mask(sequences))
        carry = parts_of(self.layer)[0]._initial_carry(current_capture())
        if initial_state is None and carry is None:
            initial_state = self.get_initial_state(ops.shape(sequences)[0])
        given = {} if initial_state is None else {"initial_state": initial_state}
        if resets is not None:
            fresh = self.get_initial_state(ops.shape(sequences)[0])
            given["resets"] = Resets(checked_resets(self, resets, sequences.shape), fresh)
        return self.layer(sequences, mask=mask, training=training, **given)

    def _check_traceable(self) -> None:
        self.layer._check_traceable()

    def _trace_from(self, traces: dict[int, Any]) -> Any:
        return self.layer._trace_from(traces)

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """The learned states, repeated for each row of the batch."""
        states = [ops.convert_to_tensor(s, dtype=self.compute_dtype) for s in self.learned_states]
        return [ops.broadcast_to(s, (batch_size, s.shape[0])) for s in states]

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
        resets = checked_resets(self, resets, sequences.shape)
        return self.layer.compute_output_spec(sequences, initial_state=initial_state, resets=resets)

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        return self.layer.compute_output_shape(sequences_shape)

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        return self.layer.compute_mask(sequences, mask)

    def get_config(self) -> dict[str, Any]:
        config = {
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
        }
        return {**super().get_config(), **config}


def parts_of(layer: Any) -> list[Recurrent]:
    """The recurrent layers, each of one direction, that a layer consists of."""
    layers = layer.recurrent_layers if isinstance(layer, StackedRNN) else [layer]
    return [part for one in layers for part in directions(one)]


def _check(layer: Any) -> None:
    if not isinstance(layer, Recurrent | Bidirectional | StackedRNN):
        raise TypeError(
            "`layer` of LearnedInitialState must be a recurrent layer of keras_rnnkit. "
            f"Received: layer={layer!r}"
        )
    if layer.stateful:
        raise ValueError(
            "`layer` of LearnedInitialState must not be stateful, as it would start from its own "
            f"states. Make it with `stateful=False`. "
            f"Received: layer={name_of(layer)}, stateful=True"
        )
