"""Checks, before the first step, that a model can be fed step by step: layer by layer.

The model is traversed from its inputs to its outputs with two numbers of steps. An output has a
time axis if its shape depends on the number of steps. Up to the recurrent layer that returns only
its last output, every layer must treat each step by itself; any layer may follow it.
"""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
from keras import tree

from keras_rnnkit.layers._recurrent import Recurrent
from keras_rnnkit.layers._states import state_count
from keras_rnnkit.layers._walk import layers_in
from keras_rnnkit.layers.learned_state import LearnedInitialState
from keras_rnnkit.layers.stacked import StackedRNN
from keras_rnnkit.models._stream_graph import (
    Sized,
    check_lengths,
    inputs_of,
    is_graph,
    nodes_of,
    outputs_of,
)
from keras_rnnkit.models._stream_rules import call_arguments, own_code_is_known, why_not_stepwise
from keras_rnnkit.running.names import name_of


class Checked(NamedTuple):
    """What is known of a model that can be fed step by step."""

    recurrent: list[Recurrent]
    beginnings: list[Callable[[int], Any]]  # functions that return the initial states of each
    with_time: list[bool] | None  # which outputs have a time axis; `None` where unknown


def checked(model: Any, stepwise: tuple[type, ...]) -> Checked:
    """The recurrent layers of a model, and what else a stream needs to know.

    Args:
        model: A built layer or model.
        stepwise: Classes that the user declares to treat every step by itself.

    Raises:
        ValueError: For a layer that cannot run step by step, naming it.
    """
    walk = _Walk(stepwise)
    outputs = None
    if is_graph(model):
        outputs = [output.with_time for output in walk.through(model, inputs_of(model))]
        check_lengths(model)
    else:
        walk.alone(model)
    layers = [layer for layer, _ in walk.found]
    for layer in layers:
        if sum(layer is other for other in (*layers, *walk.later)) > 1:
            raise ValueError(
                f"{name_of(layer)} is called more than once in the model, so that its states "
                "cannot be distinguished. Use a layer of its own for each call. "
                f"Received: layer={name_of(layer)} a second time"
            )
    return Checked(layers, [beginning for _, beginning in walk.found], outputs)


class _Walk:
    """Traverses a model, and collects its recurrent layers with their initial states."""

    def __init__(self, stepwise: tuple[type, ...]) -> None:
        self.stepwise = stepwise
        self.found: list[tuple[Recurrent, Callable[[int], Any]]] = []
        self.later: list[Any] = []  # layers that only see the last output of others

    def through(self, model: Any, tensors: list[Sized]) -> list[Sized]:
        """The outputs of a model for these inputs."""
        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                tensors = self.one(layer, (tensors[0],), {})
            return tensors
        known = dict(zip(map(id, model.inputs), tensors, strict=True))

        def value(x: Any) -> Any:
            return known[id(x)] if isinstance(x, keras.KerasTensor) else x

        for node in nodes_of(model):
            given = (node.arguments.args, node.arguments.kwargs)
            args, kwargs = tree.map_structure(value, given)
            outputs = self.one(node.operation, args, kwargs)
            known.update(zip(map(id, node.outputs), outputs, strict=True))
        return [known[id(x)] for x in model.outputs]

    def one(self, operation: Any, args: Any, kwargs: Any) -> list[Sized]:
        """The outputs of one call in a model, after a check that it can run step by step."""
        tensors = [x for x in tree.flatten((args, kwargs)) if isinstance(x, Sized)]
        with_time = any(tensor.with_time for tensor in tensors)
        if with_time and kwargs.get("training"):
            raise ValueError(_not_stepwise(operation, "it is called with `training=True`"))
        if is_graph(operation):
            inputs = [x for x in tree.flatten(args) if isinstance(x, Sized)]
            return self.through(operation, inputs)
        if with_time:
            self._check_call(operation, args, kwargs)
        else:
            self._check_later(operation)
        return outputs_of(operation, args, kwargs)

    def alone(self, layer: Any) -> None:
        """Check a layer whose inputs are unknown."""
        if is_graph(layer):
            self.through(layer, inputs_of(layer))
        elif not self._take(layer):
            self._check_stepwise(layer, [(None, None, None)], [])

    def _check_call(self, operation: Any, args: Any, kwargs: Any) -> None:
        given = call_arguments(operation, args, kwargs)
        if isinstance(operation, keras.layers.Layer):
            given.pop("training", None)
            masks = [given.pop(name) for name in list(given) if name.endswith("mask")]
            self._check_masks(operation, masks)
        if self._take(operation):
            for name in ("initial_state", "resets"):
                if given.get(name) is not None:
                    article = "an" if name == "initial_state" else "the"
                    why = f"it is given {article} `{name}` in the model"
                    raise ValueError(_not_stepwise(operation, why))
            return
        tensors = [x for x in tree.flatten(given) if isinstance(x, Sized)]
        if not all(tensor.with_time for tensor in tensors):
            why = "it combines steps with a tensor that has no time axis"
            raise ValueError(_not_stepwise(operation, why))
        constants = [x for x in given.values() if not _holds_tensors(x)]
        self._check_stepwise(operation, [x.few.shape for x in tensors], constants)

    def _check_later(self, operation: Any) -> None:
        """Check a layer that sees no steps: it must not keep states between calls."""
        if not (own_code_is_known(operation) or isinstance(operation, self.stepwise)):
            raise ValueError(_not_stepwise(operation, _own_code(operation)))
        inside = [part for part in layers_in(operation) if isinstance(part, keras.layers.RNN)]
        if any(part.stateful for part in inside):
            raise ValueError(
                _not_stepwise(operation, "it is stateful, and its input has no time axis")
            )
        self.later += inside

    def _check_masks(self, operation: Any, masks: list[Any]) -> None:
        for mask in tree.flatten(masks):
            if mask is not None and not (isinstance(mask, Sized) and mask.with_time):
                raise ValueError(_not_stepwise(operation, "its `mask` has no time axis"))

    def _check_stepwise(self, operation: Any, shapes: list[Any], constants: list[Any]) -> None:
        if isinstance(operation, self.stepwise):
            self._look_into(operation)
            return
        why = why_not_stepwise(operation, shapes, constants)
        if why is not None:
            raise ValueError(_not_stepwise(operation, why))

    def _look_into(self, layer: Any) -> None:
        """Check the layers inside a layer or model of a class in `stepwise`."""
        if isinstance(layer, keras.Model):
            for part in layer.layers:
                self.alone(part)
            return
        inside = [part for part in layers_in(layer) if isinstance(part, keras.layers.RNN)]
        if inside:
            raise ValueError(
                f"{name_of(layer)} holds {name_of(inside[0])}, and a layer in `stepwise` treats "
                "every step by itself. Make it a `keras.Model`, whose recurrent layers a stream "
                f"carries. Received: stepwise={type(layer).__name__}"
            )

    def _take(self, layer: Any) -> bool:
        """Collect the recurrent layers of a layer; return whether there are any."""
        found = recurrent_in(layer)
        if found:
            self._refuse_own_code(layer)
        self.found += found
        return bool(found)

    def _refuse_own_code(self, layer: Any) -> None:
        if not (own_code_is_known(layer) or isinstance(layer, self.stepwise)):
            raise ValueError(_not_stepwise(layer, _own_code(layer)))


def recurrent_in(layer: Any) -> list[tuple[Recurrent, Callable[[int], Any]]]:
    """The one-directional layers of a recurrent layer, each with its initial states.

    Raises:
        ValueError: For one that cannot run step by step.
    """
    if isinstance(layer, LearnedInitialState):
        found = [part for part, _ in recurrent_in(layer.layer)]
        ends = list(itertools.accumulate(map(state_count, found), initial=0))
        return [
            (part, partial(_part, layer, slice(*ends[i : i + 2]))) for i, part in enumerate(found)
        ]
    if isinstance(layer, StackedRNN):
        return [found for part in layer.recurrent_layers for found in recurrent_in(part)]
    if isinstance(layer, keras.layers.Bidirectional):
        raise ValueError(_not_stepwise(layer, "one direction begins at the end of the sequence"))
    if not isinstance(layer, keras.layers.RNN):
        return []
    if not isinstance(layer, Recurrent):
        raise ValueError(
            "A stream carries only the states of layers of keras_rnnkit. Put the kit's layer in "
            "its place; `kit.from_keras(model)` does so in a model that Keras can serialize. "
            f"Received: layer={name_of(layer)} of {type(layer).__module__.partition('.')[0]}"
        )
    if layer.go_backwards:
        raise ValueError(_not_stepwise(layer, "it goes backwards through time"))
    return [(layer, layer.get_initial_state)]


def _own_code(layer: Any) -> str:
    return f"its class {type(layer).__name__} has a `call` of its own"


def _holds_tensors(value: Any) -> bool:
    return any(isinstance(x, Sized) for x in tree.flatten(value))


def _part(wrapper: LearnedInitialState, which: slice, batch: int) -> list[Any]:
    """Some of the initial states that a wrapper has learned."""
    return wrapper.get_initial_state(batch)[which]


def _not_stepwise(layer: Any, why: str) -> str:
    return (
        f"{name_of(layer)} cannot be fed step by step: {why}. A stream takes one-directional "
        "recurrent layers and layers that treat every step by itself; `stream` takes classes of "
        f"your own that do so as `stepwise=(MyLayer,)`. Received: layer={name_of(layer)}"
    )
