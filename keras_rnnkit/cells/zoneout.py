"""Zoneout, a wrapper around any cell."""

from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.cells._checks import check_rate
from keras_rnnkit.cells._masks import Masks
from keras_rnnkit.cells._takes import masks_for_method, takes_masks, takes_training


@keras.saving.register_keras_serializable(package="keras_rnnkit")
class Zoneout(keras.layers.Layer):
    r"""Zoneout: random elements of a cell's states keep their old values (Krueger et al., 2017).

    Wraps any recurrent cell, for `keras_rnnkit.RNN`, which draws the masks of all steps before its
    loop over the steps. The gates are those of the wrapped cell, if it has any.

    Equations:

    $$
    \begin{aligned}
    s'_t &= \text{the state after a step of the cell from } s_{t-1} \\
    s_t &= m_t \odot s_{t-1} + (1 - m_t) \odot s'_t && \text{in training} \\
    s_t &= p \, s_{t-1} + (1 - p) \, s'_t && \text{in inference}
    \end{aligned}
    $$

    for each state $s$ of the cell, where each element of the mask $m_t$, drawn for every step, is
    one with probability $p$, the rate of that state. If the output of the cell is its first state,
    as in all cells of the kit, the output is $s_t$ of that state; otherwise it is the unchanged
    output of the cell.

    Args:
        cell: Any recurrent cell that is a Keras layer. Wrap the cells of a stack one by one.
        rate: The probability to keep the old value, in `[0, 1)`: a number for all states, a list
            with one for each state, or a dict by the names of states, `{"cell": 0.5, "hidden":
            0.05}`, zero for those that it does not name. States of other cells are `state_0`,
            `state_1`, ...
        seed: Integer seed of the masks.
        **kwargs: `name` and what else a Keras layer takes.

    Call arguments:
        inputs: Tensor `(batch, features)`.
        states: List of tensors, those of the cell.
        training: Whether masks are drawn; in inference, the expected value of the new states is
            used.

    Returns:
        `(output, states)`, as the cell returns them.

    Raises:
        TypeError: If `cell` is not a Keras layer with a `state_size`, or is a stack of cells.
        ValueError: If a rate is outside `[0, 1)`, or there is a rate for an unknown state.

    Weights:
        Those of the cell.

    Masking:
        A cell computes one step and takes no mask. The layers keep the states at masked steps.

    Example:

    >>> import numpy as np
    >>> import keras_rnnkit as kit
    >>> cell = kit.Zoneout(kit.LSTMCell(4), rate={"cell": 0.5, "hidden": 0.05}, seed=1)
    >>> layer = kit.RNN(cell, return_gates=True)
    >>> output, trace = layer(np.ones((2, 5, 3), "float32"), training=True)
    >>> tuple(trace.forget.shape)
    (2, 5, 4)
    """

    masked_methods = ("gates", "step")

    def __init__(self, cell: Any, rate: Any = 0.1, seed: int | None = None, **kwargs: Any) -> None:
        _check_cell(cell)
        kwargs.setdefault("dtype", cell.dtype_policy)
        super().__init__(**kwargs)
        self.cell = cell
        self.rate = rate
        self.rates = _rates(cell, rate)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, inputs_shape: Any, states_shape: Any = None) -> None:
        if not self.cell.built:
            self.cell.build(inputs_shape)
        self.built = True

    @property
    def state_size(self) -> Any:
        """That of the cell."""
        return self.cell.state_size

    @property
    def output_size(self) -> Any:
        """That of the cell."""
        return getattr(self.cell, "output_size", None)

    @property
    def units(self) -> Any:
        """Those of the cell."""
        return self.cell.units

    @property
    def gates_type(self) -> Any:
        """That of the cell."""
        return self.cell.gates_type

    @property
    def trace_type(self) -> Any:
        """That of the cell."""
        return self.cell.trace_type

    def gates(self, inputs: Any, states: Any, training: bool = False, masks: Any = None) -> Any:
        """The gates of the cell, if it exposes any.

        Args:
            inputs: Tensor `(batch, features)`.
            states: The states of the cell.
            training: Whether the cell's dropout applies.
            masks: `Masks` of the step, those of the cell in their field `cell`.

        Returns:
            The named tuple of its gates, each `(batch, units)`.
        """
        how = masks_for_method(self.cell, "gates", _of_cell(masks))
        return self.cell.gates(inputs, states, training=training, **how)

    def step(self, gates: Any, states: Any, masks: Any = None) -> tuple[Any, Any]:
        """The new states from the gates.

        Args:
            gates: What `gates` returned.
            states: The states of the cell.
            masks: `Masks` of the step; without them, the expected value is taken.

        Returns:
            `(output, states)`, as the cell returns them.
        """
        how = masks_for_method(self.cell, "step", _of_cell(masks))
        output, new_states = self.cell.step(gates, states, **how)
        return self.zoned(output, new_states, states, masks)

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        masks = None
        if training:
            drawn = self.draw_states(1, ops.shape(inputs)[0])
            masks = Masks(states=tuple(mask[0] for mask in drawn))
        how = {"training": training} if takes_training(self.cell) else {}
        output, new_states = self.cell(inputs, states, **how)
        return self.zoned(output, new_states, states, masks)

    def get_initial_state(self, batch_size: Any = None) -> Any:
        if hasattr(self.cell, "get_initial_state"):
            return self.cell.get_initial_state(batch_size=batch_size)
        sizes = tree.flatten(self.state_size)
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

    def draw_masks(self, inputs: Any, states: Any, steps: Any = 1) -> Masks:
        """Draw the masks of one sequence.

        Args:
            inputs: The inputs of one step, `(batch, features)`.
            states: The states before the first step.
            steps: The number of steps of the sequence.

        Returns:
            `Masks`: in `states` one `(steps, batch, size)` for each state with a rate, in `cell`
            those of the cell, if it takes any.
        """
        of_cell = None
        if isinstance(self.cell, Zoneout) or takes_masks(self.cell):
            of_cell = self.cell.draw_masks(inputs, states, steps)
        return Masks(states=self.draw_states(steps, ops.shape(inputs)[0]), cell=of_cell)

    def draw_states(self, steps: Any, batch: Any) -> tuple[Any, ...]:
        """Draw the masks of the states for a sequence.

        Args:
            steps: How many steps it has.
            batch: How many rows.

        Returns:
            One boolean mask `(steps, batch, size)` for each state with a rate.
        """
        sizes = zip(self.rates, tree.flatten(self.state_size), strict=True)
        return tuple(
            keras.random.uniform((steps, batch, size), dtype="float32", seed=self.seed_generator)
            < rate
            for rate, size in sizes
            if rate
        )

    def zoned(self, output: Any, new_states: Any, states: Any, masks: Any = None) -> Any:
        """The output and states of the cell, with old values where the masks say so.

        Args:
            output: The output of the cell.
            new_states: The states after its step.
            states: The states before.
            masks: `Masks` of the step; without them, the expected value is taken.

        Returns:
            `(output, states)`, as the cell returns them.
        """
        news, olds = tree.flatten(new_states), tree.flatten(states)
        drawn = iter(masks.states) if masks is not None and masks.states else None
        mixed = [
            _mixed(rate, new, old, drawn) if rate else new
            for rate, new, old in zip(self.rates, news, olds, strict=True)
        ]
        output = mixed[0] if output is news[0] else output
        return output, tree.pack_sequence_as(new_states, mixed)

    def get_config(self) -> dict[str, Any]:
        config = {
            "cell": keras.saving.serialize_keras_object(self.cell),
            "rate": dict(self.rate) if isinstance(self.rate, dict) else self.rate,
            "seed": self.seed,
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        cell = keras.saving.deserialize_keras_object(config["cell"], custom_objects)
        return cls(**{**config, "cell": cell})


def _of_cell(masks: Masks | None) -> Any:
    return None if masks is None else masks.cell


def _mixed(p: float, new: Any, old: Any, masks: Any) -> Any:
    """The old values where the mask is true, else the new ones."""
    old = ops.convert_to_tensor(old, dtype=new.dtype)
    return p * old + (1 - p) * new if masks is None else ops.where(next(masks), old, new)


def _check_cell(cell: Any) -> None:
    stack = isinstance(cell, keras.layers.StackedRNNCells)
    if stack or not (isinstance(cell, keras.layers.Layer) and hasattr(cell, "state_size")):
        raise TypeError(
            "`cell` of Zoneout must be one recurrent cell, a Keras layer with a `state_size`. "
            + ("Wrap each cell of the stack by itself. " if stack else "")
            + f"Received: cell={cell!r}"
        )


def state_names(cell: Any) -> tuple[str, ...]:
    """The names of a cell's states in their order; `state_0`, `state_1`, ... where it has none."""
    if isinstance(cell, Zoneout):
        return state_names(cell.cell)
    count = len(tree.flatten(cell.state_size))
    names = tuple(getattr(cell, "state_names", ()))
    return names if len(names) == count else tuple(f"state_{i}" for i in range(count))


def _rates(cell: Any, rate: Any) -> list[float]:
    """The rate of each state."""
    count = len(tree.flatten(cell.state_size))
    names = state_names(cell)
    if isinstance(rate, dict):
        unknown = sorted(set(rate) - set(names))
        if unknown:
            raise ValueError(
                f"`rate` of Zoneout must be by the names of the states of {type(cell).__name__}, "
                f"{', '.join(map(repr, names))}. Received: rate={rate!r}"
            )
        rates = [rate.get(name, 0.0) for name in names]
    else:
        rates = list(rate) if isinstance(rate, list | tuple) else [rate] * count
    if len(rates) != count:
        raise ValueError(
            f"`rate` of Zoneout must be one number, or {count} for the states of "
            f"{type(cell).__name__} ({', '.join(names)}). Received: rate={rate!r}"
        )
    for value in rates:
        check_rate("Zoneout", "rate", value)
    return [float(value) for value in rates]
