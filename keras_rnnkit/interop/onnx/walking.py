"""The calls of a model in their order, each converted, with the masks that Keras passes along."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import tree

from keras_rnnkit.interop.onnx.graph import Graph, Value
from keras_rnnkit.interop.onnx.masks import Masks
from keras_rnnkit.interop.onnx.unsupported import Unsupported
from keras_rnnkit.interop.onnx.weights import as_value
from keras_rnnkit.models._stream_graph import is_graph, nodes_of
from keras_rnnkit.models._stream_rules import call_arguments, own_code_is_known
from keras_rnnkit.running.names import name_of


@dataclass(frozen=True)
class Call:
    """A call of an operation of `keras.ops`.

    Attributes:
        operation: The operation, with its options as attributes.
        arguments: Those of the call by name: values, numbers, and lists of them.
        outputs: The symbolic tensors that Keras has for the outputs.
    """

    operation: Any
    arguments: dict[str, Any]
    outputs: list[Any]


class Walk:
    """Converts the calls of a model in their order.

    Args:
        graph: The graph that the nodes are added to.
        layers: The converters of layers by class; each takes the graph, the layer and the values
            of its first argument, and returns those of the outputs.
        wrappers: The converters of wrappers by class; each takes the walk, the layer and its input.
        recurrent: The converters of recurrent layers by class, which take `initial_state` too.
        operation: The converter of the operations of `keras.ops`; it takes the graph and a `Call`.
        keeps_dtype: The classes of the layers that take integers as they are.
        options: Further arguments for the converters of recurrent layers.
    """

    def __init__(
        self,
        graph: Graph,
        layers: dict[type, Callable[..., list[Value]]],
        wrappers: dict[type, Callable[..., list[Value]]],
        recurrent: dict[type, Callable[..., list[Value]]],
        operation: Callable[[Graph, Call], list[Value]],
        keeps_dtype: tuple[type, ...],
        options: dict[str, Any],
    ) -> None:
        self.graph = graph
        self.masks = Masks(graph, self._operation)
        self._layers, self._wrappers, self._recurrent = layers, wrappers, recurrent
        self._convert_operation = operation
        self._keeps_dtype = keeps_dtype
        self._options = options
        self._path: list[str] = []

    def model(self, model: Any, inputs: list[Value]) -> list[Value]:
        """The outputs of a model for the values of its inputs, flat."""
        with self._at(model.name):
            return self._model(model, inputs)

    def _model(self, model: Any, inputs: list[Value]) -> list[Value]:
        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                given = inputs[0] if len(inputs) == 1 else inputs
                inputs = self.call(layer, (given,), {}, [])
            return inputs
        known = dict(zip(map(id, model.inputs), inputs, strict=True))

        def value(x: Any) -> Any:
            return known[id(x)] if isinstance(x, keras.KerasTensor) else x

        for node in nodes_of(model):
            args = tree.map_structure(value, node.arguments.args)
            kwargs = tree.map_structure(value, node.arguments.kwargs)
            outputs = self.call(node.operation, args, kwargs, node.outputs)
            known.update(zip(map(id, node.outputs), outputs, strict=True))
        return [known[id(x)] for x in model.outputs]

    @contextlib.contextmanager
    def without_states(self) -> Iterator[None]:
        """Convert recurrent layers within the block as if the graph took no states.

        For sequences inside a step, each of which starts anew.
        """
        before, self._options = self._options, {**self._options, "states": None}
        try:
            yield
        finally:
            self._options = before

    def takes_mask(self, layer: Any) -> bool:
        """Whether the `call` of a layer has an argument `mask`."""
        return "mask" in inspect.signature(layer.call).parameters

    def call(
        self, operation: Any, args: Any, kwargs: dict[str, Any], outputs: list[Any]
    ) -> list[Value]:
        """The outputs of one call, flat.

        Args:
            operation: A layer, a model or an operation of `keras.ops`.
            args: Its arguments, with values in the place of tensors.
            kwargs: Its arguments by keyword.
            outputs: The symbolic tensors that Keras has for the outputs of an operation.

        Raises:
            ValueError: For what cannot be exported, with its name and its place in the model.
        """
        with self._at(operation.name), self.graph.scope(operation.name):
            try:
                if not isinstance(operation, keras.layers.Layer):
                    return self._operation(operation, args, kwargs, outputs)
                return self._layer(operation, args, kwargs)
            except Unsupported as error:
                raise ValueError(
                    f"{name_of(operation)} in the model '{self._path[0]}' cannot be exported to "
                    f"ONNX: {error}. Received: layer='{'/'.join(self._path)}'"
                ) from None

    @contextlib.contextmanager
    def _at(self, name: str) -> Iterator[None]:
        """Note the place in the model, for errors."""
        self._path.append(name)
        try:
            yield
        finally:
            self._path.pop()

    def _operation(
        self, operation: Any, args: Any, kwargs: dict[str, Any], outputs: list[Any]
    ) -> list[Value]:
        if type(operation).__module__.partition(".")[0] != "keras":
            raise Unsupported("it is an operation of its own. Use functions of `keras.ops`")
        arguments = call_arguments(operation, args, kwargs)
        values = self._convert_operation(self.graph, Call(operation, arguments, outputs))
        return [replace(value, mask=None) for value in values]

    def _layer(self, layer: Any, args: Any, kwargs: dict[str, Any]) -> list[Value]:
        given = call_arguments(layer, args, kwargs)
        if given.pop("training", None):
            raise Unsupported(
                "the model calls it with `training=True`, and a file computes predictions. Leave "
                "`training` out of the call"
            )
        known = (self._layers, self._wrappers, self._recurrent)
        if not is_graph(layer) and not any(type(layer) in classes for classes in known):
            raise Unsupported(_unknown(layer))
        self.masks.fill_in(layer, given)
        first = next(iter(given))
        inputs = given.pop(first)
        initial_state = given.pop("initial_state", None)
        previous = self.masks.before(inputs, given.get("mask"))
        masks = [given.pop(name, None) for name in ("mask", f"{first}_mask")]
        _refuse_others(layer, given)
        shown = tree.flatten(inputs)
        if self.takes_mask(layer) or f"{first}_mask" in inspect.signature(layer.call).parameters:
            shown = _with_masks(shown, next((mask for mask in masks if mask is not None), None))
        outputs = self._converted(layer, shown, initial_state)
        return self.masks.after(layer, inputs, previous, outputs)

    def _converted(self, layer: Any, inputs: list[Value], initial_state: Any) -> list[Value]:
        if is_graph(layer):
            return self._model(layer, inputs)
        if type(layer) in self._wrappers:
            return self._wrappers[type(layer)](self, layer, inputs[0])
        if not isinstance(layer, self._keeps_dtype):
            inputs = [as_value(self.graph, value, "float32") for value in inputs]
        if type(layer) in self._recurrent:
            if (mask := self.masks.of(inputs[0])) is not None:
                inputs = [replace(inputs[0], mask=self.masks.of_steps(mask).name)]
            outputs = self._recurrent[type(layer)](
                self.graph, layer, inputs, initial_state=initial_state, **self._options
            )
            return [replace(value, mask=None) for value in outputs]
        return self._layers[type(layer)](self.graph, layer, inputs)


def _with_masks(values: list[Value], masks: Any) -> list[Value]:
    """The values of the first argument with the masks that the layer is given."""
    given = tree.flatten(masks)
    if len(given) != len(values):
        given = [None] * len(values)
    return [
        replace(value, mask=None if mask is None else mask.name)
        for value, mask in zip(values, given, strict=True)
    ]


def _refuse_others(layer: Any, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if any(part is not None for part in tree.flatten(value)):
            raise Unsupported(f"the argument `{name}` of a {type(layer).__name__} is not supported")


def _unknown(layer: Any) -> str:
    if isinstance(layer, keras.Model) and own_code_is_known(layer):
        return "it is not built as a Sequential or functional model"
    if not own_code_is_known(layer):
        return (
            f"its class {type(layer).__name__} has a `call` of its own. Put it together from "
            "layers of Keras in a functional model"
        )
    return (
        f"layers of its class {type(layer).__module__.partition('.')[0]}.{type(layer).__name__} "
        'are not supported. Use other layers, or `model.export(path, format="onnx")` of Keras'
    )
