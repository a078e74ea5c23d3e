"""Feeding a model one step, or one chunk of steps, at a time."""

import itertools
from functools import partial
from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.layers._checks import packed
from keras_rnnkit.layers._fused import backend_kernels
from keras_rnnkit.layers._loop import Carry, output_size
from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.layers._states import state_count
from keras_rnnkit.layers._watch import watching
from keras_rnnkit.layers.learned_state import LearnedInitialState
from keras_rnnkit.layers.reset import layers_in
from keras_rnnkit.layers.stacked import StackedRNN

_layers = keras.layers

# Layers that treat every step by itself.
STEPWISE = (
    _layers.Activation,
    _layers.ActivityRegularization,
    _layers.Add,
    _layers.AlphaDropout,
    _layers.Average,
    _layers.BatchNormalization,
    _layers.Concatenate,
    _layers.Dense,
    _layers.Dropout,
    _layers.EinsumDense,
    _layers.ELU,
    _layers.Embedding,
    _layers.GaussianDropout,
    _layers.GaussianNoise,
    _layers.Identity,
    _layers.InputLayer,
    _layers.LayerNormalization,
    _layers.LeakyReLU,
    _layers.Masking,
    _layers.Maximum,
    _layers.Minimum,
    _layers.Multiply,
    _layers.ReLU,
    _layers.Rescaling,
    _layers.RMSNormalization,
    _layers.Softmax,
    _layers.SpatialDropout1D,
    _layers.Subtract,
    _layers.TimeDistributed,
)


# Operations of `keras.ops` in a functional model that do the same.
ELEMENTWISE = {
    *("Absolute", "Add", "Cast", "Divide", "Equal", "Exp", "Gelu", "Log", "Maximum", "Minimum"),
    *("Multiply", "Negative", "NotEqual", "Power", "Relu", "Sigmoid", "Silu", "Sqrt", "Square"),
    *("Subtract", "Tanh", "TrueDivide"),
}


def stream(model: Any, stepwise: tuple[type, ...] = ()) -> "Stream":
    """Feed a model step by step, as its input comes in.

    What comes out at the end is what the model gives for the whole sequence: the states of its
    recurrent layers are carried from chunk to chunk, in the stream, outside the model. A model can
    have any number of streams at a time, each with its own states. It runs in inference, and sees
    the model's weights as they are at each step.

    Args:
        model: A built model, or a layer, of layers that need no later steps: recurrent ones of the
            kit, one-directional and forward, and those that treat every step by itself
            (`Embedding`, `Dense`, normalizations, dropouts, ...).
        stepwise: Classes of your own layers that treat every step by itself, and of your own
            models whose code does.

    Returns:
        A `Stream`.

    Raises:
        TypeError: If `model` is not a Keras layer or model, or not built.
        ValueError: For a layer that needs the whole sequence, naming it.

    Example:

    >>> import keras, numpy as np
    >>> import keras_rnnkit as kit
    >>> model = keras.Sequential([keras.Input((None, 3)), kit.GRU(4), keras.layers.Dense(1)])
    >>> x = np.ones((2, 5, 3), "float32")
    >>> live = kit.stream(model)
    >>> for t in range(5):
    ...     y = live.step(x[:, t])
    >>> bool(np.allclose(keras.ops.convert_to_numpy(y), model.predict(x, verbose=0), atol=1e-6))
    True
    """
    if not isinstance(model, keras.layers.Layer) or not model.built:
        raise TypeError(f"`model` of stream must be a built model or layer, but {model!r} came.")
    return Stream(_Runner(model, _checked_layers(model, stepwise)))


class Stream:
    """Input on its way through a model, and the states in which it left the recurrent layers."""

    def __init__(self, runner: "_Runner") -> None:
        self._runner = runner
        self._carries: list[Carry] | None = None

    @property
    def states(self) -> Any:
        """A list with the states of each recurrent layer, in the order of the model.

        `None` before the first input.
        """
        return None if self._carries is None else [carry.states for carry in self._carries]

    def step(self, inputs: Any) -> Any:
        """Feed one step.

        Args:
            inputs: `(batch, features)`, or `(batch,)` for a model that takes word numbers; a
                structure of these for a model of several inputs.

        Returns:
            The model's output so far; where the model returns sequences, that of this step, without
            a time axis.
        """
        inputs = tree.map_structure(ops.convert_to_tensor, inputs)
        self._runner.check_rank(inputs, without_time=True)
        self._runner.find_time(inputs)
        return self._feed(self._runner.step, inputs)

    def chunk(self, inputs: Any) -> Any:
        """Feed some steps.

        Args:
            inputs: `(batch, time, features)`, or `(batch, time)` for word numbers; a structure of
                these for a model of several inputs.

        Returns:
            The model's output so far; where the model returns sequences, those of these steps.
        """
        inputs = tree.map_structure(ops.convert_to_tensor, inputs)
        self._runner.check_rank(inputs, without_time=False)
        if 0 in tree.flatten(inputs)[0].shape[1:2]:
            raise ValueError("`inputs` of a stream need at least one time step.")
        return self._feed(self._runner.chunk, inputs)

    def _feed(self, run: Any, inputs: Any) -> Any:
        batch, carries = tree.flatten(inputs)[0].shape[0], self._carries
        if carries is None:
            carries = self._runner.start(batch)
        elif tree.flatten(carries[0])[0].shape[0] != batch:
            raise ValueError(
                f"`inputs` of a stream must keep their batch size: it began with "
                f"{tree.flatten(carries[0])[0].shape[0]} rows, but {batch} came. "
                "Make another stream, or `reset` this one."
            )
        outputs, self._carries = run(inputs, carries)
        return outputs

    def reset(self) -> None:
        """Forget everything: the next input is the first."""
        self._carries = None

    def copy(self) -> "Stream":
        """Another stream that goes on from here; the two know nothing of each other."""
        other = Stream(self._runner)
        other._carries = self._carries
        return other


class _Runner:
    """The model as a function of input and carries, compiled where the backend does that."""

    def __init__(self, model: Any, recurrent: list[tuple[Any, Any]]) -> None:
        self.model = model
        self.recurrent = [layer for layer, _ in recurrent]
        self.beginnings = [beginning for _, beginning in recurrent]
        xla = all(layer.supports_jit for layer in layers_in(model))
        compiled = partial(backend_kernels().compiled, variables=model.variables, xla=xla)
        self.chunk, self.step = compiled(self._chunk), compiled(self._step)
        # The graph of a functional model takes any length, which its call would refuse.
        functional = isinstance(model, keras.Sequential) or hasattr(model, "inputs")
        self._call = model.call if functional else model
        self._inputs = tree.flatten(model.inputs) if functional else []
        self._with_time: list[bool] = []  # which outputs have an axis of time

    def start(self, batch: int) -> list[Carry]:
        """The carries before the first step."""
        carries = []
        for layer, beginning in zip(self.recurrent, self.beginnings, strict=True):
            dtype = layer._cell_dtype
            states = tree.flatten(beginning(batch))
            states = packed(layer, [ops.cast(state, dtype) for state in states])
            output = ops.zeros((batch, output_size(layer.cell)), dtype=dtype)
            carries.append(Carry(output, states, ()))
        return carries

    def check_rank(self, inputs: Any, without_time: bool) -> None:
        """Refuse a step that has an axis of time, or a chunk that has none."""
        for x, like in zip(tree.flatten(inputs), self._inputs, strict=False):
            if len(x.shape) != len(like.shape) - without_time:
                shape = (like.shape[0], *like.shape[1 + without_time :])
                other = "`chunk` takes several steps" if without_time else "`step` takes one step"
                raise ValueError(
                    f"`inputs` of a stream's {'step' if without_time else 'chunk'} must have the "
                    f"shape {shape}, but {tuple(x.shape)} came; {other}."
                )

    def find_time(self, inputs: Any) -> None:
        """Finds out, once, which outputs have an axis of time: those that grow with the steps."""
        if not self._with_time:
            two, three = (self._shapes(inputs, time) for time in (2, 3))
            self._with_time = [a != b or None in a for a, b in zip(two, three, strict=True)]

    def _chunk(self, inputs: Any, carries: Any) -> tuple[Any, list[Carry]]:
        first = {id(layer): carry for layer, carry in zip(self.recurrent, carries, strict=True)}
        with watching(first=first) as watch:
            outputs = self._call(inputs, training=False)
        after = [watch.last[id(layer)] for layer in self.recurrent]
        return outputs, [Carry(carry.output, carry.states, ()) for carry in after]

    def _step(self, inputs: Any, carries: Any) -> tuple[Any, list[Carry]]:
        inputs = tree.map_structure(lambda x: ops.expand_dims(x, 1), inputs)
        outputs, carries = self._chunk(inputs, carries)
        flat = [
            output[:, 0] if with_time else output
            for output, with_time in zip(tree.flatten(outputs), self._with_time, strict=True)
        ]
        return tree.pack_sequence_as(outputs, flat), carries

    def _shapes(self, inputs: Any, time: int) -> list[tuple[Any, ...]]:
        """The shapes of the outputs for so many steps like the one given."""

        def spec(x: Any) -> Any:
            shape = (x.shape[0], time, *x.shape[1:])
            return keras.KerasTensor(shape, dtype=keras.utils.standardize_dtype(x.dtype))

        outputs = _Traced(self._call)(tree.map_structure(spec, inputs))
        return [tuple(output.shape) for output in tree.flatten(outputs)]


class _Traced(keras.layers.Layer):
    """A function as a layer, so that Keras finds out the shapes of what it returns."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def call(self, inputs: Any) -> Any:
        return self.function(inputs, training=False)


def _checked_layers(model: Any, stepwise: tuple[type, ...]) -> list[tuple[Any, Any]]:
    """The recurrent layers of a model, each with what gives its first states.

    Raises:
        ValueError: Where a layer cannot go step by step.
    """
    if isinstance(model, Recurrent):
        if model.go_backwards:
            raise ValueError(_whole(model, "it goes backwards through time"))
        return [(model, model.get_initial_state)]
    if isinstance(model, LearnedInitialState):
        found = [layer for layer, _ in _checked_layers(model.layer, stepwise)]
        ends = list(itertools.accumulate(map(state_count, found), initial=0))
        return [
            (layer, partial(_part, model, slice(*ends[i : i + 2]))) for i, layer in enumerate(found)
        ]
    if isinstance(model, keras.Sequential | StackedRNN):
        return [found for layer in model.layers for found in _checked_layers(layer, stepwise)]
    functional = hasattr(model, "operations")
    if isinstance(model, keras.Model) and (functional or isinstance(model, stepwise)):
        parts = getattr(model, "operations", model.layers)
        return [found for part in parts for found in _checked_layers(part, stepwise)]
    if not isinstance(model, keras.layers.Layer):
        if type(model).__name__ in ELEMENTWISE or _over_features(model):
            return []
        raise ValueError(_whole(model, "it is an operation that may look at several steps"))
    if not isinstance(model, (*STEPWISE, *stepwise)):
        if isinstance(model, keras.layers.RNN):
            raise ValueError(
                f"{_name(model)} is not a layer of keras_rnnkit, whose states alone can be carried "
                "outside. `kit.from_keras(model)` makes it one."
            )
        both = isinstance(model, keras.layers.Bidirectional)
        why = "one direction begins at the end" if both else "it may look at several steps"
        raise ValueError(_whole(model, why))
    axis = getattr(model, "axis", -1)
    if {1, -2} & {*(axis if isinstance(axis, list | tuple) else [axis])}:
        raise ValueError(_whole(model, "its `axis` is that of time"))
    return []


def _over_features(operation: Any) -> bool:
    """Whether it is the operation by which `Masking` finds steps of nothing."""
    return type(operation).__name__ == "Any" and operation.axis in (-1, (-1,), [-1])


def _part(model: LearnedInitialState, which: slice, batch: int) -> list[Any]:
    """Some of the first states that a wrapper has learned."""
    return model.get_initial_state(batch)[which]


def _whole(layer: Any, why: str) -> str:
    return (
        f"{_name(layer)} cannot be fed step by step: {why}. A stream takes one-directional "
        "recurrent layers and layers that treat every step by itself; classes of your own that do "
        "go into `stepwise=(MyLayer,)`."
    )


def _name(layer: Any) -> str:
    return f"{type(layer).__name__} '{layer.name}'"
