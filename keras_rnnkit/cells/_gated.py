"""The base of every cell of the kit: a call is `gates`, then `step`."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops, tree

from keras_rnnkit.cells._checks import check_rate, checked_units
from keras_rnnkit.cells._chrono import bias_of_chrono, check_chrono, has_chrono
from keras_rnnkit.cells._half import in_float32
from keras_rnnkit.cells._masks import Masks, dropout_masks
from keras_rnnkit.cells._quantize import NotQuantized
from keras_rnnkit.cells._takes import methods_with, stores_masks_as_keras_does


class GatedCell(NotQuantized):
    """A cell that exposes its gates: a call runs `gates` (the equations), then `step` (the states).

    A mixin for custom cells, to be listed before `keras.layers.Layer` or a cell of Keras among the
    base classes. `keras_rnnkit.RNN`, `StackedRNN` and `Zoneout` can then return the gates, and
    support masks, states and streams as for the cells of the kit. The guide "Add a cell" has an
    example.

    A subclass defines:

    - `gates(inputs, states, training=False, masks=None)`: the equations of one step, as a
      `gates_type`.
    - `step(gates, states, masks=None)`: `(output, new_states)`, from the gates and the old states.
    - `state_names`: the names of its states, in their order.
    - `gates_type`: a NamedTuple of its gates, each `(batch, units)`.
    - `trace_type`: a NamedTuple of the gates, then the states, then `mask`, for a whole sequence.
    - `units`, `state_size` and `output_size`, as every Keras cell does.

    The argument `masks` is for cells with dropout. If `gates` has it, the layers call `draw_masks`
    before the loop over the steps, in training only, and pass the resulting `keras_rnnkit.Masks` to
    `gates` in every step, and to `step` if it has the argument too. No mask is stored on the cell,
    so several threads can use the cell at the same time. If `gates` has no such argument, a cell
    with `dropout` or `recurrent_dropout` gets its masks from `get_dropout_mask` and
    `get_recurrent_dropout_mask`, as the cells of Keras do, and the threads use it one after
    another. Layers inside the cell (`keras.layers.Dropout`, `keras.layers.BatchNormalization`) draw
    a mask, or update their statistics, in each step.

    `edit` is for a cell whose `gates` computes one gate from another. `keras_rnnkit.edit` replaces
    what `gates` returns; if `gates` has that argument, with the default `lambda name, value:
    value`, it is called where the gate is computed, `f = edit("forget", f)`, so that what
    `gates` computes from it follows.

    Args:
        units: Positive integer, passed to the next base class, a cell of Keras.
        *args: Passed to the next base class, like `**kwargs`. If that is `keras.layers.Layer`,
            which takes no units, call `keras.layers.Layer.__init__(self, **kwargs)` instead of
            `super().__init__`.
        **kwargs: Passed to the next base class.

    Call arguments:
        inputs: Tensor `(batch, features)`.
        states: List of the states, each `(batch, size)`.
        training: Whether dropout applies.

    Returns:
        `(output, new_states)`. A cell that is called without a layer in training draws its own
        masks and stores them until `reset_dropout_mask()` and `reset_recurrent_dropout_mask()` are
        called.

    Raises:
        ValueError: If `units` is not a positive integer or a dropout rate is outside `[0, 1)`.

    Example:

    >>> from typing import Any, NamedTuple
    >>> import numpy as np
    >>> import keras
    >>> import keras_rnnkit as kit
    >>> class LeakyGates(NamedTuple):
    ...     candidate: Any
    >>> class LeakyTrace(NamedTuple):
    ...     candidate: Any
    ...     hidden: Any
    ...     mask: Any
    >>> class LeakyCell(kit.GatedCell, keras.layers.SimpleRNNCell):
    ...     state_names, gates_type, trace_type = ("hidden",), LeakyGates, LeakyTrace
    ...     def gates(self, inputs, states, training=False):
    ...         z = inputs @ self.kernel + states[0] @ self.recurrent_kernel + self.bias
    ...         return LeakyGates(candidate=self.activation(z))
    ...     def step(self, gates, states):
    ...         h = 0.9 * states[0] + 0.1 * gates.candidate
    ...         return h, [h]
    >>> layer = kit.RNN(LeakyCell(4), return_gates=True)
    >>> output, trace = layer(np.ones((2, 5, 3), "float32"))
    >>> tuple(trace.candidate.shape)
    (2, 5, 4)
    """

    # Attributes of the Keras cell that follows the mixin.
    activation: Any
    bias: Any
    build: Any
    built: bool
    compute_dtype: str
    dropout: float
    get_dropout_mask: Any
    get_recurrent_dropout_mask: Any
    kernel: Any
    recurrent_dropout: float
    recurrent_kernel: Any
    state_size: Any
    units: int
    use_bias: bool
    variable_dtype: str

    state_names: ClassVar[tuple[str, ...]] = ()
    gates_type: ClassVar[Any] = None
    trace_type: ClassVar[Any] = None

    # The sign of the biases of `Chrono` in each block of the bias; empty if it does not apply.
    chrono_signs: ClassVar[tuple[int, ...]] = ()

    masked_methods: ClassVar[tuple[str, ...]] = ()  # which of `gates` and `step` take masks
    edited_methods: ClassVar[tuple[str, ...]] = ()  # which of them take `edit`
    handed_masks: ClassVar[bool] = False  # whether layers draw the masks and pass them

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.masked_methods = methods_with(cls, "masks")
        cls.edited_methods = methods_with(cls, "edit")
        plain = cls.call is GatedCell.call and stores_masks_as_keras_does(cls)
        cls.handed_masks = plain and "gates" in cls.masked_methods

    def __init__(self, units: int, *args: Any, **kwargs: Any) -> None:
        units = checked_units(type(self).__name__, units)
        super().__init__(units, *args, **kwargs)  # type: ignore[call-arg]
        for name in ("dropout", "recurrent_dropout"):
            check_rate(type(self).__name__, name, kwargs.get(name, getattr(self, name)))
        check_chrono(self)

    def gates(self, inputs: Any, states: Any, training: bool = False, masks: Any = None) -> Any:
        """The equations of one step.

        Args:
            inputs: Tensor `(batch, features)`.
            states: List of the states, each `(batch, size)`.
            training: Whether dropout applies.
            masks: `Masks` of the sequence; with `None`, the cell draws its own.

        Returns:
            A `gates_type`, each gate `(batch, units)`.
        """
        raise NotImplementedError

    def step(self, gates: Any, states: Any, masks: Any = None) -> tuple[Any, Any]:
        """The new states from the gates.

        Args:
            gates: What `gates` returned.
            states: List of the old states, each `(batch, size)`.
            masks: The same as for `gates`.

        Returns:
            `(output, new_states)`.
        """
        raise NotImplementedError

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, Any]:
        gates = self.gates(inputs, states, training=training)
        return self.step(gates, states)

    def draw_masks(self, inputs: Any, states: Any, steps: Any = 1) -> Masks:
        """Draw the masks of one sequence: those of `dropout` and `recurrent_dropout`, if any.

        Cells with other kinds of masks override this method.

        Args:
            inputs: The inputs of one step, `(batch, features)`.
            states: The states before the first step.
            steps: The number of steps of the sequence, for `Masks.states`.

        Returns:
            `Masks`, to be passed to `gates` and `step`.
        """
        hidden = states[0] if isinstance(states, list | tuple) else states
        return Masks(
            inputs=dropout_masks(self, inputs, getattr(self, "dropout", 0)),
            recurrent=dropout_masks(self, hidden, getattr(self, "recurrent_dropout", 0)),
        )

    def add_weight(self, *args: Any, **kwargs: Any) -> Any:
        """Like `keras.layers.Layer.add_weight`; every initializer works in half precision."""
        if kwargs.get("name") == "bias" and has_chrono(self):
            kwargs["initializer"] = bias_of_chrono(self)
        dtype = keras.utils.standardize_dtype(kwargs.get("dtype") or self.variable_dtype)
        if "initializer" in kwargs and dtype in ("float16", "bfloat16"):
            kwargs["initializer"] = in_float32(kwargs["initializer"])
        return super().add_weight(*args, **kwargs)  # type: ignore[misc]

    def _prepare(self, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        """Inputs and states as tensors of the compute dtype; a cell used by itself is built."""
        inputs = self._tensor(inputs)
        if not self.built:
            self.build(inputs.shape)
        return inputs, self._states(states)

    def _states(self, states: Any) -> list[Any]:
        states = list(states) if isinstance(states, list | tuple) else [states]
        if len(states) != len(self.state_names):
            sizes = tree.flatten(self.state_size)
            shapes = ", ".join(f"(batch, {size})" for size in sizes)
            raise ValueError(
                f"`states` of {type(self).__name__} must hold {len(self.state_names)} tensor(s) "
                f"({', '.join(self.state_names)}), of shape {shapes}. "
                "`cell.get_initial_state(batch_size)` returns the first ones. "
                f"Received: len(states)={len(states)}"
            )
        return [self._tensor(state) for state in states]

    def _tensor(self, value: Any) -> Any:
        """The value as a tensor of the compute dtype; unchanged if it is one."""
        if (
            ops.is_tensor(value)
            and keras.utils.standardize_dtype(value.dtype) == self.compute_dtype
        ):
            return value
        return ops.convert_to_tensor(value, dtype=self.compute_dtype)

    def _weight(self, weight: Any) -> Any:
        """The weight in the compute dtype, also where no layer casts it."""
        return ops.convert_to_tensor(weight, dtype=self.compute_dtype)

    def _weighted(self, x: Any, h: Any, training: bool, masks: Masks | None = None) -> Any:
        """`x W + h U + b`, with dropout, the blocks of the gates concatenated."""
        z = project(x, self._weight(self.kernel), self._input_masks(x, training, masks))
        recurrent_masks = self._hidden_masks(h, training, masks)
        z = z + project(h, self._weight(self.recurrent_kernel), recurrent_masks)
        return z + self._weight(self.bias) if self.use_bias else z

    def _activate(self, values: Any) -> Any:
        """The cell's `activation`, in the dtype of the values.

        On JAX, `keras.ops.tanh` makes float32 of float64; the sigmoid keeps float64.
        """
        wide = self.compute_dtype == "float64" and keras.config.backend() == "jax"
        if wide and self.activation is keras.activations.tanh:
            return 2 * ops.sigmoid(2 * values) - 1
        return self.activation(values)

    def _input_masks(self, inputs: Any, training: bool, masks: Masks | None = None) -> Any:
        """The input dropout mask, or one for each gate, or None."""
        if masks is not None:
            return masks.inputs
        if not training or not self.dropout:
            return None
        return self.get_dropout_mask(inputs)

    def _hidden_masks(self, hidden: Any, training: bool, masks: Masks | None = None) -> Any:
        """The recurrent dropout mask, or one for each gate, or None."""
        if masks is not None:
            return masks.recurrent
        if not training or not self.recurrent_dropout:
            return None
        return self.get_recurrent_dropout_mask(hidden)


class ImplementationConfig:
    """Keeps `implementation` in the config, which the cells of Keras 3.15 do not save."""

    implementation: int

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()  # type: ignore[misc]
        return {**config, "implementation": self.implementation}


def project(inputs: Any, kernel: Any, masks: Any = None) -> Any:
    """`inputs @ kernel` with dropout: no mask, one mask, or one mask for each gate.

    Args:
        inputs: `(batch, features)`.
        kernel: `(features, gates * units)`, the kernels of the gates, concatenated.
        masks: `None`, a tensor `(batch, features)`, or a list of one such tensor for each gate.

    Returns:
        A tensor `(batch, gates * units)`, in the dtype of the inputs: `keras.ops.matmul` would
        make float32 of float64 on JAX and PyTorch.
    """
    if masks is None:
        return inputs @ kernel
    if not isinstance(masks, list | tuple):
        return (inputs * masks) @ kernel
    kernels = ops.split(kernel, len(masks), axis=-1)
    return ops.concatenate([(inputs * m) @ k for m, k in zip(masks, kernels, strict=True)], axis=-1)


def like(states: Any, new_states: Sequence[Any]) -> Any:
    """New states in the form of the old ones: a list, or a tensor for a tensor."""
    return list(new_states) if isinstance(states, list | tuple) else new_states[0]
