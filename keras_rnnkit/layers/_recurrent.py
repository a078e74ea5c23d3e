"""What all recurrent layers of the kit share: checks, states, traces, and how a call runs."""

from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.cells._quantize import NotQuantized
from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.layers._build import build_cell
from keras_rnnkit.layers._checks import (
    check_batch,
    check_features,
    check_initial_state,
    check_options,
    check_sequences,
    checked_mask,
    checked_recompute,
    checked_states,
    mask_of_steps,
    packed,
    without_time_major,
)
from keras_rnnkit.layers._resets import (
    checked_resets,
    note_resets,
    resets_in_running_order,
)
from keras_rnnkit.layers._specs import outputs_of
from keras_rnnkit.layers._stateful import Stateful
from keras_rnnkit.layers._traceable import ReturnsGates, note_mask
from keras_rnnkit.running.calls import Call, Carry, Steps, zeros_where_masked
from keras_rnnkit.running.capture import Capture, current_capture
from keras_rnnkit.running.names import name_of
from keras_rnnkit.running.run import choice_for, run
from keras_rnnkit.running.trace import make_trace


class Recurrent(NotQuantized, Stateful, ReturnsGates):
    """A mixin that replaces the loop of a recurrent Keras layer by the paths of the kit.

    A call checks its arguments (`_prepared`), chooses a path and runs on it (`running.run`), and
    puts together what the layer returns (`_returned`).
    """

    # Attributes of the Keras layer.
    add_weight: Any
    built: bool
    requested_path: str
    recompute: bool | int = False
    cell: Any
    compute_dtype: str
    go_backwards: bool
    name: str
    return_sequences: bool
    return_state: bool
    state_size: Any
    stateful: bool
    states: Any
    unroll: bool
    zero_output_for_mask: bool

    def __init__(
        self,
        cell: Any,
        return_gates: bool = False,
        path: str = "auto",
        recompute: bool | int = False,
        **kwargs: Any,
    ) -> None:
        # Not `super()`: `keras.layers.LSTM.__init__` would create a Keras cell instead.
        keras.layers.RNN.__init__(self, cell, **without_time_major(type(self), kwargs))
        self.supports_masking = True  # some versions of Keras do not set it
        self.return_gates = return_gates
        self.requested_path = path  # `layer.path` is Keras' own: the layer's place in a model
        self.recompute = checked_recompute(name_of(self), recompute)
        check_options(self)
        # Only for its error, raised now where `path="fused"` is not possible.
        choice_for(self, masked=False, capture_gates=return_gates, training=True)

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        check_sequences(self, sequences_shape)
        build_cell(self.cell, (sequences_shape[0], *sequences_shape[2:]))
        if self.stateful and self.states is None:
            check_batch(self, sequences_shape[0])
            self._make_states(sequences_shape[0])

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
        sequences_mask: Any = None,
        resets: Any = None,
    ) -> Any:
        # Keras passes the mask of `sequences` under this name where `initial_state` is a tensor
        # argument too.
        mask = sequences_mask if mask is None else mask
        # `attached_mask` written inline: most calls have no mask, and then run no code of its file.
        if getattr(sequences, "_keras_mask", None) is not None:
            note_mask(self, sequences._keras_mask)
        capture = current_capture()
        call = self._prepared(sequences, initial_state, mask, capture, resets)
        last, steps = run(self, call._replace(training=bool(training)))
        return self._returned(last, steps, call, capture)

    def _returned(self, last: Carry, steps: Steps, call: Call, capture: Capture | None) -> Any:
        """What a call returns. Also stores the last states, or reports them to the capture."""
        trace = self._as_trace(steps, call) if call.capture_gates else None
        if capture is not None:
            capture.report(self, call, last, trace)
        elif self.stateful:
            self._assign(last.states)
        output = self._zero_masked(steps.outputs, call) if self.return_sequences else last.output
        returned = [self._cast(output)]
        if self.return_state:
            returned += tree.map_structure(self._cast, last.states)
        if self._return_gates:
            returned.append(trace)
        return tuple(returned) if len(returned) > 1 else returned[0]

    def get_initial_state(self, batch_size: Any) -> Any:
        """The cell's initial states, zeros unless the cell defines others."""
        if not hasattr(self.cell, "get_initial_state"):
            sizes = self.state_size
            return [ops.zeros((batch_size, size), dtype=self._cell_dtype) for size in sizes]
        states = tree.flatten(self.cell.get_initial_state(batch_size=batch_size))
        return packed(self, states)

    def compute_output_spec(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
        sequences_mask: Any = None,
        resets: Any = None,
    ) -> Any:
        note_mask(self, mask, sequences_mask)
        check_sequences(self, sequences.shape)
        note_resets(self, checked_resets(self, resets, sequences.shape))
        if initial_state is not None:
            checked_states(self, initial_state, sequences.shape[0], "initial_state")
        return outputs_of(self, sequences.shape, keras.KerasTensor)

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        return outputs_of(self, sequences_shape, lambda shape, dtype: shape)

    def compute_mask(self, sequences: Any, mask: Any) -> Any:
        mask = mask_of_steps(tree.flatten(mask)[0]) if self.return_sequences else None
        others = len(self.state_size) * self.return_state + self._return_gates
        return [mask] + [None] * others if others else mask

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()  # type: ignore[misc]
        own = {"return_gates": self.return_gates, "path": self.requested_path}
        return {**config, **own, "recompute": self.recompute}

    def _prepared(
        self,
        sequences: Any,
        initial_state: Any,
        mask: Any,
        capture: Capture | None,
        resets: Any = None,
    ) -> Call:
        """The arguments of a call after their checks, with the initial states, in running order.

        Running order is the order in which the layer reads the steps.
        """
        check_sequences(self, sequences.shape)
        check_features(self, sequences.shape)
        mask = checked_mask(self, mask, sequences.shape)
        sequences = self._with_batch_size(sequences)
        carry = self._initial_carry(capture)
        check_initial_state(self, initial_state, carry)
        states = self._initial_states(sequences, initial_state) if carry is None else carry.states
        if mask is not None:
            sequences = zeros_where_masked(mask, sequences)  # so that a NaN there has no effect
        fresh_states = None
        if resets is not None:
            resets, fresh_states = resets_in_running_order(self, resets, sequences, carry)
        if self.go_backwards:
            sequences, mask = (x if x is None else ops.flip(x, axis=1) for x in (sequences, mask))
        return Call(
            sequences=sequences,
            initial_states=states,
            mask=mask,
            capture_gates=self._return_gates or (capture is not None and capture.capture_gates),
            initial_output=None if carry is None else carry.output,
            edits=None if capture is None else capture.edits.get(id(self)),
            zero_initial_states=carry is None and self._has_zero_initial_states(initial_state),
            resets=resets,
            fresh_states=fresh_states,
        )

    def _initial_carry(self, capture: Capture | None) -> Carry | None:
        """The carry to start from, which a stream gives in its capture; else `None`."""
        return None if capture is None else capture.initial_carries.get(id(self))

    def _with_batch_size(self, sequences: Any) -> Any:
        """The sequences; of a stateful layer, with the static batch size of its states."""
        if not self.stateful or sequences.shape[0] is not None:
            return sequences
        # Only TensorFlow traces with an unknown batch size. The graph then checks it when it runs.
        batch = tree.flatten(self.states)[0].shape[0]
        return backend_kernels().with_batch_size(sequences, batch)

    def _has_zero_initial_states(self, initial_state: Any) -> bool:
        """Whether the initial states of a call with this argument are zeros.

        Correct for the cells of the kit, whose states start as zeros. A custom cell may start from
        others, but the paths that use the answer do not run custom cells.
        """
        return not (self._overrides_initial_state() or self.stateful or initial_state is not None)

    def _overrides_initial_state(self) -> bool:
        return type(self).get_initial_state is not Recurrent.get_initial_state

    def _initial_states(self, sequences: Any, initial_state: Any) -> Any:
        """`initial_state` if given, else the stored states of a stateful layer, else the cell's.

        All are cast to the compute dtype of the cell.
        """
        if self.stateful:
            check_batch(self, sequences.shape[0])
        if initial_state is not None:
            states = checked_states(self, initial_state, sequences.shape[0], "initial_state")
        elif self.stateful:
            # Copies, as the backward pass needs these values after the call has assigned new
            # ones to the variables, which PyTorch does in place.
            values = [ops.copy(ops.convert_to_tensor(v)) for v in tree.flatten(self.states)]
            states = packed(self, values)
        else:
            states = self.get_initial_state(ops.shape(sequences)[0])
        dtype = self._cell_dtype
        return tree.map_structure(lambda s: ops.convert_to_tensor(s, dtype=dtype), states)

    @property
    def supports_jit(self) -> bool:
        """Whether XLA can compile the layer. It cannot where TensorFlow uses cuDNN."""
        return self._supports_jit and not self._uses_cudnn_of_keras()

    @supports_jit.setter
    def supports_jit(self, value: bool) -> None:
        self._supports_jit = value

    def _uses_cudnn_of_keras(self) -> bool:
        """Whether a call without a mask takes the path "keras", in training or in prediction.

        When a model is compiled, it is not known whether its calls will have a mask.
        """
        if keras.config.backend() != "tensorflow" or self.requested_path != "auto":
            return False
        conditions = {"masked": False, "capture_gates": self._return_gates}
        choices = (choice_for(self, training=training, **conditions) for training in (True, False))
        return any(choice.path == "keras" for choice in choices)

    @property
    def _cell_dtype(self) -> str:
        """The compute dtype of the cell; for a stack of cells, that of its first cell."""
        cell = self.cell
        while isinstance(cell, keras.layers.StackedRNNCells) and cell.cells:
            cell = cell.cells[0]
        return getattr(cell, "compute_dtype", self.compute_dtype)

    def _trace_from(self, traces: dict[int, Any]) -> Any:
        return traces[id(self)]

    def _zero_masked(self, outputs: Any, call: Call) -> Any:
        """The outputs, with zeros at masked steps if `zero_output_for_mask` is set."""
        if call.mask is None or not self.zero_output_for_mask:
            return outputs
        return zeros_where_masked(call.mask, outputs)

    def _as_trace(self, steps: Steps, call: Call) -> Any:
        mask = call.mask
        if mask is None:
            mask = ops.ones(ops.shape(call.sequences)[:2], dtype="bool")
        gates, states = tree.map_structure(self._cast, (steps.gates, steps.states))
        return make_trace(self.cell, gates, states, mask)

    def _cast(self, tensor: Any) -> Any:
        return ops.cast(tensor, self.compute_dtype)
