"""A model as a function of input and states, compiled once for all of its streams."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.layers._checks import packed
from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.models._stream_check import checked
from keras_rnnkit.models._stream_graph import is_graph
from keras_rnnkit.running.calls import Carry
from keras_rnnkit.running.capture import capturing
from keras_rnnkit.running.loop import output_size
from keras_rnnkit.running.names import name_of


def runner_for(model: Any, stepwise: tuple[type, ...], anew: bool = False) -> "Runner":
    """The runner of a model as it is now: the one that it has, unless the model has changed.

    It lies with the model, past what Keras tracks, so that it goes when the model goes.

    Args:
        model: A built model or layer.
        stepwise: Classes that the user vouches for.
        anew: Whether a stream begins. Then every option of the layers is looked at; else, as this
            is done in each step, the variables and the dtype policies alone.

    Raises:
        ValueError: For a model that cannot be fed step by step.
    """
    runner = vars(model).get(_PLACE)
    if (
        runner is None
        or runner.model is not model
        or runner.stepwise != stepwise
        or runner.is_outdated()
        or (anew and runner.settings != _settings(runner.layers))
    ):
        runner = vars(model)[_PLACE] = Runner(model, stepwise)
    return runner


_PLACE = "_keras_rnnkit_stream_runner"


class Runner:
    """The model as a function of input and carries, compiled where the backend does that."""

    def __init__(self, model: Any, stepwise: tuple[type, ...]) -> None:
        self.model, self.stepwise = model, stepwise
        self.recurrent, self.beginnings, self._with_time = checked(model, stepwise)
        self.layers = layers_in(model)
        self.variables = model.variables
        self.policies = list(map(_policy, self.layers))
        self.adapted = [x for x in self.layers if isinstance(x, keras.layers.Normalization)]
        self.means = list(map(_mean, self.adapted))
        self.settings = _settings(self.layers)
        xla = all(layer.supports_jit for layer in self.layers)
        compiled = partial(backend_kernels().compiled, variables=self.variables, xla=xla)
        self.chunk, self.step = compiled(self._chunk), compiled(self._step)
        # The graph of a functional model takes any length, which its call would refuse.
        self._call = model.call if is_graph(model) else model
        self._inputs = tree.flatten(model.inputs) if is_graph(model) else []

    def is_outdated(self) -> bool:
        """Whether variables or means of `adapt` are no longer the same, or run in other dtypes."""
        now = self.model.variables
        same = len(now) == len(self.variables) and all(map(_is, now, self.variables))
        same = same and all(map(_is, map(_mean, self.adapted), self.means))
        return not (same and all(map(_is, map(_policy, self.layers), self.policies)))

    def start(self, batch: int) -> list[Carry]:
        """The carries before the first step."""
        carries = []
        for layer, beginning in zip(self.recurrent, self.beginnings, strict=True):
            states = packed(layer, tree.flatten(beginning(batch)))
            output = ops.zeros((batch, output_size(layer.cell)), dtype=layer._cell_dtype)
            carries.append(_cast(Carry(output, states, ()), layer))
        return carries

    def go_on(self, before: "Runner", carries: list[Carry]) -> list[Carry]:
        """The carries of the runner before, once the model has changed."""
        if len(self.recurrent) != len(before.recurrent) or not all(
            map(_is, self.recurrent, before.recurrent)
        ):
            raise ValueError(
                f"`model` '{self.model.name}' has other recurrent layers than when the stream "
                "began, so that its states do not fit. `reset` the stream. Received: a model with "
                f"{', '.join(map(name_of, self.recurrent)) or 'none'}"
            )
        return list(map(_cast, carries, self.recurrent))

    def check_rank(self, inputs: Any, without_time: bool) -> None:
        """Refuse a step that has an axis of time, or a chunk that has none."""
        for x, like in zip(tree.flatten(inputs), self._inputs, strict=False):
            if len(x.shape) != len(like.shape) - without_time:
                shape = (like.shape[0], *like.shape[1 + without_time :])
                other = "`chunk` takes several steps" if without_time else "`step` takes one step"
                raise ValueError(
                    f"`inputs` of a stream's {'step' if without_time else 'chunk'} must have the "
                    f"shape {shape}; {other}. Received: inputs of shape {tuple(x.shape)}"
                )

    def find_time(self, inputs: Any) -> None:
        """Finds out, once, which outputs have an axis of time: those that grow with the steps."""
        if self._with_time is None:
            two, three = (self._shapes(inputs, time) for time in (2, 3))
            self._with_time = [a != b or None in a for a, b in zip(two, three, strict=True)]

    def _chunk(self, inputs: Any, carries: Any) -> tuple[Any, list[Carry]]:
        first = {id(layer): carry for layer, carry in zip(self.recurrent, carries, strict=True)}
        with capturing(first=first) as capture:
            outputs = self._call(inputs, training=False)
        for layer in self.recurrent:
            if id(layer) not in capture.last:
                raise ValueError(
                    f"{name_of(layer)} is in the model but was not called, so that it has no "
                    "states to carry. Take it out of the model. "
                    f"Received: a model with {len(self.recurrent)} recurrent layer(s)"
                )
        after = [capture.last[id(layer)] for layer in self.recurrent]
        return outputs, [Carry(carry.output, carry.states, ()) for carry in after]

    def _step(self, inputs: Any, carries: Any) -> tuple[Any, list[Carry]]:
        inputs = tree.map_structure(lambda x: ops.expand_dims(x, 1), inputs)
        outputs, carries = self._chunk(inputs, carries)
        flat = [
            output[:, 0] if with_time else output
            for output, with_time in zip(tree.flatten(outputs), self._with_time or [], strict=True)
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

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def call(self, inputs: Any) -> Any:
        return self.function(inputs, training=False)


def _settings(layers: list[Any]) -> list[dict[str, Any]]:
    """The options of layers: what their code reads, and a compiled graph would not see change."""
    return [
        {name: _copied(value) for name, value in vars(layer).items() if _is_option(name, value)}
        for layer in layers
    ]


def _is_option(name: str, value: Any) -> bool:
    return not name.startswith("_") and (_is_plain(value) or callable(value))


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _copied(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _policy(layer: Any) -> Any:
    return layer.dtype_policy


def _mean(layer: Any) -> Any:
    """The mean of a `Normalization`, which is no variable: `adapt` puts another in its place."""
    return layer.mean


def _is(a: Any, b: Any) -> bool:
    return a is b


def _cast(carry: Carry, layer: Any) -> Carry:
    """The carry in the dtype in which the layer's cell computes now."""
    return tree.map_structure(lambda x: ops.cast(x, layer._cell_dtype), carry)
