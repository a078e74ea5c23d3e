"""A model as a function of input and states, compiled once for all of its streams."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops, tree

from keras_rnnkit.kernels import backend_kernels
from keras_rnnkit.layers._checks import packed
from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.models._settings import options_of
from keras_rnnkit.models._stream_check import checked
from keras_rnnkit.models._stream_graph import is_graph
from keras_rnnkit.running.calls import Carry
from keras_rnnkit.running.capture import capturing
from keras_rnnkit.running.loop import output_size
from keras_rnnkit.running.names import name_of


def runner_for(model: Any, stepwise: tuple[type, ...], begins: bool = False) -> "Runner":
    """The runner of a model: the stored one, or a new one if the model has changed.

    It is stored on the model, where Keras does not track it, and is freed with the model.

    Args:
        model: A built model or layer.
        stepwise: Classes that the user declares to treat every step by itself.
        begins: Whether a stream begins. Then all options of the layers are compared; in a step of
            a stream, only the variables and the dtype policies, which is faster.

    Raises:
        ValueError: For a model that cannot be fed step by step.
    """
    runner = vars(model).get(_PLACE)
    if (
        runner is None
        or runner.model is not model
        or runner.stepwise != stepwise
        or runner.is_outdated()
        or (begins and runner.settings != _settings(runner.layers))
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
        # `call` runs a functional model for any length, while `model(...)` checks the length.
        self._call = model.call if is_graph(model) else model
        self._inputs = tree.flatten(model.inputs) if is_graph(model) else []

    def is_outdated(self) -> bool:
        """Whether variables, means of `adapt` or dtype policies have been replaced."""
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
            carries.append(_cast(Carry(output, states), layer))
        return carries

    def go_on(self, before: "Runner", carries: list[Carry]) -> list[Carry]:
        """The carries of the previous runner, for the model after a change."""
        if len(self.recurrent) != len(before.recurrent) or not all(
            map(_is, self.recurrent, before.recurrent)
        ):
            raise ValueError(
                f"`model` '{self.model.name}' has other recurrent layers than when the stream "
                "began, so that its states do not fit. Call `reset()` on the stream. "
                f"Received: layers={list(map(name_of, self.recurrent))}"
            )
        return list(map(_cast, carries, self.recurrent))

    def check_rank(self, inputs: Any, without_time: bool) -> None:
        """Refuse a step with a time axis, or a chunk without one."""
        for x, like in zip(tree.flatten(inputs), self._inputs, strict=False):
            if len(x.shape) != len(like.shape) - without_time:
                shape = (like.shape[0], *like.shape[1 + without_time :])
                other = "`chunk` takes several steps" if without_time else "`step` takes one step"
                raise ValueError(
                    f"`inputs` of a stream's {'step' if without_time else 'chunk'} must have the "
                    f"shape {shape}; {other}. Received: inputs.shape={tuple(x.shape)}"
                )

    def find_time(self, inputs: Any) -> None:
        """Find out, once, which outputs have a time axis, by shapes for two numbers of steps."""
        if self._with_time is None:
            two, three = (self._shapes(inputs, time) for time in (2, 3))
            self._with_time = [a != b or None in a for a, b in zip(two, three, strict=True)]

    def _chunk(self, inputs: Any, carries: Any) -> tuple[Any, list[Carry]]:
        initial_carries = dict(zip(map(id, self.recurrent), carries, strict=True))
        with capturing(initial_carries=initial_carries) as capture:
            outputs = self._call(inputs, training=False)
        for layer in self.recurrent:
            if id(layer) not in capture.last_carries:
                raise ValueError(
                    f"{name_of(layer)} is in the model but was not called, so that it has no "
                    "states to carry. Take it out of the model. "
                    f"Received: layer={name_of(layer)}"
                )
        after = [capture.last_carries[id(layer)] for layer in self.recurrent]
        return outputs, [Carry(carry.output, carry.states) for carry in after]

    def _step(self, inputs: Any, carries: Any) -> tuple[Any, list[Carry]]:
        inputs = tree.map_structure(lambda x: ops.expand_dims(x, 1), inputs)
        outputs, carries = self._chunk(inputs, carries)
        flat = [
            output[:, 0] if with_time else output
            for output, with_time in zip(tree.flatten(outputs), self._with_time or [], strict=True)
        ]
        return tree.pack_sequence_as(outputs, flat), carries

    def _shapes(self, inputs: Any, time: int) -> list[tuple[Any, ...]]:
        """The shapes of the outputs for a number of steps like the one given."""

        def spec(x: Any) -> Any:
            shape = (x.shape[0], time, *x.shape[1:])
            return keras.KerasTensor(shape, dtype=keras.utils.standardize_dtype(x.dtype))

        outputs = _Traced(self._call)(tree.map_structure(spec, inputs))
        return [tuple(output.shape) for output in tree.flatten(outputs)]


class _Traced(keras.layers.Layer):
    """A function as a layer, so that Keras infers the shapes of its outputs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def call(self, inputs: Any) -> Any:
        return self.function(inputs, training=False)


def _settings(layers: list[Any]) -> list[dict[str, Any]]:
    """The options of layers: plain values, and functions such as activations."""
    return list(map(options_of, layers))


def _policy(layer: Any) -> Any:
    return layer.dtype_policy


def _mean(layer: Any) -> Any:
    """The mean of a `Normalization`, a tensor and no variable, which `adapt` replaces."""
    return layer.mean


def _is(a: Any, b: Any) -> bool:
    return a is b


def _cast(carry: Carry, layer: Any) -> Carry:
    """The carry in the dtype in which the layer's cell computes now."""
    return tree.map_structure(lambda x: ops.cast(x, layer._cell_dtype), carry)
