"""A stack of recurrent layers as one layer."""

from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.layers._checks import check_rank, checked_mask, checked_recompute, mask_of_steps
from keras_rnnkit.layers._resets import checked_resets, of_last_sequence, resets_of_each
from keras_rnnkit.layers._stack_cells import cell_config, cell_name, cells_from_config
from keras_rnnkit.layers._stack_checks import (
    check_apart,
    check_choice,
    check_equal_widths,
    checked_options,
    checked_rates,
    checked_seeds,
    checked_units,
    one_per_layer,
)
from keras_rnnkit.layers._stack_parts import (
    Collected,
    add_residual,
    norm_before,
    projection,
    recurrent_layer,
    take_output,
    width_of,
    with_collected,
)
from keras_rnnkit.layers._states import directions, named_states, split_states, state_count
from keras_rnnkit.layers._traceable import ReturnsGates, attached_mask, note_mask

_MERGES = ("concat", "sum", "mul", "ave")
_RESIDUALS = (False, True, "identity")
_IN_CONFIG = (
    *("units", "dropout", "recurrent_dropout", "seed", "bidirectional", "merge_mode", "residual"),
    *("layer_norm", "return_sequences", "return_state", "return_gates", "stateful"),
    "recompute",
)


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class StackedRNN(ReturnsGates, keras.layers.Layer):
    """Recurrent layers on top of each other, as one layer.

    It gives every inner layer the `return_sequences` it needs. The inner layers are those of the
    kit, with their fast paths, traces and states; `stack.layers` lists them, and
    `model.summary(expand_nested=True)` shows them. `StackedRNN([8, 8], dropout=0.3)` computes what
    two `LSTM(8, dropout=0.3)` chained by hand compute.

    Args:
        units: List of positive integers, one for each layer.
        cell: The name of a cell of the kit without its ending (`"lstm"`, `"gru"`, `"simple_rnn"`,
            `"layer_norm_lstm"`, ...), a cell class, a function `units -> cell`, a cell
            instance, or a list of these, one for each layer.
        dropout: Fraction of each layer's inputs to drop in training, in `[0, 1)`, also between the
            layers; or a list with one fraction for each layer. One mask is drawn for a whole
            sequence.
        recurrent_dropout: Fraction of each layer's hidden state to drop in training, likewise.
        bidirectional: Whether every layer runs in both directions.
        merge_mode: How the outputs of the directions become one: `"concat"`, `"sum"`, `"mul"` or
            `"ave"`.
        residual: Whether every layer but the first adds its input to its output (He et al., 2016;
            Wu et al., 2016). `True` puts a projection, `Dense` without bias, where the widths
            differ; `"identity"` requires equal widths.
        layer_norm: Whether a `LayerNormalization` (Ba et al., 2016) normalizes the input of every
            layer but the first; a residual connection goes around it.
        return_sequences: Whether to return the output of every step, or the last.
        return_state: Whether to return the last states too.
        return_gates: Whether to append the traces, last, to what is returned.
        stateful: Whether a batch starts from the last states of the previous batch.
        cell_options: Dict of further arguments of the cells, `{"use_bias": False}`; for cells given
            by name or class.
        seed: Integer seed of the first layer's dropout masks, from which the others count on, or a
            list of one for each layer.
        path: As in `keras_rnnkit.LSTM`, for every layer.
        recompute: As in `keras_rnnkit.LSTM`, for every layer.
        **kwargs: `name`, `dtype` and what else a Keras layer takes.

    Call arguments:
        sequences: Tensor `(batch, time, features)`.
        initial_state: The states of every layer, as `return_state=True` returns them; plain lists
            in the same order work too.
        mask: Boolean tensor `(batch, time)`, false where a step is skipped, by every layer.
        training: Whether dropout applies.
        resets: Boolean tensor `(batch, time)`, true at the first step of each new sequence inside a
            row, masked or not, in the order of the input: the states of every layer are zeros
            again before that step, and in a backward direction after it.

    Returns:
        The output, `(batch, width)` or `(batch, time, width)`; with `return_state`, then a dict of
        the last states by layer, `states["rnn_0"].hidden`, in each direction
        `states["rnn_0"].forward.hidden`; with `return_gates`, last a dict of traces by layer,
        `traces["rnn_0"].forget`. The dtype is the compute dtype.

    Raises:
        ValueError: For wrong arguments, shapes or states; the message says what was expected.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> x = np.ones((2, 5, 3), "float32")
    >>> stack = kit.StackedRNN([4, 6], return_state=True)
    >>> output, states = stack(x)
    >>> tuple(output.shape), tuple(states["rnn_0"].cell.shape)
    ((2, 6), (2, 4))
    """

    def __init__(
        self,
        units: Any,
        cell: Any = "lstm",
        dropout: Any = 0.0,
        recurrent_dropout: Any = 0.0,
        bidirectional: bool = False,
        merge_mode: str = "concat",
        residual: bool | str = False,
        layer_norm: bool = False,
        return_sequences: bool = False,
        return_state: bool = False,
        return_gates: bool = False,
        stateful: bool = False,
        cell_options: dict[str, Any] | None = None,
        seed: Any = None,
        path: str = "auto",
        recompute: bool | int = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        owner = f"StackedRNN '{self.name}'"
        self.units = checked_units(owner, units)
        count = len(self.units)
        self.dropout = checked_rates(owner, "dropout", dropout, count)
        self.recurrent_dropout = checked_rates(owner, "recurrent_dropout", recurrent_dropout, count)
        check_choice(owner, "merge_mode", merge_mode, _MERGES)
        check_choice(owner, "residual", residual, _RESIDUALS)
        self.bidirectional, self.merge_mode = bidirectional, merge_mode
        self.residual, self.layer_norm = residual, layer_norm
        self.return_sequences, self.return_state = return_sequences, return_state
        self.return_gates, self.stateful = return_gates, stateful
        self.cell_options = checked_options(owner, cell_options)
        self.seed, self.requested_path = seed, path
        self.recompute = checked_recompute(owner, recompute)
        self.supports_masking = True
        cells = one_per_layer(owner, "cell", cell, count)
        self._cell_names = [cell_name(cell) for cell in cells]
        seeds = checked_seeds(owner, seed, count)
        self.recurrent_layers = [recurrent_layer(self, i, cells[i], seeds[i]) for i in range(count)]
        check_apart(owner, [directions(layer)[0].cell for layer in self.recurrent_layers])
        if residual == "identity":
            check_equal_widths(owner, [width_of(self, layer) for layer in self.recurrent_layers])
        self.norms = [norm_before(self, i) if layer_norm and i else None for i in range(count)]
        self.projections = [projection(self, i) if residual and i else None for i in range(count)]

    @property
    def layers(self) -> list[Any]:
        """The inner layers, in the order in which they run."""
        return [layer for part in self._parts() for layer in part if layer is not None]

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        check_rank(self, sequences_shape)
        shape = tuple(sequences_shape)
        for norm, layer, projected in self._parts():
            for part in (norm, projected, layer):
                if part is not None and not part.built:
                    part.build(shape)
            shape = (*shape[:2], width_of(self, layer))

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
        sequences_mask: Any = None,
        resets: Any = None,
    ) -> Any:
        # With a second tensor argument, Keras passes the mask of the input under this name.
        mask = sequences_mask if mask is None else mask
        note_mask(self, attached_mask(sequences))
        check_rank(self, sequences.shape)
        mask = checked_mask(self, mask, sequences.shape)
        first = self._first_states(initial_state)
        resets = checked_resets(self, resets, sequences.shape)
        starts = resets_of_each(self, resets)
        x = ops.convert_to_tensor(sequences, dtype=self.compute_dtype)
        collected, valid = Collected({}, {}), of_last_sequence(mask, resets)
        for (norm, layer, projected), *values in zip(self._parts(), first, starts, strict=True):
            names = ("initial_state", "resets")
            given = {n: v for n, v in zip(names, values, strict=True) if v is not None}
            y = x if norm is None else norm(x)
            returned = layer(y, mask=mask, training=training, **given)
            y = take_output(self, layer, returned, collected)
            x = add_residual(self, layer, projected, x, y, valid)
        return with_collected(self, x, collected)

    def _trace_from(self, traces: dict[int, Any]) -> dict[str, Any]:
        return {layer.name: layer._trace_from(traces) for layer in self.recurrent_layers}

    def get_initial_state(self, batch_size: Any) -> dict[str, Any]:
        """The initial states that the layers use when none are given, by layer."""
        states = {}
        for layer in self.recurrent_layers:
            first = [part.get_initial_state(batch_size) for part in directions(layer)]
            states[layer.name] = named_states(layer, tree.flatten(first))
        return states

    def reset_state(self, states: Any = None) -> None:
        """Reset a stateful stack to its initial states, or to the states given.

        Args:
            states: Arrays in the structure that `initial_state` takes, by layer and by name.
        """
        given = self._first_states(states)
        for layer, flat in zip(self.recurrent_layers, given, strict=True):
            for part in directions(layer):
                count = state_count(part)
                part.reset_state(None if flat is None else flat[:count])
                flat = None if flat is None else flat[count:]

    reset_states = reset_state

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
        check_rank(self, sequences.shape)
        resets = checked_resets(self, resets, sequences.shape)
        first = self._first_states(initial_state)
        shape, collected = tuple(sequences.shape), Collected({}, {})
        for layer, start in zip(self.recurrent_layers, first, strict=True):
            x = keras.KerasTensor(shape, dtype=self.compute_dtype)
            given = {} if start is None else {"initial_state": start}
            returned = layer.compute_output_spec(x, resets=resets, **given)
            output = take_output(self, layer, returned, collected)
            shape = (*shape[:2], width_of(self, layer))
        return with_collected(self, output, collected)

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        inputs = keras.KerasTensor(sequences_shape, dtype=self.compute_dtype)
        return tree.map_structure(lambda spec: spec.shape, self.compute_output_spec(inputs))

    def compute_mask(self, sequences: Any, mask: Any) -> Any:
        mask = mask_of_steps(tree.flatten(mask)[0]) if self.return_sequences else None
        if not (self.return_state or self.return_gates):
            return mask
        inputs = keras.KerasTensor(sequences.shape, dtype=self.compute_dtype)
        _, *others = self.compute_output_spec(inputs)
        return (mask, *tree.map_structure(lambda _: None, others))

    def get_config(self) -> dict[str, Any]:
        cells = [directions(layer)[0].cell for layer in self.recurrent_layers]
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in _IN_CONFIG},
            "cell": list(map(cell_config, self._cell_names, cells)),
            "cell_options": keras.saving.serialize_keras_object(self.cell_options),
            "path": self.requested_path,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        options = keras.saving.deserialize_keras_object(config["cell_options"])
        cells = cells_from_config(config["cell"])
        return cls(**{**config, "cell": cells, "cell_options": options})

    def _parts_with_gates(self) -> list[Any]:
        return getattr(self, "recurrent_layers", [])

    def _parts(self) -> Any:
        """The layer norm, the recurrent layer and the projection of each layer."""
        return zip(self.norms, self.recurrent_layers, self.projections, strict=True)

    def _first_states(self, initial_state: Any) -> list[Any]:
        """The initial states of each layer, flat, or `None` for its default ones."""
        if initial_state is None:
            return [None] * len(self.units)
        return split_states(f"StackedRNN '{self.name}'", initial_state, self.recurrent_layers)
